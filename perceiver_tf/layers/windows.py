"""The mean of what a model says of the windows of one recording (arXiv:2103.03206 section 4.2)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("perceiver_tf")
class AverageWindows(keras.layers.Layer):
    """Averages outputs over the windows of each recording, those without any input left out.

    The original Perceiver is evaluated on AudioSet by the mean over overlapping clips of a
    recording (arXiv:2103.03206 section 4.2). Here a model reads the windows of a whole batch side
    by side, `(b * w, ...)`, and this layer takes them together again.

    Call arguments:
        outputs: float `(b * w, channels)`, of the windows, those of a recording in a row.
        mask: bool `(b, w, m)`, False for padding: a window without any True does not count.

    Returns:
        float32 `(b, channels)`; zeros for a recording of padding alone.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, outputs, mask):
        outputs = ops.cast(outputs, "float32")
        weights = ops.cast(ops.any(ops.cast(mask, "bool"), axis=-1), "float32")
        batch_size, num_windows = ops.shape(weights)
        windows = ops.reshape(outputs, (batch_size, num_windows, outputs.shape[-1]))
        total = ops.sum(windows * weights[..., None], axis=1)
        return total / ops.maximum(ops.sum(weights, axis=1), 1.0)[:, None]

    def compute_output_spec(self, outputs, mask):
        return keras.KerasTensor((mask.shape[0], outputs.shape[-1]), dtype="float32")
