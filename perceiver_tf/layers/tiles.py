"""Tiles of a grid: equal boxes inside which position scores take few values.

Inside a tile of t_1 x ... x t_d inputs, the score table of axis a takes t_a values. So the scores
of a tile are one matrix product of width content + t_1 + ... + t_d + 1, see `separable`.
"""

import itertools
import math

import numpy as np
from keras import ops

from perceiver_tf.layers.reading import tile_shape


def split_channels(x, widths):
    """Return consecutive pieces of the last axis, of the given widths."""
    return ops.split(x, np.cumsum(widths)[:-1].tolist(), axis=-1)


class Tiles:
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

    def join(self, x):
        """The inverse of `cut`, the grid flattened: `(b, tiles, inputs, k)` to `(b, m, k)`."""
        rank, width = len(self.sizes), x.shape[-1]
        x = ops.reshape(x, (-1, *self.counts, *self.shape, width))
        pairs = itertools.chain(
            *zip(range(1, rank + 1), range(rank + 1, 2 * rank + 1), strict=True)
        )
        x = ops.transpose(x, (0, *pairs, 2 * rank + 1))
        return ops.reshape(x, (-1, math.prod(self.sizes), width))

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

    def left(self, content_queries, tables, shift):
        """The factor of the queries, `(b, tiles, n, width)`."""
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
        return ops.concatenate([*parts, self.spread(shift)], axis=-1)

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
        content, *positions, weights = split_channels(sums, [self.content_channels, *self.shape, 1])
        merged = [ops.sum(content, axis=tile_axes)]
        for axis, (part, table) in enumerate(zip(positions, axes, strict=True)):
            others = tuple(other for other in tile_axes if other != axis + 1)
            part = ops.sum(part, axis=others) if others else part
            part = ops.reshape(
                ops.transpose(part, (0, 2, 1, 3)), (batch_size, num_queries, self.sizes[axis])
            )
            merged.append(ops.einsum("bns,sc->bnc", part, table))
        return [*merged, ops.sum(weights, axis=tile_axes)]
