"""The patches around every pixel, and the adapter of optical flow that reads them."""

import keras
from keras import ops

from perceiver_tf.layers.positions import FourierPositions


def neighbourhoods(images, size):
    """Return the square patch around each pixel, zeros outside of the image.

    Args:
        images: `(b, height, width, channels)`, height and width also unknown until call time.
        size: int, odd; rows and columns of a patch.

    Returns:
        `(b, height, width, size * size * channels)`; channels in the order row of the patch,
        column of the patch, channel of the image.
    """
    margin = size // 2
    _, height, width, _ = ops.shape(images)
    padded = ops.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    shifted = [
        padded[:, row : row + height, column : column + width]
        for row in range(size)
        for column in range(size)
    ]
    return ops.concatenate(shifted, axis=-1)


@keras.saving.register_keras_serializable("perceiver_tf")
class FlowInputs(keras.layers.Layer):
    """Describes the pixels of two frames by the patches around them and Fourier positions.

    The adapter of the optical-flow Perceiver IO (arXiv:2107.14795 appendix H, and the released
    code): the 3 x 3 patches around a pixel in both frames, 54 channels, are projected to 64 and
    stand beside 258 position features. One row tells what is at a pixel in either frame, so that
    the same rows serve as the decoder's queries.

    Args:
        num_frequency_bands: int, bands per axis.
        max_resolution: (number, number), twice the highest frequency of rows and columns.
        content_channels: int, width of the projected patches.
        patch_size: int, odd; rows and columns of a patch.

    Call arguments:
        inputs: float `(b, num_frames, height, width, channels)`, pixels in [-1, 1], any height
            and width.

    Returns:
        byte array with `content` `(b, height, width, content_channels)` and `axes`.

    Raises:
        ValueError: if `patch_size` is not odd and positive.
    """

    def __init__(
        self, num_frequency_bands, max_resolution, content_channels=64, patch_size=3, **kwargs
    ):
        super().__init__(**kwargs)
        if patch_size < 1 or patch_size % 2 == 0:
            raise ValueError(
                f"`patch_size` must be odd and at least 1. Received: patch_size={patch_size}."
            )
        self.content_channels = content_channels
        self.patch_size = patch_size
        self.content_projection = keras.layers.Dense(
            content_channels,
            kernel_initializer=keras.initializers.VarianceScaling(
                1.0, "fan_in", "truncated_normal"
            ),
            dtype=self.dtype_policy,
            name="content_projection",
        )
        self.positions = FourierPositions(
            num_frequency_bands, max_resolution, dtype=self.dtype_policy, name="positions"
        )

    def build(self, inputs_shape):
        _, num_frames, _, _, channels = inputs_shape
        self.content_projection.build((None, num_frames * self.patch_size**2 * channels))
        self.positions.build((None, None, None, self.content_channels))

    def call(self, inputs):
        frames = [inputs[:, index] for index in range(inputs.shape[1])]
        patches = [neighbourhoods(frame, self.patch_size) for frame in frames]
        content = self.content_projection(ops.concatenate(patches, axis=-1))
        return {"content": content, "axes": self.positions(content)}

    def compute_output_spec(self, inputs):
        batch_size, _, height, width, _ = inputs.shape
        shape = (batch_size, height, width, self.content_channels)
        content = keras.KerasTensor(shape, self.compute_dtype)
        return {"content": content, "axes": self.positions.compute_output_spec(content)}
