"""What moved between the frames of a video, beside the frames themselves."""

import keras
from keras import ops


def with_motion(video, mask=None):
    """Return a video with the difference of each frame from the one before as more channels.

    Args:
        video: float `(b, frames, height, width, channels)`.
        mask: bool `(b, frames)` or None: False for frames of padding, whose difference is 0.

    Returns:
        `(b, frames, height, width, 2 * channels)`: the pixels, then the differences, 0 for the
        first frame.
    """
    moved = video[:, 1:] - video[:, :-1]
    if mask is not None:
        moved = ops.where(mask[:, 1:, None, None, None], moved, ops.zeros_like(moved))
    moved = ops.concatenate([ops.zeros_like(video[:, :1]), moved], axis=1)
    return ops.concatenate([video, moved], axis=-1)


@keras.saving.register_keras_serializable("perceiver_tf")
class Motion(keras.layers.Layer):
    """Puts beside the pixels of every frame their difference from the frame before.

    Not in the papers; it helps small models to tell actions apart.

    Call arguments:
        inputs: float `(b, frames, height, width, channels)`.

    Returns:
        `(b, frames, height, width, 2 * channels)`, see `with_motion`.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs):
        return with_motion(inputs)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((*inputs.shape[:-1], 2 * inputs.shape[-1]), inputs.dtype)
