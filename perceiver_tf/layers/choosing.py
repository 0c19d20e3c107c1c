"""Which implementation of a cross-attention is cheapest, by counting multiply-adds."""

import math

from perceiver_tf.layers import byte_array, tiles

TYPICAL_QUERIES = 256


def choose_implementations(parts, num_queries, num_heads, projected_channels):
    """Return the implementation of each modality with the fewest multiply-adds.

    Args:
        parts: list of byte array descriptions, tensors or their shapes' stand-ins.
        num_queries: int, or None where it is unknown until call time.
        num_heads: int.
        projected_channels: int, `qk_channels + v_channels`.

    Returns:
        list of "folded" and "separable", or of nothing but "dense".
    """
    costs = [multiply_adds(part, num_queries, num_heads, projected_channels) for part in parts]
    dense = sum(cost.pop("dense") for cost in costs)
    if dense <= sum(min(cost.values()) for cost in costs):
        return ["dense"] * len(parts)
    return [min(cost, key=cost.get) for cost in costs]


def multiply_adds(description, num_queries, num_heads, projected_channels):
    """Return the multiply-adds of each implementation that is possible, per example.

    Counted are the products that differ: keys, values, scores, weighted sums, folding. Where
    the number of rows is unknown until call time, the costs are those of one row; an unknown
    number of queries counts as `TYPICAL_QUERIES`.
    """
    num_queries = num_queries or TYPICAL_QUERIES
    content = description["content"]
    rows = byte_array.num_rows(description)
    known = rows is not None
    rows = rows if known else 1
    channels = byte_array.row_width(description)
    folding = num_queries * channels * projected_channels if known else 0
    costs = {
        "dense": rows * (channels + num_queries) * projected_channels,
        "folded": folding + 2 * num_heads * num_queries * rows * channels,
    }
    if byte_array.is_separable(description):
        width = tiles.cheapest_product(tuple(content.shape[1:-1]), content.shape[-1])
        tables = sum(math.prod(table.shape) for table in description["axes"])
        costs["separable"] = folding + 2 * num_heads * num_queries * (rows * width + tables)
    return costs


def reads_queries_by_axis(description, num_inputs, num_heads, qk_channels):
    """Return whether scores of queries on a grid are cheaper without forming the queries.

    Args:
        description: byte array description of the queries.
        num_inputs: int, rows that they attend to, or None.
        num_heads: int.
        qk_channels: int.
    """
    if not byte_array.is_separable(description):
        return False
    num_inputs = num_inputs or TYPICAL_QUERIES
    content, channels = description["content"], byte_array.row_width(description)
    rows = byte_array.num_rows(description)
    width = tiles.cheapest_product(tuple(content.shape[1:-1]), content.shape[-1])
    tables = sum(math.prod(table.shape) for table in description["axes"])
    formed = rows * (channels + num_inputs) * qk_channels
    by_axis = num_inputs * (channels * qk_channels + num_heads * (rows * width + tables))
    return by_axis < formed
