"""Multi-head attention whose query-key and value widths are free.

arXiv:2103.03206 section 3.1 and appendix C; the numerics are those of DeepMind's code.
"""

import keras
from keras import ops

MASKED_SCORE = -1e30


@keras.saving.register_keras_serializable("perceiver_tf")
class Attention(keras.layers.Layer):
    """Lets every query gather from the inputs that it scores highest.

    Unlike `keras.layers.MultiHeadAttention`, the widths are totals over the heads and the
    scores' width (`qk_channels`) is independent of the values' (`v_channels`). Scores, softmax and
    weighted sums are computed in float32 under every dtype policy: over thousands of inputs,
    processors' sums in bfloat16 may lose a hundredth.

    Args:
        num_heads: int.
        qk_channels: int, width of queries and keys, all heads together. None: the smaller of
            the widths of queries and inputs.
        v_channels: int, width of the values, all heads together. None: `qk_channels`.
        output_channels: int, width of the result. None: the width of the queries.
        dropout: float in [0, 1), rate on the attention weights while training.

    Call arguments:
        queries: `(b, n, query_channels)`.
        inputs: `(b, m, input_channels)`.
        queries_mask: optional bool `(b, n)`, False for padding.
        inputs_mask: optional bool `(b, m)`, True where an input may be attended to.
        training: bool, whether dropout acts.

    Returns:
        `(b, n, output_channels)`. A query that is padding, or may attend to nothing, gathers
        zeros (never NaN), so its result is the bias of the last projection.

    Raises:
        ValueError: if a width is not divisible by `num_heads`, or the dropout rate is out of
            range.
    """

    def __init__(
        self,
        num_heads=1,
        qk_channels=None,
        v_channels=None,
        output_channels=None,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True  # the result has a row, and a mask, for each query
        if num_heads < 1:
            raise ValueError(f"`num_heads` must be at least 1. Received: num_heads={num_heads}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}.")
        self.num_heads = num_heads
        self.qk_channels = qk_channels
        self.v_channels = v_channels
        self.output_channels = output_channels
        self.dropout = dropout

    def build(self, queries_shape, inputs_shape):
        query_channels, input_channels = queries_shape[-1], inputs_shape[-1]
        qk_channels = self.qk_channels or min(query_channels, input_channels)
        v_channels = self.v_channels or qk_channels
        for name, channels in (("qk_channels", qk_channels), ("v_channels", v_channels)):
            if channels % self.num_heads:
                raise ValueError(
                    f"`{name}` must be divisible by `num_heads`. "
                    f"Received: {name}={channels}, num_heads={self.num_heads}."
                )
        self.query = self._projection(qk_channels, query_channels, "query")
        self.key = self._projection(qk_channels, input_channels, "key")
        self.value = self._projection(v_channels, input_channels, "value")
        output_channels = self.output_channels or query_channels
        self.attention_output = self._projection(output_channels, v_channels, "attention_output")
        self.weights_dropout = keras.layers.Dropout(self.dropout, dtype="float32")

    def _projection(self, channels, input_channels, name):
        dense = keras.layers.Dense(
            channels,
            kernel_initializer=keras.initializers.VarianceScaling(
                1.0, "fan_in", "truncated_normal"
            ),
            dtype=self.dtype_policy,
            name=name,
        )
        dense.build((None, None, input_channels))
        return dense

    def call(self, queries, inputs, queries_mask=None, inputs_mask=None, training=None):
        gathered = self.gather(
            by_rows(self.query, queries),
            by_rows(self.key, inputs),
            by_rows(self.value, inputs),
            attention_mask(queries_mask, inputs_mask),
            training=training,
        )
        return by_rows(self.attention_output, gathered)

    def gather(self, queries, keys, values, mask, training=None):
        """Return softmax(queries keys^T / sqrt(channels per head)) values, head by head.

        Args:
            queries: `(b, n, qk_channels)`, projected.
            keys: `(b, m, qk_channels)`.
            values: `(b, m, v_channels)`.
            mask: bool broadcastable to `(b, n, m)`, or None.
            training: bool, whether dropout acts.

        Returns:
            `(b, n, v_channels)`.
        """
        scale = (queries.shape[-1] // self.num_heads) ** -0.5
        dtype = values.dtype
        queries, keys, values = (ops.cast(x, "float32") for x in (queries, keys, values))
        queries, keys, values = (self.split_heads(x) for x in (queries * scale, keys, values))
        scores = ops.einsum("bhnc,bhmc->bhnm", queries, keys)
        if mask is not None:
            scores = ops.where(mask[:, None], scores, MASKED_SCORE)
        weights = self.weights_dropout(ops.softmax(scores, axis=-1), training=training)
        gathered = self.merge_heads(ops.cast(ops.matmul(weights, values), dtype))
        if mask is None:
            return gathered
        # A query without any input: its row here is shorter than its row of weights.
        return ops.where(ops.any(mask, axis=-1, keepdims=True), gathered, 0.0)

    def split_heads(self, x):
        """`(b, m, channels)` to `(b, num_heads, m, channels / num_heads)`."""
        if self.num_heads == 1:
            return x[:, None]
        shape = (*ops.shape(x)[:2], self.num_heads, x.shape[-1] // self.num_heads)
        return ops.transpose(ops.reshape(x, shape), (0, 2, 1, 3))

    def merge_heads(self, x):
        """The inverse of `split_heads`."""
        if self.num_heads == 1:
            return x[:, 0]
        batch_size, _, length, channels = ops.shape(x)
        x = ops.transpose(x, (0, 2, 1, 3))
        return ops.reshape(x, (batch_size, length, self.num_heads * channels))

    def compute_output_shape(self, queries_shape, inputs_shape):
        return (*queries_shape[:-1], self.output_channels or queries_shape[-1])


def by_rows(layer, inputs):
    """Return `layer(inputs)` of a layer that acts on the last axis, computed as rows `(r, c)`.

    TensorFlow adds the bias, a gelu and a residual inside a matrix product of two axes; of a
    product of three axes it does not, and each of them then takes a pass over memory.

    Args:
        layer: keras layer from `(r, c)` to `(r, d)`.
        inputs: `(..., c)`.

    Returns:
        `(..., d)`.
    """
    shape = ops.shape(inputs)
    rows = layer(ops.reshape(inputs, (-1, inputs.shape[-1])))
    return ops.reshape(rows, (*shape[:-1], rows.shape[-1]))


def attention_mask(queries_mask, inputs_mask):
    """Return bool `(b, n or 1, m or 1)`, True where a query may attend to an input, or None."""
    mask = None
    if queries_mask is not None:
        mask = ops.cast(queries_mask, "bool")[:, :, None]
    if inputs_mask is not None:
        inputs_mask = ops.cast(inputs_mask, "bool")[:, None, :]
        mask = inputs_mask if mask is None else ops.logical_and(mask, inputs_mask)
    return mask


def masked_softmax(scores, mask):
    """Return the softmax over the last axis; masked entries, and rows without any other, are 0.

    Args:
        scores: float32 `(..., m)`.
        mask: bool broadcastable to `scores`, True = attend, or None.
    """
    if mask is None:
        return ops.softmax(scores, axis=-1)
    weights = ops.softmax(ops.where(mask, scores, MASKED_SCORE), axis=-1)
    return ops.where(mask, weights, 0.0)
