"""Queries on a grid, as decoders have them, without forming the queries.

A decoder asks for one output per point of a grid, and its queries are byte array rows as much as
its inputs are: content beside position features of one axis each. With the query projection
folded into the keys, the score of a query row and a key is one narrow product, as in `separable`
with the roles exchanged. The softmax runs over the keys here, so what a key adds to all of its
scores counts. The values are gathered by weights as usual.
"""

from keras import ops

from perceiver_tf.layers import byte_array
from perceiver_tf.layers.attention import masked_softmax
from perceiver_tf.layers.separable import inverse_sigma
from perceiver_tf.layers.tiles import Tiles, split_channels


def gather(description, directions, offsets, values, inputs_mask, epsilon):
    """Return what every point of the grid gathers.

    Args:
        description: dict of the queries, see `byte_array`: a grid of static sizes.
        directions: float32 `(b, num_heads * m, channels)`: what each key multiplies a centred
            query row by, see `folded.fold_queries`.
        offsets: float32 `(b, num_heads, m)`, what each key adds to its scores.
        values: `(b, num_heads, m, head_channels)`.
        inputs_mask: bool `(b, m)` or None.
        epsilon: float, of the queries' layer normalisation.

    Returns:
        `(b, n, num_heads * head_channels)` in the dtype of the values, n the points of the grid.
    """
    content = ops.cast(description["content"], "float32")
    axes = byte_array.axis_tables(description)
    widths = [content.shape[-1], *byte_array.axis_widths(description)]
    directions = byte_array.group_by_axis(directions, description)
    content_directions, *axis_directions = split_channels(directions, widths)
    tables = [
        ops.einsum("bmc,sc->bms", part, table)
        for part, table in zip(axis_directions, axes, strict=True)
    ]
    tiles = Tiles(tuple(content.shape[1:-1]), content.shape[-1])
    batch_size, num_heads, num_inputs = ops.shape(offsets)
    added = ops.reshape(offsets, (batch_size, num_heads * num_inputs, 1))
    keys = tiles.left(content_directions, tables, added)
    inverse = inverse_sigma(content, axes, epsilon)
    rows = tiles.right(content * inverse, inverse)
    heads = []
    for head in range(num_heads):
        of_head = keys[:, :, head * num_inputs : (head + 1) * num_inputs]
        scores = ops.einsum("btnk,btmk->btnm", rows, of_head)
        mask = None if inputs_mask is None else inputs_mask[:, None, None]
        weights = ops.cast(masked_softmax(scores, mask), values.dtype)
        heads.append(ops.einsum("btnm,bmc->btnc", weights, values[:, head]))
    return tiles.join(heads[0] if num_heads == 1 else ops.concatenate(heads, axis=-1))
