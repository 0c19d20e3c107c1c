"""Attention of queries to a byte array, normalisation of the rows included."""

import keras

from perceiver_tf.layers import byte_array
from perceiver_tf.layers.attention import Attention

EPSILON = 1e-5


@keras.saving.register_keras_serializable("perceiver_tf")
class CrossAttention(Attention):
    """Lets latents (or decoder queries) gather from the rows of a byte array.

    The rows are layer-normalised (epsilon 1e-5, in float32) before keys and values are
    projected from them, as in arXiv:2103.03206 appendix C; the queries come normalised.

    Args:
        num_heads, qk_channels, v_channels, output_channels, dropout: see `Attention`.

    Call arguments:
        queries: `(b, n, query_channels)`.
        inputs: a byte array: a tensor `(b, m, input_channels)`, or a dict that keeps content
            and positions apart (`perceiver_tf.layers.byte_array`).
        queries_mask: optional bool `(b, n)`.
        inputs_mask: optional bool `(b, m)`; beside it, a dict's own `mask` counts as well.
        training: bool, whether dropout acts.

    Returns:
        `(b, n, output_channels)`, see `Attention`.
    """

    def __init__(self, num_heads=1, **kwargs):
        # Position features must reach the layer norm in float32, whatever the policy.
        super().__init__(num_heads=num_heads, autocast=False, **kwargs)

    def build(self, queries_shape, inputs_shape):
        if isinstance(inputs_shape, dict):
            inputs_shape = (None, None, byte_array.num_channels(inputs_shape))
        self.inputs_norm = keras.layers.LayerNormalization(
            epsilon=EPSILON, dtype=self.dtype_policy, autocast=False, name="inputs_norm"
        )
        self.inputs_norm.build((None, None, inputs_shape[-1]))
        super().build(queries_shape, inputs_shape)

    def call(self, queries, inputs, queries_mask=None, inputs_mask=None, training=None):
        description = byte_array.as_byte_array(inputs)
        inputs_mask = byte_array.rows_mask(description, inputs_mask)
        rows = self.inputs_norm(byte_array.assemble(description))
        return super().call(queries, rows, queries_mask, inputs_mask, training)
