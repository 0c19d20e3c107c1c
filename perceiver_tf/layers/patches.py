"""The patches around every pixel, and the adapter of optical flow that reads them."""

import keras
import numpy as np
from keras import ops

from perceiver_tf.choices import PATCH_INITIALIZERS
from perceiver_tf.layers.cosines import cosines
from perceiver_tf.layers.cost_volume import CostVolume
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


class SpectralInitializer(keras.initializers.Initializer):
    """Projects the patches around a pixel to cosines of about equal amplitude in natural images.

    Neighbouring pixels of two frames are nearly equal, so that what tells motion, the differences
    in space and time, is a small part of a patch, which training takes long to find. The kernel's
    columns are the products of cosines over frames, rows, columns and colours, those of the
    largest usual amplitude first, each divided by it. With f the spatial frequency, in half
    periods per patch, that amplitude is taken as 4.5 / (1 + f)^2 for what frames have in common and
    0.7 / (1 + f) for what changes from one to another, and as a quarter of it for colours.

    Args:
        num_frames, patch_size, channels: ints, of the patches.
    """

    def __init__(self, num_frames, patch_size, channels):
        self.num_frames = num_frames
        self.patch_size = patch_size
        self.channels = channels

    def __call__(self, shape, dtype=None):
        sizes = self.num_frames, self.patch_size, self.patch_size, self.channels
        frame, row, column, colour = np.meshgrid(*map(np.arange, sizes), indexing="ij")
        frequency = 1 + np.hypot(row, column)
        amplitude = np.where(frame > 0, 0.7 / frequency, 4.5 / frequency**2)
        amplitude = (amplitude * np.where(colour > 0, 0.25, 1.0)).reshape(-1)
        waves = np.ones((1, 1))
        for size in sizes:
            waves = np.kron(waves, cosines(size))
        order = np.argsort(-amplitude, kind="stable")[: shape[1]]
        kernel = np.zeros(shape)
        kernel[:, : len(order)] = (waves[order] / amplitude[order, None]).T
        return ops.convert_to_tensor(kernel, dtype=dtype)

    def get_config(self):
        return {
            "num_frames": self.num_frames,
            "patch_size": self.patch_size,
            "channels": self.channels,
        }


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
        initializer: "random", the usual one, or "spectral", with which small models learn much
            sooner, see `SpectralInitializer`.
        max_displacement: int, pixels. More than 0: beside the patches stands where in the second
            frame they are found, up to so many pixels away, see `CostVolume`.
        cost_volume_channels: int, width of that.

    Call arguments:
        inputs: float `(b, num_frames, height, width, channels)`, pixels in [-1, 1], any height
            and width; two frames where `max_displacement` is more than 0.

    Returns:
        byte array with `content` `(b, height, width, content_channels)`, wider by
        `cost_volume_channels` where there is a cost volume, and `axes`.

    Raises:
        ValueError: if `patch_size` is not odd and positive, `initializer` another string, or
            `max_displacement` negative.
    """

    def __init__(
        self,
        num_frequency_bands,
        max_resolution,
        content_channels=64,
        patch_size=3,
        initializer="random",
        max_displacement=0,
        cost_volume_channels=48,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if patch_size < 1 or patch_size % 2 == 0:
            raise ValueError(
                f"`patch_size` must be odd and at least 1. Received: patch_size={patch_size}."
            )
        if initializer not in PATCH_INITIALIZERS:
            raise ValueError(
                f"`initializer` must be one of {PATCH_INITIALIZERS}. "
                f"Received: initializer={initializer!r}."
            )
        if max_displacement < 0:
            raise ValueError(
                "`max_displacement` must be at least 0. "
                f"Received: max_displacement={max_displacement}."
            )
        self.content_channels = content_channels
        self.cost_volume = None
        if max_displacement:
            self.cost_volume = CostVolume(
                max_displacement,
                cost_volume_channels,
                initializer=initializer,
                dtype=self.dtype_policy,
                name="cost_volume",
            )
        self.patch_size = patch_size
        self.initializer = initializer
        self.positions = FourierPositions(
            num_frequency_bands, max_resolution, dtype=self.dtype_policy, name="positions"
        )

    def build(self, inputs_shape):
        _, num_frames, _, _, channels = inputs_shape
        if self.initializer == "spectral":
            initializer = SpectralInitializer(num_frames, self.patch_size, channels)
        else:
            initializer = keras.initializers.VarianceScaling(1.0, "fan_in", "truncated_normal")
        self.content_projection = keras.layers.Dense(
            self.content_channels,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name="content_projection",
        )
        self.content_projection.build((None, num_frames * self.patch_size**2 * channels))
        self.positions.build((None, None, None, self.content_channels))
        if self.cost_volume is not None:
            self.cost_volume.build(inputs_shape)

    def call(self, inputs):
        frames = [inputs[:, index] for index in range(inputs.shape[1])]
        patches = [neighbourhoods(frame, self.patch_size) for frame in frames]
        content = self.content_projection(ops.concatenate(patches, axis=-1))
        if self.cost_volume is not None:
            content = ops.concatenate([content, self.cost_volume(inputs)], axis=-1)
        return {"content": content, "axes": self.positions(content)}

    def compute_output_spec(self, inputs):
        batch_size, _, height, width, _ = inputs.shape
        channels = self.content_channels
        if self.cost_volume is not None:
            channels += self.cost_volume.channels
        shape = (batch_size, height, width, channels)
        content = keras.KerasTensor(shape, self.compute_dtype)
        return {"content": content, "axes": self.positions.compute_output_spec(content)}
