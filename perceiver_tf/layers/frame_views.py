"""Optical flow averaged over frames and their mirror images."""

import keras
from keras import ops

_MIRRORED_AXES = ((), (1,), (0,), (0, 1))  # of (height, width)
NUM_VIEWS = len(_MIRRORED_AXES)


@keras.saving.register_keras_serializable("perceiver_tf")
class FrameViews(keras.layers.Layer):
    """Adds the mirror images of every pair of frames to the batch, except in training.

    `MeanOfFlows` later takes the mean of the flows of all of them. A model that was trained on
    randomly mirrored and turned frames predicts better that way, at the cost of four predictions.

    Call arguments:
        frames: `(b, num_frames, height, width, channels)`.
        training: bool.

    Returns:
        `(4 b, num_frames, height, width, channels)`: all frames, all mirrored left to right, all
        upside down, all both; in training the frames themselves. The dtype stays.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, frames, training=None):
        if training:
            return frames
        return ops.concatenate([_mirrored(frames, axes, 2) for axes in _MIRRORED_AXES])


@keras.saving.register_keras_serializable("perceiver_tf")
class MeanOfFlows(keras.layers.Layer):
    """Mirrors the flows of the views that `FrameViews` made back, and averages them.

    Call arguments:
        flows: float `(4 b, height, width, 2)`, motion to the right and down; in training `(b,
            height, width, 2)`.
        training: bool.

    Returns:
        `(b, height, width, 2)` of the same dtype.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, flows, training=None):
        if training:
            return flows
        total = 0.0
        for flow, axes in zip(ops.split(flows, NUM_VIEWS), _MIRRORED_AXES, strict=True):
            signs = [-1.0 if axis in axes else 1.0 for axis in (1, 0)]
            total = total + _mirrored(flow, axes, 1) * ops.convert_to_tensor(signs, flow.dtype)
        return total / NUM_VIEWS

    def compute_output_spec(self, flows, training=None):
        num_views = 1 if training else NUM_VIEWS
        batch_size = flows.shape[0] and flows.shape[0] // num_views
        return keras.KerasTensor((batch_size, *flows.shape[1:]), flows.dtype)


def _mirrored(x, axes, first_axis):
    for axis in axes:
        x = ops.flip(x, axis=first_axis + axis)
    return x
