"""Adapters: from a tensor as the data has it to a byte array with positions."""

import keras
from keras import ops

from perceiver_tf.layers.positions import (
    FourierPositions,
    LearnedPositions,
    fourier_channels,
    fourier_features,
)

STEM_PADDINGS = ("same", "symmetric")


@keras.saving.register_keras_serializable("perceiver_tf")
class FourierInputs(keras.layers.Layer):
    """Describes a grid (audio, image, video) by its raw content and Fourier positions.

    This is the adapter of the original ImageNet Perceiver: 224 x 224 pixels of 3 channels and
    258 position features (arXiv:2103.03206 section 4.1).

    Args:
        num_frequency_bands: int, bands per axis.
        max_resolution: tuple of one number per axis of the grid.
        include_coordinates: bool, whether the coordinates are features too.

    Call arguments:
        inputs: float `(b, size_1, ..., size_d, channels)`, any sizes; normalised content, of
            about unit scale.

    Returns:
        byte array with `content` and `axes`, rows of `channels + d * (2 *
        num_frequency_bands + include_coordinates)` channels.
    """

    def __init__(self, num_frequency_bands, max_resolution, include_coordinates=True, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.positions = FourierPositions(
            num_frequency_bands,
            max_resolution,
            include_coordinates,
            dtype=self.dtype_policy,
            name="positions",
        )

    def build(self, inputs_shape):
        self.positions.build(inputs_shape)

    def call(self, inputs):
        return {"content": inputs, "axes": self.positions(inputs)}

    def compute_output_spec(self, inputs):
        content = keras.KerasTensor(inputs.shape, inputs.dtype)
        return {"content": content, "axes": self.positions.compute_output_spec(inputs)}


@keras.saving.register_keras_serializable("perceiver_tf")
class LearnedInputs(keras.layers.Layer):
    """Describes a grid by projected content and learned positions.

    The adapter of the "learned position" ImageNet model in the form of the Perceiver IO paper
    (arXiv:2107.14795 appendix H, and the released code): a 1 x 1 convolution of the content,
    one trainable vector per position, a projection of that vector.

    Args:
        content_channels: int, width of the projected content; None leaves it raw.
        position_channels: int, width of a learned position.
        projected_position_channels: int, width after its projection; None for no projection.
        init_scale: float, standard deviation of the positions' initialiser.

    Call arguments:
        inputs: float `(b, size_1, ..., size_d, channels)`, of fixed sizes; normalised content,
            of about unit scale.

    Returns:
        byte array with `content` and `positions`.
    """

    def __init__(
        self,
        content_channels=256,
        position_channels=256,
        projected_position_channels=256,
        init_scale=0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.content_channels = content_channels
        self.position_channels = position_channels
        self.projected_position_channels = projected_position_channels
        self.init_scale = init_scale

    def build(self, inputs_shape):
        self.positions = LearnedPositions(
            self.position_channels, self.init_scale, dtype=self.dtype_policy, name="positions"
        )
        self.positions.build(inputs_shape)
        self.content_projection = self.position_projection = None
        if self.content_channels:
            self.content_projection = self._projection(
                self.content_channels, inputs_shape[-1], "content_projection"
            )
        if self.projected_position_channels:
            self.position_projection = self._projection(
                self.projected_position_channels, self.position_channels, "position_projection"
            )

    def _projection(self, channels, input_channels, name):
        # A dense layer on the channels is a 1 x 1 convolution.
        initializer = keras.initializers.VarianceScaling(1.0, "fan_in", "truncated_normal")
        dense = keras.layers.Dense(
            channels, kernel_initializer=initializer, dtype=self.dtype_policy, name=name
        )
        dense.build((None, input_channels))
        return dense

    def call(self, inputs):
        content, positions = inputs, self.positions(inputs)
        if self.content_projection is not None:
            content = self.content_projection(content)
        if self.position_projection is not None:
            positions = self.position_projection(positions)
        return {"content": content, "positions": positions}

    def compute_output_spec(self, inputs):
        content = keras.KerasTensor(inputs.shape, inputs.dtype)
        if self.content_channels:
            shape = (*inputs.shape[:-1], self.content_channels)
            content = keras.KerasTensor(shape, self.compute_dtype)
        positions = self.positions.compute_output_spec(inputs)
        if self.projected_position_channels:
            shape = (positions.shape[0], self.projected_position_channels)
            positions = keras.KerasTensor(shape, self.compute_dtype)
        return {"content": content, "positions": positions}


@keras.saving.register_keras_serializable("perceiver_tf")
class ConvStemInputs(keras.layers.Layer):
    """Describes an image by a convolutional stem and Fourier positions of the stem's grid.

    The "conv" adapter of Perceiver IO (arXiv:2107.14795 appendix H, and the released code):
    7 x 7 convolution of stride 2 without bias, batch normalisation (momentum 0.9, epsilon
    1e-5), relu, 3 x 3 max pooling of stride 2. With TensorFlow's "same" padding of both, 224 x
    224 pixels become 56 x 56 rows.

    Args:
        content_channels: int, filters of the convolution.
        num_frequency_bands, max_resolution, include_coordinates: see `FourierInputs`; the
            resolution is that of the stem's grid.
        padding: "same", or "symmetric" as in Hugging Face's port: 3 zeros on every side before
            the convolution and none before the pooling, so that 224 x 224 pixels become 55 x 55
            rows.

    Call arguments:
        inputs: float `(b, height, width, channels)`, normalised pixels.
        training: bool, whether batch normalisation uses the batch's statistics.

    Returns:
        byte array with `content` `(b, height / 4, width / 4, content_channels)` and `axes`.

    Raises:
        ValueError: if `padding` is unknown.
    """

    def __init__(
        self,
        num_frequency_bands,
        max_resolution,
        content_channels=64,
        include_coordinates=True,
        padding="same",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if padding not in STEM_PADDINGS:
            raise ValueError(
                f"`padding` must be one of {STEM_PADDINGS}. Received: padding={padding!r}."
            )
        self.content_channels = content_channels
        self.padding = padding
        self.num_zeros = 0 if padding == "same" else 3
        policy, same_or_valid = self.dtype_policy, "same" if padding == "same" else "valid"
        self.convolution = keras.layers.Conv2D(
            content_channels, 7, 2, same_or_valid, use_bias=False, dtype=policy, name="convolution"
        )
        self.normalization = keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, dtype=policy, name="normalization"
        )
        self.pooling = keras.layers.MaxPooling2D(3, 2, same_or_valid, dtype=policy, name="pooling")
        self.positions = FourierPositions(
            num_frequency_bands,
            max_resolution,
            include_coordinates,
            dtype=self.dtype_policy,
            name="positions",
        )

    def build(self, inputs_shape):
        self.convolution.build(inputs_shape)
        self.normalization.build((None, None, None, self.content_channels))
        self.positions.build((None, None, None, self.content_channels))

    def call(self, inputs, training=None):
        if self.num_zeros:
            zeros = (self.num_zeros, self.num_zeros)
            inputs = ops.pad(inputs, ((0, 0), zeros, zeros, (0, 0)))
        content = self.convolution(inputs)
        content = self.normalization(content, training=training)
        content = self.pooling(ops.relu(content))
        return {"content": content, "axes": self.positions(content)}

    def compute_output_spec(self, inputs, training=None):
        batch_size, *sizes, channels = inputs.shape
        sizes = [None if size is None else size + 2 * self.num_zeros for size in sizes]
        shape = self.convolution.compute_output_shape((batch_size, *sizes, channels))
        content = keras.KerasTensor(
            self.pooling.compute_output_shape(shape), dtype=self.compute_dtype
        )
        return {"content": content, "axes": self.positions.compute_output_spec(content)}


@keras.saving.register_keras_serializable("perceiver_tf")
class PointInputs(keras.layers.Layer):
    """Describes points by the Fourier features of their own coordinates.

    The adapter of the point-cloud Perceiver (arXiv:2103.03206 section 4.3: 64 bands, maximum
    frequency 1120, which is a `max_resolution` of 2240 per axis, 387 channels).

    Args:
        num_frequency_bands: int, bands per axis.
        max_resolution: tuple of one number per coordinate.

    Call arguments:
        inputs: float `(b, m, d)` coordinates in [-1, 1], or a dict of `points` (the same),
            optionally `features` float `(b, m, channels)`, of about unit scale, put before the
            positions, and optionally
            `mask` bool `(b, m)`, False for padding.

    Returns:
        byte array with `content` and, if it was given, `mask`.
    """

    def __init__(self, num_frequency_bands, max_resolution, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.num_frequency_bands = num_frequency_bands
        self.max_resolution = tuple(max_resolution)

    def call(self, inputs):
        parts = inputs if isinstance(inputs, dict) else {"points": inputs}
        content = fourier_features(parts["points"], self.num_frequency_bands, self.max_resolution)
        if "features" in parts:
            features = ops.cast(parts["features"], content.dtype)
            content = ops.concatenate([features, content], axis=-1)
        described = {"content": content}
        if "mask" in parts:
            described["mask"] = ops.cast(parts["mask"], "bool")
        return described

    def compute_output_spec(self, inputs):
        parts = inputs if isinstance(inputs, dict) else {"points": inputs}
        channels = fourier_channels(len(self.max_resolution), self.num_frequency_bands)
        if "features" in parts:
            channels += parts["features"].shape[-1]
        shape = (*parts["points"].shape[:-1], channels)
        described = {"content": keras.KerasTensor(shape, dtype="float32")}
        if "mask" in parts:
            described["mask"] = keras.KerasTensor(shape[:-1], dtype="bool")
        return described
