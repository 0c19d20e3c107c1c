"""Rows of equal width for inputs of several kinds (arXiv:2103.03206 section 4.2)."""

import keras

from perceiver_tf.layers import byte_array


@keras.saving.register_keras_serializable("perceiver_tf")
class ModalityPadding(keras.layers.Layer):
    """Fills the rows of one modality up to a common width with a trained vector.

    The vector is the same for all rows of the modality, so it also tells the modalities apart,
    as the audio and the video of a clip in one byte array. A list of descriptions that came
    through one `ModalityPadding` each is a byte array, see `perceiver_tf.layers.byte_array`.

    Args:
        num_channels: int, the common width; larger than the rows' own.
        init_scale: float, standard deviation of the vector's truncated normal initialiser.

    Call arguments:
        inputs: a byte array of one modality: a tensor `(b, m, channels)` or a dict.

    Returns:
        dict, the same byte array with a `constant` of `num_channels - channels`.

    Raises:
        ValueError: if the rows are as wide already, or have a constant.
    """

    def __init__(self, num_channels, init_scale=0.02, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.num_channels = num_channels
        self.init_scale = init_scale

    def build(self, inputs_shape):
        channels = byte_array.num_channels(inputs_shape)
        has_constant = isinstance(inputs_shape, dict) and "constant" in inputs_shape
        if channels >= self.num_channels or has_constant:
            raise ValueError(
                "`num_channels` must be larger than the width of the rows, which must not be "
                f"padded yet. Received: num_channels={self.num_channels}, rows of {channels} "
                f"channels{', padded' if has_constant else ''}."
            )
        self.padding = self.add_weight(
            shape=(self.num_channels - channels,),
            initializer=keras.initializers.TruncatedNormal(stddev=self.init_scale),
            autocast=False,
            name="padding",
        )

    def call(self, inputs):
        (description,) = byte_array.as_parts(inputs)
        return {**description, "constant": keras.ops.copy(self.padding)}

    def compute_output_spec(self, inputs):
        (description,) = byte_array.as_parts(inputs)
        constant = keras.KerasTensor(self.padding.shape, dtype=self.variable_dtype)
        return keras.tree.map_structure(
            lambda x: keras.KerasTensor(x.shape, dtype=x.dtype),
            {**description, "constant": constant},
        )
