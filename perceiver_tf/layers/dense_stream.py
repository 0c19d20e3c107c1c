"""Attention with keys and values in blocks of rows, for inputs too long to score at once.

The softmax is taken online: a running maximum, a running sum and running sums of the values are
rescaled whenever a block has a larger score.
"""

from functools import partial

from keras import ops

from perceiver_tf.layers import byte_array, reading, streaming
from perceiver_tf.layers.attention import MASKED_SCORE


def is_long(parts, num_queries, num_heads):
    """Return whether the scores of the batch take more than `reading.BLOCK_BYTES`.

    Those of one example count where the batch size is unknown; where the number of rows or
    queries is, nothing is streamed.
    """
    lengths = [byte_array.num_rows(part) for part in parts]
    if num_queries is None or None in lengths:
        return False
    num_examples = parts[0]["content"].shape[0] or 1
    return 4 * num_examples * num_heads * num_queries * sum(lengths) > reading.BLOCK_BYTES


def gather(attention, queries, parts, masks):
    """Return what queries gather from keys and values that are formed block by block.

    Args:
        attention: `CrossAttention`, whose layers form keys and values.
        queries: `(b, n, qk_channels)`, projected, n known.
        parts: list of dicts, see `byte_array`, of known sizes.
        masks: of each part bool `(b, m)` or None.

    Returns:
        float32 `(b, n, v_channels)`.
    """
    num_heads = attention.num_heads
    scale = (queries.shape[-1] // num_heads) ** -0.5
    queries = attention.split_heads(ops.cast(queries, "float32") * scale)
    batch_size, _, num_queries, _ = ops.shape(queries)
    value_channels = attention.value.kernel.shape[-1] // num_heads
    carry = (
        ops.zeros((batch_size, num_heads, num_queries, value_channels)),
        ops.full((batch_size, num_heads, num_queries, 1), MASKED_SCORE),
        ops.zeros((batch_size, num_heads, num_queries, 1)),
    )
    for part, mask in zip(parts, masks, strict=True):
        shares, whole, describe = byte_array.as_blocks(part, mask)
        block = _block_function(attention, describe)
        size = shares[0][0].shape[shares[0][1]]
        row_bytes = 4 * num_heads * num_queries * byte_array.num_rows(part) // size
        row_bytes *= part["content"].shape[0] or 1
        length = reading.block_length(size, row_bytes)
        carry = streaming.reduce_blocks(
            partial(block, queries, whole), _join, carry, (), shares, length, after=queries
        )
    sums, _, total = carry
    return attention.merge_heads(ops.where(total > 0, sums / ops.maximum(total, 1e-30), 0.0))


def _block_function(attention, describe):
    """Return the function of queries and a block's shares to (sums, largest score, total)."""

    def gather_block(queries, whole, *shares):
        description, mask = describe(whole, *shares)
        keys, values, mask = attention.project([description], [mask])
        keys = attention.split_heads(ops.cast(keys, "float32"))
        values = attention.split_heads(ops.cast(values, "float32"))
        scores = ops.einsum("bhnc,bhmc->bhnm", queries, keys)
        if mask is not None:
            scores = scores + ops.where(mask[:, None, None], 0.0, MASKED_SCORE)
        # Above the masked scores, so that these weigh nothing.
        largest = ops.maximum(ops.max(scores, axis=-1, keepdims=True), MASKED_SCORE / 2)
        largest = ops.stop_gradient(largest)
        weights = ops.exp(scores - largest)
        total = ops.sum(weights, axis=-1, keepdims=True)
        return ops.einsum("bhnm,bhmc->bhnc", weights, values), largest, total

    layers = [attention.inputs_norm, attention.key, attention.value]
    return streaming.repeated_with(layers, gather_block)


def _join(these, those):
    largest = ops.stop_gradient(ops.maximum(these[1], those[1]))
    one, other = (ops.exp(ops.stop_gradient(x[1]) - largest) for x in (these, those))
    return these[0] * one + those[0] * other, largest, these[2] * one + those[2] * other
