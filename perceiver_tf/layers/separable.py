"""Cross-attention to a grid whose position features depend on one axis each.

On a grid, a row is r_m = [u_m, f_1(i_1), ..., f_d(i_d)]: content, and one table entry per
axis. With a folded query g = [g_u, g_1, ..., g_d] (see `folded`), the score is

    s_nm = (g_u . u_m + A_1[n, i_1] + ... + A_d[n, i_d]) / sigma_m,   A_a = g_a F_a^T,

so the position features enter through tables of one row per index of an axis, not per input.
The grid is cut into tiles of t_1 x ... x t_d inputs. Inside a tile, A_a takes t_a values, so a
score is one product of width content + t_1 + ... + t_d + 1 of

    left_n  = [g_u, A_1[n, tile's indices], ..., A_d[n, tile's indices], -bound_n] and
    right_m = [u_m / sigma_m, onehot(i_1) / sigma_m, ..., onehot(i_d) / sigma_m, 1],

and the weighted sums of content, of each axis's indices and of the weights themselves are one
product of exp(scores) with the same `right`. Between the two products there is one pass: the
exponential. `bound_n` is an upper bound of the scores of query n; where it proves too loose
for float32, the maximum itself is taken (`gathering`). What is constant over the rows counts as
a part of the first axis's table that is the same for every index.
"""

import math

import keras
from keras import ops

from perceiver_tf.layers import byte_array, reading, streaming
from perceiver_tf.layers.attention import MASKED_SCORE
from perceiver_tf.layers.tiles import Tiles, split_channels


class GridReader:
    """Reads a grid for folded queries, whole or in blocks of its longest axis.

    It streams where the scores of a batch (those of one example, where the batch size is unknown)
    take more than `reading.unprojected_length` allows, but not under dropout, whose draws would
    differ when a block is computed again, nor for a number of queries that is unknown until call
    time.

    Args:
        folded: float32 `(b, heads_and_queries, channels)`, see `folded.fold_queries`.
        description: dict with `content` `(b, size_1, ..., size_d, content_channels)` of static
            sizes and `axes`, see `byte_array`.
        mask: bool `(b, m)` or None.
        epsilon: float, of the layer normalisation.
        dropout: function on the unnormalised attention weights, or None.
    """

    def __init__(self, folded, description, mask, epsilon, dropout=None):
        self.description, self.mask, self.dropout = description, mask, dropout
        self.epsilon = epsilon
        self.content = ops.cast(description["content"], "float32")
        self.axes = byte_array.axis_tables(description)
        widths = [self.content.shape[-1], *byte_array.axis_widths(description)]
        self.folded = byte_array.group_by_axis(folded, description)
        self.content_queries, *axis_queries = split_channels(self.folded, widths)
        self.tables = [
            ops.einsum("bnc,sc->bns", part, table)
            for part, table in zip(axis_queries, self.axes, strict=True)
        ]
        sizes = list(self.content.shape[1:-1])
        self.cut = cut = sizes.index(max(sizes))
        # What a block takes its share of, and along which axis.
        self.parts = [(self.content, cut + 1), (self.axes[cut], 0), (self.tables[cut], 2)]
        if mask is not None:
            grid = ops.reshape(mask, (-1, *sizes, 1))
            self.parts.append((ops.where(grid, 0.0, MASKED_SCORE), cut + 1))
        self.length = sizes[cut]
        if not dropout and folded.shape[1] is not None:
            num_examples = self.content.shape[0] or 1
            row_bytes = 4 * num_examples * folded.shape[1] * math.prod(sizes) // sizes[cut]
            self.length = reading.unprojected_length(sizes[cut], row_bytes)
        self.is_streamed = self.length != sizes[cut]

    def gather(self, shift, needed=None):
        def sums(shift, queries, tables, axes, content, axis, table, *masked):
            tables, axes = self._with_share(tables, table), self._with_share(axes, axis)
            return _gather_block(shift, queries, tables, content, axes, *masked, reader=self)

        # Rematerialisation wants every tensor that has a gradient as an argument.
        block = keras.remat(sums) if self.is_streamed else sums
        whole = shift, self.content_queries, self.tables, self.axes
        zeros = (ops.zeros_like(self.folded), ops.zeros_like(shift), ops.zeros_like(shift))
        sums, kept, total = self._reduce(block, streaming.each(ops.add), zeros, whole, needed)
        return byte_array.ungroup(sums, self.description), kept, total

    def largest_score(self, needed=None):
        def one_block(queries, tables, axes, content, axis, table, *masked):
            tables, axes = self._with_share(tables, table), self._with_share(axes, axis)
            shift = ops.zeros_like(tables[0][..., :1])
            grid = content, axes, *masked
            _, left, right = _factors(shift, queries, tables, *grid, epsilon=self.epsilon)
            return (ops.max(ops.einsum("btnk,btmk->btnm", left, right), axis=(1, 3))[..., None],)

        lowest = ops.full((*ops.shape(self.folded)[:2], 1), MASKED_SCORE)
        whole = self.content_queries, self.tables, self.axes
        return self._reduce(one_block, streaming.each(ops.maximum), (lowest,), whole, needed)[0]

    def score_bound(self):
        def one_block(axes, content, axis, *_):
            grid = tuple(range(1, len(content.shape) - 1))
            axes = self._with_share(axes, axis)
            inverse = inverse_sigma(content, axes, self.epsilon)
            scaled = content * inverse
            length = ops.sqrt(ops.sum(ops.square(content), axis=-1, keepdims=True)) * inverse
            extremes = (scaled, -scaled, inverse, -inverse, length)
            # Of content without channels there is no maximum: eager TensorFlow wants a start.
            return tuple(ops.max(x, axis=grid, initial=MASKED_SCORE)[:, None] for x in extremes)

        batch_size = ops.shape(self.content)[0]
        widths = 2 * [self.content.shape[-1]] + [1, 1, 1]
        lowest = tuple(ops.full((batch_size, 1, width), MASKED_SCORE) for width in widths)
        highest, minus_lowest, largest, minus_smallest, longest = self._reduce(
            one_block, streaming.each(ops.maximum), lowest, (self.axes,)
        )
        # Of wide content the extremes of every channel never meet in one row: a row of content is
        # no longer than the longest.
        by_channel = ops.maximum(
            self.content_queries * highest, self.content_queries * -minus_lowest
        )
        length = ops.sqrt(ops.sum(ops.square(self.content_queries), axis=-1, keepdims=True))
        of_content = ops.minimum(ops.sum(by_channel, axis=-1, keepdims=True), length * longest)
        of_positions = sum(ops.max(table, axis=-1, keepdims=True) for table in self.tables)
        scale = ops.where(of_positions > 0, largest, -minus_smallest)
        return of_content + of_positions * scale

    def _with_share(self, tables, share):
        return [*tables[: self.cut], share, *tables[self.cut + 1 :]]

    def _reduce(self, one_block, combine, initial, whole, needed=None):
        if not self.is_streamed:
            parts = [part for part, _ in self.parts]
            return streaming.if_needed(needed, lambda: one_block(*whole, *parts), initial)
        return streaming.reduce_blocks(
            one_block, combine, initial, whole, self.parts, self.length, self.folded, needed
        )


def _factors(shift, content_queries, tables, content, axes, masked=None, *, epsilon):
    """Return the tiles of a block and what multiplies, tile by tile, to score - shift."""
    tiles = Tiles(tuple(content.shape[1:-1]), content.shape[-1])
    inverse = inverse_sigma(content, axes, epsilon)
    left = tiles.left(content_queries, tables, -shift)
    right = tiles.right(content * inverse, inverse)
    if masked is not None:
        left = ops.concatenate([left, ops.ones_like(left[..., :1])], axis=-1)
        right = ops.concatenate([right, tiles.cut(masked)], axis=-1)
    return tiles, left, right


def _gather_block(shift, content_queries, tables, content, axes, masked=None, *, reader):
    """Return sums over a block of exp(score - shift) times: rows, 1, and 1 before dropout."""
    grid = content, axes, masked
    tiles, left, right = _factors(shift, content_queries, tables, *grid, epsilon=reader.epsilon)
    weights = ops.exp(ops.einsum("btnk,btmk->btnm", left, right))
    total = None
    if reader.dropout is not None:
        total = ops.sum(weights, axis=(1, 3))[..., None]
        weights = reader.dropout(weights)
    if masked is not None:
        right = right[..., :-1]
    *sums, kept = tiles.merge(ops.einsum("btnm,btmk->btnk", weights, right), axes)
    return ops.concatenate(sums, axis=-1), kept, kept if total is None else total


def inverse_sigma(content, axes, epsilon):
    """Return 1 / sigma of every row, `(b, size_1, ..., size_d, 1)`."""
    num_channels = content.shape[-1] + sum(table.shape[-1] for table in axes)
    sums = ops.sum(content, axis=-1, keepdims=True)
    squares = ops.sum(ops.square(content), axis=-1, keepdims=True)
    for axis, table in enumerate(axes):
        shape = [1] * (len(axes) + 2)
        shape[axis + 1] = table.shape[0]
        sums = sums + ops.reshape(ops.sum(table, axis=-1), shape)
        squares = squares + ops.reshape(ops.sum(ops.square(table), axis=-1), shape)
    variance = squares / num_channels - ops.square(sums / num_channels)
    return ops.rsqrt(variance + epsilon)
