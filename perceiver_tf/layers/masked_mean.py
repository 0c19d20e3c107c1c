"""The mean over the rows of a set that are there."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("perceiver_tf")
class MaskedMean(keras.layers.Layer):
    """Averages the rows of a set, padding left out.

    Call arguments:
        inputs: `(b, m, channels)`.
        mask: bool `(b, m)`, False for padding.

    Returns:
        `(b, channels)`; zeros for an empty set.
    """

    def call(self, inputs, mask):
        weights = ops.cast(mask, inputs.dtype)[..., None]
        total = ops.sum(ops.where(weights > 0, inputs, 0), axis=1)
        return total / ops.maximum(ops.sum(weights, axis=1), 1)

    def compute_output_spec(self, inputs, mask):
        shape = (inputs.shape[0], inputs.shape[-1])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)
