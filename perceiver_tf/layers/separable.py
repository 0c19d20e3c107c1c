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

import functools
import itertools
import math

import numpy as np
from keras import ops

MASKED_SCORE = -1e30
SMALLEST_TOTAL = 1e-25
# A tile's left factor is rebuilt for every tile, which costs as much as this many more inputs.
TILE_OVERHEAD = 300


@functools.lru_cache(maxsize=256)
def tile_shape(sizes, content_channels):
    """Return the tile that makes the scores cheapest: one divisor of each size.

    Args:
        sizes: tuple of ints, the grid.
        content_channels: int.
    """
    divisors = [[t for t in range(1, size + 1) if size % t == 0] for size in sizes]

    def cost(tile):
        return product_width(tile, content_channels) * (1 + TILE_OVERHEAD / math.prod(tile))

    return min(itertools.product(*divisors), key=cost)


def product_width(tile, content_channels):
    """Return how many multiply-adds a score takes in tiles of that shape."""
    return content_channels + sum(tile) + 1


def gather_grid(folded, content, axes, mask, epsilon, dropout=None):
    """Return the attention-weighted sums of a grid's rows, which are never put together.

    Args:
        folded: float32 `(b, heads_and_queries, channels)`, see `folded.fold_queries`, of
            weights grouped as `byte_array.group_by_axis` does.
        content: float32 `(b, size_1, ..., size_d, content_channels)`, static sizes.
        axes: list of d float32 tables `(size_a, channels_a)`.
        mask: bool `(b, m)` or None.
        epsilon: float, of the layer normalisation.
        dropout: function on the unnormalised attention weights, or None.

    Returns:
        (gathered, total) as `folded.unfold_values` takes them, grouped as `folded` is.
    """
    content_channels = content.shape[-1]
    tiles = _Tiles(tuple(content.shape[1:-1]), content_channels)
    widths = [content_channels, *(table.shape[-1] for table in axes)]
    content_queries, *axis_queries = _split(folded, widths)
    tables = [
        ops.einsum("bnc,sc->bns", part, table)
        for part, table in zip(axis_queries, axes, strict=True)
    ]
    inverse_sigma = _inverse_sigma(content, axes, epsilon)
    right = tiles.right(content * inverse_sigma, inverse_sigma)
    left = tiles.left(content_queries, tables)
    if mask is not None:
        masked = ops.where(ops.reshape(mask, ops.shape(inverse_sigma)), 0.0, MASKED_SCORE)
        masked = tiles.cut(masked)

    def gather(shift):
        """Return exp(scores - shift) times `right`, and the sum of the weights alone."""
        factor = ops.concatenate([left, tiles.spread(-shift)], axis=-1)
        scoring = right
        if mask is not None:
            factor = ops.concatenate([factor, ops.ones_like(factor[..., :1])], axis=-1)
            scoring = ops.concatenate([right, masked], axis=-1)
        weights = ops.exp(ops.einsum("btnk,btmk->btnm", factor, scoring))
        total = None
        if dropout is not None:
            total = ops.sum(weights, axis=(1, 3))[..., None]
            weights = dropout(weights)
        sums = ops.einsum("btnm,btmk->btnk", weights, right)
        *sums, kept = tiles.merge(sums, axes)
        return ops.concatenate(sums, axis=-1), kept, kept if total is None else total

    def largest_score():
        scores = ops.einsum("btnk,btmk->btnm", left, right[..., :-1])
        if mask is not None:
            scores = scores + ops.swapaxes(masked, 2, 3)
        return ops.stop_gradient(ops.max(scores, axis=(1, 3))[..., None])

    bound = _score_bound(content_queries, tables, content, inverse_sigma)
    sums, kept, total = gather(ops.stop_gradient(bound))
    attends = True if mask is None else ops.any(mask, axis=-1)[:, None, None]
    is_safe = ops.all(ops.logical_or(total > SMALLEST_TOTAL, ops.logical_not(attends)))
    sums, kept, total = ops.cond(
        is_safe, lambda: (sums, kept, total), lambda: gather(largest_score())
    )
    inverse = ops.where(total > 0, 1.0 / ops.maximum(total, SMALLEST_TOTAL), 0.0)
    return sums * inverse, kept * inverse


def _split(x, widths):
    """Return consecutive pieces of the last axis, of the given widths."""
    return ops.split(x, np.cumsum(widths)[:-1].tolist(), axis=-1)


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


def _score_bound(content_queries, tables, content, inverse_sigma):
    """Return an upper bound of the scores of each query, `(b, n, 1)`."""
    grid = tuple(range(1, len(content.shape) - 1))
    scaled = content * inverse_sigma
    highest, lowest = (extreme(scaled, axis=grid)[:, None] for extreme in (ops.max, ops.min))
    of_content = ops.maximum(content_queries * highest, content_queries * lowest)
    of_positions = sum(ops.max(table, axis=-1, keepdims=True) for table in tables)
    largest, smallest = (
        extreme(inverse_sigma, axis=grid)[:, None] for extreme in (ops.max, ops.min)
    )
    scale = ops.where(of_positions > 0, largest, smallest)
    return ops.sum(of_content, axis=-1, keepdims=True) + of_positions * scale


class _Tiles:
    """Cuts a grid into equal tiles and puts sums over them together again."""

    def __init__(self, sizes, content_channels):
        self.sizes = sizes
        self.content_channels = content_channels
        self.shape = tile_shape(sizes, content_channels)
        self.counts = tuple(size // t for size, t in zip(sizes, self.shape, strict=True))

    def cut(self, grid):
        """`(b, size_1, ..., size_d, k)` to `(b, tiles, inputs of a tile, k)`."""
        rank = len(self.sizes)
        pairs = itertools.chain(*zip(self.counts, self.shape, strict=True))
        grid = ops.reshape(grid, (-1, *pairs, grid.shape[-1]))
        order = (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1)
        shape = (-1, math.prod(self.counts), math.prod(self.shape), grid.shape[-1])
        return ops.reshape(ops.transpose(grid, order), shape)

    def right(self, scaled_content, inverse_sigma):
        """The factor of the inputs, `(b, tiles, inputs of a tile, width)`."""
        inverse_sigma = self.cut(inverse_sigma)
        parts = [self.cut(scaled_content), inverse_sigma * self._one_hot()]
        return ops.concatenate([*parts, ops.ones_like(inverse_sigma)], axis=-1)

    def _one_hot(self):
        """Of each input of a tile, its index along each axis: `(inputs, t_1 + ... + t_d)`."""
        indices = np.stack(np.unravel_index(np.arange(math.prod(self.shape)), self.shape), -1)
        columns = [
            np.eye(t, dtype="float32")[i] for t, i in zip(self.shape, indices.T, strict=True)
        ]
        return np.concatenate(columns, axis=-1)

    def left(self, content_queries, tables):
        """The factor of the queries but its last column, `(b, tiles, n, width - 1)`."""
        batch_size, num_queries, _ = ops.shape(content_queries)
        parts = [self.spread(content_queries)]
        for axis, table in enumerate(tables):
            count, length = self.counts[axis], self.shape[axis]
            table = ops.reshape(table, (batch_size, num_queries, count, length))
            shape = [1] * len(self.counts)
            shape[axis] = count
            table = ops.transpose(table, (0, 2, 1, 3))
            table = ops.reshape(table, (batch_size, *shape, num_queries, length))
            full = (batch_size, *self.counts, num_queries, length)
            full_flat = (batch_size, math.prod(self.counts), num_queries, length)
            parts.append(ops.reshape(ops.broadcast_to(table, full), full_flat))
        return ops.concatenate(parts, axis=-1)

    def spread(self, values):
        """`(b, n, k)`, the same for every tile: `(b, tiles, n, k)`."""
        batch_size, num_queries, width = ops.shape(values)
        shape = (batch_size, math.prod(self.counts), num_queries, width)
        return ops.broadcast_to(values[:, None], shape)

    def merge(self, sums, axes):
        """Sums by tile `(b, tiles, n, width)` to sums over the grid.

        Returns:
            list of `(b, n, k)`: content, each axis's positions, weights.
        """
        batch_size, _, num_queries, width = ops.shape(sums)
        sums = ops.reshape(sums, (batch_size, *self.counts, num_queries, width))
        tile_axes = tuple(range(1, len(self.counts) + 1))
        content, *positions, weights = _split(sums, [self.content_channels, *self.shape, 1])
        merged = [ops.sum(content, axis=tile_axes)]
        for axis, (part, table) in enumerate(zip(positions, axes, strict=True)):
            others = tuple(other for other in tile_axes if other != axis + 1)
            part = ops.sum(part, axis=others) if others else part
            part = ops.reshape(
                ops.transpose(part, (0, 2, 1, 3)), (batch_size, num_queries, self.sizes[axis])
            )
            merged.append(ops.einsum("bns,sc->bnc", part, table))
        return [*merged, ops.sum(weights, axis=tile_axes)]
