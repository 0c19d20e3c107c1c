"""The adapter of video: space-time patches and their positions (arXiv:2103.03206 section 4.2)."""

import math

import keras
from keras import ops

from perceiver_tf.layers.motion import with_motion
from perceiver_tf.layers.positions import FourierPositions
from perceiver_tf.layers.space_to_depth import patch_counts, space_to_depth


@keras.saving.register_keras_serializable("perceiver_tf")
class VideoInputs(keras.layers.Layer):
    """Describes patches of a few frames by their pixels and Fourier positions in time and space.

    32 frames of 224 x 224 pixels in patches of (2, 8, 8) are the 12,544 rows of the original
    Perceiver on AudioSet. Patches of (1, 1, 1) are raw pixels.

    Frames of padding do not matter: their pixels are set to 0 before anything is computed, and
    a patch of nothing but padding is masked.

    Args:
        patch_shape: (frames, rows, columns) of a patch.
        num_frequency_bands: int, of the positions of the patches, per axis.
        max_resolution: tuple of one number for each of time, height and width.
        use_motion: bool. Put beside the pixels of a frame the difference from the frame before,
            0 for the first one. Not in the paper.

    Call arguments:
        inputs: float `(b, frames, height, width, channels)` of about unit scale, or a dict of
            `video` (the same) and optionally `mask` bool `(b, frames)`, False for padding, which
            follows the frames that there are.

    Returns:
        byte array with `content` `(b, frames / p_1, height / p_2, width / p_3, channels)`,
        `axes` and, if a mask was given, `mask`.

    Raises:
        ValueError: if a patch does not divide the frames.
    """

    def __init__(
        self, patch_shape, num_frequency_bands, max_resolution, use_motion=False, **kwargs
    ):
        super().__init__(autocast=False, **kwargs)
        self.patch_shape = tuple(patch_shape)
        self.num_frequency_bands = num_frequency_bands
        self.max_resolution = tuple(max_resolution)
        self.use_motion = use_motion
        self.positions = FourierPositions(
            num_frequency_bands, max_resolution, dtype=self.dtype_policy, name="positions"
        )

    def build(self, inputs_shape):
        self.positions.build((None, None, None, None, None))

    def call(self, inputs):
        parts = inputs if isinstance(inputs, dict) else {"video": inputs}
        video, mask = parts["video"], parts.get("mask")
        if mask is not None:
            mask = ops.cast(mask, "bool")
            video = _only_where(mask, video)
        if self.use_motion:
            video = with_motion(video, mask)
        content = space_to_depth(video, self.patch_shape)
        described = {"content": content, "axes": self.positions(content)}
        if mask is not None:
            described["mask"] = self._rows_mask(mask, content.shape[1:-1])
        return described

    def _rows_mask(self, mask, grid):
        """Return bool `(b, m)` from bool `(b, frames)`: True where a patch has any frame."""
        by_time = ops.any(ops.reshape(mask, (-1, grid[0], self.patch_shape[0])), axis=-1)
        return ops.repeat(by_time, math.prod(grid[1:]), axis=1)

    def compute_output_spec(self, inputs):
        parts = inputs if isinstance(inputs, dict) else {"video": inputs}
        batch_size, *sizes, channels = parts["video"].shape
        grid = patch_counts(sizes, self.patch_shape)
        depth = math.prod(self.patch_shape) * channels * (2 if self.use_motion else 1)
        content = keras.KerasTensor((batch_size, *grid, depth), parts["video"].dtype)
        described = {"content": content, "axes": self.positions.compute_output_spec(content)}
        if parts.get("mask") is not None:
            described["mask"] = keras.KerasTensor((batch_size, math.prod(grid)), dtype="bool")
        return described


def _only_where(mask, video):
    """Return frames with 0 where `mask` `(b, frames)` is False, whatever they hold."""
    return ops.where(mask[:, :, None, None, None], video, ops.zeros_like(video))
