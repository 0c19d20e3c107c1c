"""Cross-attention without keys and values: the projections folded into queries and results.

The score of query n and row m is q_n . (Wk x_m + bk). It equals (Wk^T q_n) . x_m up to a term
that is the same for every row, which the softmax drops; and the sum over rows of
p_nm (Wv x_m + bv) equals Wv (sum of p_nm x_m) + bv (sum of p_nm). So neither keys nor values
are formed, and what passes the softmax has the width of a row. The row's normalisation folds
as well: x_m = gamma (r_m - mean r_m) / sigma_m + beta, and taking the mean out of the folded
query does the same as taking it out of every row.
"""

from keras import ops

from perceiver_tf.layers.attention import masked_softmax


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


def gather_rows(folded, rows, mask, epsilon, dropout):
    """Return the attention-weighted sums of rows that are given whole.

    Args:
        folded: float32 `(b, heads_and_queries, channels)`, see `fold_queries`.
        rows: float32 `(b, m, channels)`, not normalised.
        mask: bool `(b, m)` or None.
        epsilon: float, of the layer normalisation.
        dropout: function on the attention weights.

    Returns:
        (gathered, total) as `unfold_values` takes them.
    """
    centred = rows - ops.mean(rows, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    normalised = centred * ops.rsqrt(variance + epsilon)
    scores = ops.einsum("bnc,bmc->bnm", folded, normalised)
    weights = dropout(masked_softmax(scores, None if mask is None else mask[:, None]))
    gathered = ops.einsum("bnm,bmc->bnc", weights, normalised)
    return gathered, ops.sum(weights, axis=-1, keepdims=True)
