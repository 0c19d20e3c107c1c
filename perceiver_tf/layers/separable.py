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
for float32, the maximum itself is taken.
"""

import math

import keras
from keras import ops

from perceiver_tf.layers.attention import MASKED_SCORE
from perceiver_tf.layers.tiles import Tiles, split_channels

SMALLEST_TOTAL = 1e-25
BLOCK_BYTES = 2**28


def gather_grid(folded, content, axes, mask, epsilon, dropout=None, block_bytes=BLOCK_BYTES):
    """Return the attention-weighted sums of a grid's rows, which are never put together.

    Where the scores of an example take more than `block_bytes`, the grid is read in blocks of
    rows of its first axis, one after the other, and the backward pass computes a block again
    instead of keeping its scores (not under dropout, whose draws would differ, nor for a
    number of queries that is unknown until call time).

    Args:
        folded: float32 `(b, heads_and_queries, channels)`, see `folded.fold_queries`, of
            weights grouped as `byte_array.group_by_axis` does.
        content: float32 `(b, size_1, ..., size_d, content_channels)`, static sizes.
        axes: list of d float32 tables `(size_a, channels_a)`.
        mask: bool `(b, m)` or None.
        epsilon: float, of the layer normalisation.
        dropout: function on the unnormalised attention weights, or None.
        block_bytes: int, memory for the scores of one example.

    Returns:
        (gathered, total) as `folded.unfold_values` takes them, grouped as `folded` is.
    """
    reader = _GridReader(folded, content, axes, mask, epsilon, dropout, block_bytes)
    sums, kept, total = reader.gather(ops.stop_gradient(reader.score_bound()))
    attends = True if mask is None else ops.any(mask, axis=-1)[:, None, None]
    is_safe = ops.all(ops.logical_or(total > SMALLEST_TOTAL, ops.logical_not(attends)))
    sums, kept, total = ops.cond(
        is_safe, lambda: (sums, kept, total), lambda: reader.gather(reader.largest_score())
    )
    inverse = ops.where(total > 0, 1.0 / ops.maximum(total, SMALLEST_TOTAL), 0.0)
    return sums * inverse, kept * inverse


class _GridReader:
    """Reads a grid for folded queries, whole or in blocks; arguments as in `gather_grid`."""

    def __init__(self, folded, content, axes, mask, epsilon, dropout, block_bytes):
        widths = [content.shape[-1], *(table.shape[-1] for table in axes)]
        self.content_queries, *axis_queries = split_channels(folded, widths)
        self.tables = [
            ops.einsum("bnc,sc->bns", part, table)
            for part, table in zip(axis_queries, axes, strict=True)
        ]
        self.folded, self.content, self.axes, self.dropout = folded, content, axes, dropout
        self.inverse_sigma = _inverse_sigma(content, axes, epsilon)
        # What a block takes its share of, and along which axis.
        self.parts = [(content, 1), (self.inverse_sigma, 1), (self.tables[0], 2), (axes[0], 0)]
        if mask is not None:
            mask = ops.reshape(mask, ops.shape(self.inverse_sigma))
            self.parts.append((ops.where(mask, 0.0, MASKED_SCORE), 1))
        self.rows, num_queries = content.shape[1], folded.shape[1]
        if not dropout and num_queries is not None:
            self.rows = block_rows(content.shape[1:-1], num_queries, block_bytes)

    def gather(self, shift):
        """Return sums over the grid of exp(score - shift) times: rows, 1, and 1 before dropout."""
        is_streamed = self.rows < self.content.shape[1]
        # Rematerialisation wants every tensor that has a gradient as an argument.
        block = keras.remat(_gather_block) if is_streamed else _gather_block

        def one_block(content, inverse_sigma, table, axis, *masked):
            queries = self.content_queries, [table, *self.tables[1:]], shift
            others = {"dropout": self.dropout} if self.dropout else {}
            grid = content, inverse_sigma, [axis, *self.axes[1:]]
            return block(*queries, *grid, *masked, **others)

        if not is_streamed:
            return one_block(*(part for part, _ in self.parts))
        zeros = (ops.zeros_like(self.folded), ops.zeros_like(shift), ops.zeros_like(shift))
        return _over_blocks(one_block, ops.add, zeros, self.parts, self.rows)

    def largest_score(self):
        """Return the largest score of each query, `(b, n, 1)`."""

        def one_block(content, inverse_sigma, table, axis, *masked):
            queries = self.content_queries, [table, *self.tables[1:]]
            return (_largest_score(*queries, content, inverse_sigma, *masked),)

        lowest = ops.full_like(self.content_queries[..., :1], MASKED_SCORE)
        (largest,) = _over_blocks(one_block, ops.maximum, (lowest,), self.parts, self.rows)
        # Above the masked scores, so that a query that may attend to nothing gathers nothing.
        return ops.stop_gradient(ops.maximum(largest, MASKED_SCORE / 2))

    def score_bound(self):
        """Return an upper bound of the scores of each query, `(b, n, 1)`."""
        grid = tuple(range(1, len(self.content.shape) - 1))
        scaled = self.content * self.inverse_sigma
        highest, lowest = (extreme(scaled, axis=grid)[:, None] for extreme in (ops.max, ops.min))
        of_content = ops.maximum(self.content_queries * highest, self.content_queries * lowest)
        of_positions = sum(ops.max(table, axis=-1, keepdims=True) for table in self.tables)
        largest, smallest = (
            extreme(self.inverse_sigma, axis=grid)[:, None] for extreme in (ops.max, ops.min)
        )
        scale = ops.where(of_positions > 0, largest, smallest)
        return ops.sum(of_content, axis=-1, keepdims=True) + of_positions * scale


def block_rows(sizes, heads_and_queries, block_bytes):
    """Return how many rows of the first axis have scores of at most `block_bytes`, at least 1."""
    row_bytes = 4 * heads_and_queries * math.prod(sizes[1:])
    return min(max(block_bytes // row_bytes, 1), sizes[0])


def _over_blocks(one_block, combine, initial, parts, rows):
    """Return the combined results of blocks of rows.

    Args:
        one_block: function of a block's share of every part, returns a tuple of tensors.
        combine: function of two tensors, such as a sum.
        initial: tuple of tensors to start from.
        parts: list of (tensor, axis to cut).
        rows: int, length of a block; the last one may be shorter.
    """

    def share(start, length):
        return [_slice(part, axis, start, length) for part, axis in parts]

    def step(index, carry):
        # A block waits for the one before: computed at once, they would fill the memory.
        wait = 0.0 * ops.sum(ops.stop_gradient(carry[-1]))
        content, *others = share(index * rows, rows)
        return tuple(map(combine, carry, one_block(content + wait, *others)))

    first, axis = parts[0]
    size = first.shape[axis]
    carry = ops.fori_loop(0, size // rows, step, initial)
    if size % rows:
        carry = map(combine, carry, one_block(*share(size - size % rows, size % rows)))
    return tuple(carry)


def _slice(x, axis, start, length):
    starts, shape = [0] * len(x.shape), list(ops.shape(x))
    starts[axis], shape[axis] = start, length
    return ops.slice(x, starts, shape)


def _gather_block(
    content_queries, tables, shift, content, inverse_sigma, axes, masked=None, dropout=None
):
    """Return sums over a block of exp(score - shift) times: rows, 1, and 1 before dropout."""
    tiles = Tiles(tuple(content.shape[1:-1]), content.shape[-1])
    right = tiles.right(content * inverse_sigma, inverse_sigma)
    left = tiles.left(content_queries, tables, -shift)
    scoring = right
    if masked is not None:
        left = ops.concatenate([left, ops.ones_like(left[..., :1])], axis=-1)
        scoring = ops.concatenate([right, tiles.cut(masked)], axis=-1)
    weights = ops.exp(ops.einsum("btnk,btmk->btnm", left, scoring))
    total = None
    if dropout is not None:
        total = ops.sum(weights, axis=(1, 3))[..., None]
        weights = dropout(weights)
    *sums, kept = tiles.merge(ops.einsum("btnm,btmk->btnk", weights, right), axes)
    return ops.concatenate(sums, axis=-1), kept, kept if total is None else total


def _largest_score(content_queries, tables, content, inverse_sigma, masked=None):
    """Return the largest score of each query in a block, `(b, n, 1)`."""
    tiles = Tiles(tuple(content.shape[1:-1]), content.shape[-1])
    right = tiles.right(content * inverse_sigma, inverse_sigma)
    left = tiles.left(content_queries, tables, ops.zeros_like(content_queries[..., :1]))
    scores = ops.einsum("btnk,btmk->btnm", left, right)
    if masked is not None:
        scores = scores + ops.swapaxes(tiles.cut(masked), 2, 3)
    return ops.max(scores, axis=(1, 3))[..., None]


def _inverse_sigma(content, axes, epsilon):
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
