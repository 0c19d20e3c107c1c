"""Cross-attention without keys and values: the projections folded into queries and results.

The score of query n and row m is q_n . (Wk x_m + bk). It equals (Wk^T q_n) . x_m up to a term
that is the same for every row, which the softmax drops; and the sum over rows of
p_nm (Wv x_m + bv) equals Wv (sum of p_nm x_m) + bv (sum of p_nm). So neither keys nor values
are formed, and what passes the softmax has the width of a row. The row's normalisation folds
as well: x_m = gamma (r_m - mean r_m) / sigma_m + beta, and taking the mean out of the folded
query does the same as taking it out of every row.
"""

import keras
from keras import ops

from perceiver_tf.layers import byte_array, reading, streaming
from perceiver_tf.layers.attention import MASKED_SCORE


def fold_queries(queries, key_kernel, gamma, num_heads):
    """Return what each query multiplies a centred row by.

    Args:
        queries: float32 `(b, n, qk_channels)`, projected, scaled by 1 / sqrt(width of a head).
        key_kernel: float32 `(channels, qk_channels)`.
        gamma: float32 `(channels,)`, scale of the rows' layer normalisation.
        num_heads: int.

    Returns:
        float32 `(b, num_heads * n, channels)`, of mean 0 over the channels.
    """
    batch_size, num_queries, qk_channels = ops.shape(queries)
    head_channels = qk_channels // num_heads
    channels = key_kernel.shape[0]
    queries = ops.reshape(queries, (batch_size, num_queries, num_heads, head_channels))
    kernel = ops.reshape(key_kernel, (channels, num_heads, head_channels))
    folded = ops.einsum("bnhd,chd->bhnc", queries, kernel) * gamma
    folded = folded - ops.mean(folded, axis=-1, keepdims=True)
    return ops.reshape(folded, (batch_size, num_heads * num_queries, channels))


def unfold_values(gathered, total, gamma, beta, value_kernel, value_bias, num_heads):
    """Return the values that the queries gathered.

    Args:
        gathered: float32 `(b, num_heads * n, channels)`, sum over rows of p r / sigma.
        total: float32 `(b, num_heads * n, 1)`, sum over rows of p: 1, or 0 where a query may
            attend to nothing, or anything near under dropout.
        gamma, beta: float32 `(channels,)` of the rows' layer normalisation.
        value_kernel: float32 `(channels, v_channels)`.
        value_bias: float32 `(v_channels,)`.
        num_heads: int.

    Returns:
        float32 `(b, n, v_channels)`.
    """
    gathered = gathered - ops.mean(gathered, axis=-1, keepdims=True)
    normalised = gathered * gamma + beta * total
    batch_size, heads_and_queries, channels = ops.shape(normalised)
    num_queries = heads_and_queries // num_heads
    v_channels = value_kernel.shape[1]
    split = (batch_size, num_heads, num_queries)
    kernel = ops.reshape(value_kernel, (channels, num_heads, v_channels // num_heads))
    values = ops.einsum("bhnc,chd->bnhd", ops.reshape(normalised, (*split, channels)), kernel)
    total = ops.transpose(ops.reshape(total, (*split, 1)), (0, 2, 1, 3))
    values = values + total * ops.reshape(value_bias, (num_heads, v_channels // num_heads))
    return ops.reshape(values, (batch_size, num_queries, v_channels))


class RowsReader:
    """Reads rows for folded queries, whole or in blocks, see `gathering`.

    It streams as `separable.GridReader` does; unlike it, it puts the rows together.

    Args:
        folded: float32 `(b, heads_and_queries, channels)`, see `fold_queries`.
        description: dict, see `byte_array`.
        mask: bool `(b, m)` or None.
        epsilon: float, of the layer normalisation.
        dropout: function on the unnormalised attention weights, or None.
    """

    def __init__(self, folded, description, mask, epsilon, dropout=None):
        rows = ops.cast(byte_array.assemble(description), "float32")
        self.folded, self.mask = folded, mask
        self.epsilon, self.dropout = epsilon, dropout
        self.parts = [(rows, 1)]
        if mask is not None:
            self.parts.append((ops.where(mask[..., None], 0.0, MASKED_SCORE), 1))
        self.length = rows.shape[1]
        if not dropout and folded.shape[1] is not None and rows.shape[1] is not None:
            row_bytes = 4 * folded.shape[1] * (rows.shape[0] or 1)
            self.length = reading.unprojected_length(rows.shape[1], row_bytes)
        self.is_streamed = self.length != rows.shape[1]
        if not self.is_streamed:
            # Made once: what is read again, after a loose bound or by another cross-attend.
            self.right = _right(*(part for part, _ in self.parts), epsilon=epsilon)

    def gather(self, shift, needed=None):
        zeros = (ops.zeros_like(self.folded), ops.zeros_like(shift), ops.zeros_like(shift))
        if not self.is_streamed:
            return streaming.if_needed(
                needed,
                lambda: _gather_block(self.folded, shift, self.right, self.dropout),
                zeros,
            )

        # Rematerialisation wants every tensor that has a gradient as an argument.
        @keras.remat
        def block(folded, shift, rows, *masked):
            return _gather_block(folded, shift, _right(rows, *masked, epsilon=self.epsilon))

        return streaming.reduce_blocks(
            block,
            streaming.each(ops.add),
            zeros,
            (self.folded, shift),
            self.parts,
            self.length,
            after=self.folded,
            needed=needed,
        )

    def largest_score(self, needed=None):
        shift = ops.zeros_like(self.folded[..., :1])
        lowest = (ops.full_like(shift, MASKED_SCORE),)

        def largest_of(right):
            return (ops.max(_scores(self.folded, shift, right), axis=-1, keepdims=True),)

        if not self.is_streamed:
            return streaming.if_needed(needed, lambda: largest_of(self.right), lowest)[0]
        return streaming.reduce_blocks(
            lambda rows, *masked: largest_of(_right(rows, *masked, epsilon=self.epsilon)),
            streaming.each(ops.maximum),
            lowest,
            (),
            self.parts,
            self.length,
            after=self.folded,
            needed=needed,
        )[0]

    def score_bound(self):
        # A normalised row is no longer than the square root of its width.
        squares = ops.sum(ops.square(self.folded), axis=-1, keepdims=True)
        return ops.sqrt(squares * self.folded.shape[-1])


def _right(rows, masked=None, *, epsilon):
    """Return the rows normalised, beside 1 and, if there is a mask, 0 or `MASKED_SCORE`."""
    centred = rows - ops.mean(rows, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    right = [centred * ops.rsqrt(variance + epsilon), ops.ones_like(rows[..., :1])]
    return ops.concatenate(right if masked is None else [*right, masked], axis=-1)


def _scores(folded, shift, right):
    """Return score - shift, `(b, n, m)`: one product with what `_right` returns."""
    left = [folded, -shift]
    if right.shape[-1] > folded.shape[-1] + 1:
        left.append(ops.ones_like(shift))
    return ops.einsum("bnc,bmc->bnm", ops.concatenate(left, axis=-1), right)


def _gather_block(folded, shift, right, dropout=None):
    """Return sums over a block of exp(score - shift) times: rows, 1, and 1 before dropout."""
    weights = ops.exp(_scores(folded, shift, right))
    total = None
    if dropout is not None:
        total = ops.sum(weights, axis=-1, keepdims=True)
        weights = dropout(weights)
    channels = folded.shape[-1]
    sums = ops.einsum("bnm,bmc->bnc", weights, right)
    kept = sums[..., channels : channels + 1]
    return sums[..., :channels], kept, kept if total is None else total
