"""What attention to a byte array costs, from static shapes alone.

The choices are those of `perceiver_tf.layers.cross_attention`, made here without Keras so that
models can be described before anything heavy is loaded; the tests hold the two together by
counting the products of built models.
"""

import functools
import itertools
import math
from dataclasses import dataclass

# What making a tile's left factor costs, in inputs (`perceiver_tf.layers.tiles`).
TILE_OVERHEAD = 300
# Above as many bytes of scores for an example, a grid is read in blocks (`layers.separable`).
BLOCK_BYTES = 2**28


@dataclass(frozen=True)
class Rows:
    """The static shapes of a byte array (`perceiver_tf.layers.byte_array`).

    Attributes:
        sizes: tuple of ints, the grid; a single one for rows that are no grid.
        content_channels: int, width of the content.
        axis_channels: tuple of ints, width of the position table of each axis; empty where
            positions do not depend on one axis each.
        position_channels: int, width of such other positions.
    """

    sizes: tuple[int, ...]
    content_channels: int
    axis_channels: tuple[int, ...] = ()
    position_channels: int = 0

    @property
    def length(self):
        """Number of rows."""
        return math.prod(self.sizes)

    @property
    def channels(self):
        """Width of a row."""
        return self.content_channels + sum(self.axis_channels) + self.position_channels


@dataclass(frozen=True)
class Reading:
    """Attention of queries to the rows of a byte array.

    Attributes:
        rows: `Rows`.
        num_queries: int.
        num_heads: int.
        qk_channels: int, width of queries and keys, all heads together.
        v_channels: int, width of the values.
        implementation: "auto", "dense", "folded" or "separable".
    """

    rows: Rows
    num_queries: int
    num_heads: int
    qk_channels: int
    v_channels: int
    implementation: str = "auto"

    @property
    def chosen(self):
        """The implementation that runs: as asked for, or the one with the lowest cost."""
        if self.implementation != "auto":
            return self.implementation
        costs = {"dense": self._dense(), "folded": self._folded()}
        if self.rows.axis_channels:
            tile = tile_shape(self.rows.sizes, self.rows.content_channels)
            width = product_cost(tile, self.rows.content_channels)
            costs["separable"] = self._separable(width)
        return min(costs, key=costs.get)

    @property
    def multiply_adds(self):
        """Multiply-adds of the chosen implementation; projections of queries and results not."""
        if self.chosen == "separable":
            return self._separable(self.tile_width)
        return self._dense() if self.chosen == "dense" else self._folded()

    @property
    def tile(self):
        """Tuple of ints, the box of inputs that the separable computation multiplies at once."""
        return tile_shape(self.rows.sizes, self.rows.content_channels)

    @property
    def tile_width(self):
        """How many multiply-adds a score takes inside a tile, and a weighted sum again."""
        return self.rows.content_channels + sum(self.tile) + 1

    @property
    def scores(self):
        """How many scores there are: one for each head, query and row."""
        return self.num_heads * self.num_queries * self.rows.length

    @property
    def block_length(self):
        """How many rows of the byte array are read at once."""
        length = self.rows.length
        if self.chosen != "separable" or 4 * self.scores <= BLOCK_BYTES:
            return length
        per_index = length // self.rows.sizes[0]
        fitting = BLOCK_BYTES // (4 * self.num_heads * self.num_queries * per_index)
        return max(fitting, 1) * per_index

    @property
    def is_streamed(self):
        """Whether the rows are read in more than one block."""
        return self.block_length < self.rows.length

    @property
    def scores_at_once(self):
        """How many scores there are in a block."""
        return self.num_heads * self.num_queries * self.block_length

    @property
    def left_factor(self):
        """Size of the tiles' factor of the queries, in a block."""
        num_tiles = self.block_length / math.prod(self.tile)
        return math.ceil(self.num_heads * self.num_queries * num_tiles * self.tile_width)

    def _dense(self):
        projected = self.qk_channels + self.v_channels
        return self.rows.length * (self.rows.channels + self.num_queries) * projected

    def _folding(self):
        return self.num_queries * self.rows.channels * (self.qk_channels + self.v_channels)

    def _folded(self):
        products = 2 * self.num_heads * self.num_queries * self.rows.length * self.rows.channels
        return self._folding() + products

    def _separable(self, score_cost):
        pairs = zip(self.rows.sizes, self.rows.axis_channels, strict=True)
        tables = sum(size * channels for size, channels in pairs)
        per_query = self.rows.length * score_cost + tables
        return self._folding() + 2 * self.num_heads * self.num_queries * per_query


@functools.lru_cache(maxsize=256)
def tile_shape(sizes, content_channels):
    """Return the tile with the cheapest scores: one divisor of each size.

    Args:
        sizes: tuple of ints, the grid.
        content_channels: int.
    """
    divisors = [[t for t in range(1, size + 1) if size % t == 0] for size in sizes]
    return min(itertools.product(*divisors), key=lambda tile: product_cost(tile, content_channels))


def product_cost(tile, content_channels):
    """Return what a score costs in tiles of that shape, the making of their factors included."""
    width = content_channels + sum(tile) + 1
    return width * (1 + TILE_OVERHEAD / math.prod(tile))
