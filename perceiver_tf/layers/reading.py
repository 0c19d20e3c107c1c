"""How attention to a byte array is computed, and what it costs, from static shapes alone.

The one place that chooses: among forming keys and values ("dense"), rows only ("folded"), or none
of them ("separable"), by counting multiply-adds; and how much is computed at once. It does not
import Keras, so that models can be described before anything heavy is loaded.
"""

import dataclasses
import functools
import itertools
import math
from dataclasses import dataclass

# A tile's left factor is made anew for every tile, which costs as much as this many more inputs.
TILE_OVERHEAD = 300
# Above as many bytes of scores, attention is computed in blocks (`perceiver_tf.layers.streaming`).
BLOCK_BYTES = 2**26
# Of this, what a block of folded queries' scores takes. Between two narrow products these are
# passed over: they should stay in a processor's cache, and in memory that malloc keeps mapped.
UNPROJECTED_SHARE = 1 / 4
# What an unknown number of queries, and of rows, counts as until call time.
TYPICAL_QUERIES = 256
TYPICAL_ROWS = 2**16


@dataclass(frozen=True)
class Rows:
    """The static shapes of a byte array (`perceiver_tf.layers.byte_array`).

    Attributes:
        sizes: tuple of ints, the grid; a single one for rows that are no grid.
        content_channels: int, width of the content.
        axis_channels: tuple of ints, width of the position table of each axis; empty where
            positions do not depend on one axis each.
        position_channels: int, width of such other positions.
        masked: bool, whether there is a mask of rows.
    """

    sizes: tuple[int, ...]
    content_channels: int
    axis_channels: tuple[int, ...] = ()
    position_channels: int = 0
    masked: bool = False

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
        streams: bool, whether the rows may be read in blocks.
        query_rows: `Rows` of a decoder's queries, which may go through in blocks of their first
            axis and, on a grid, be read without being formed; None for latents.
    """

    rows: Rows
    num_queries: int
    num_heads: int
    qk_channels: int
    v_channels: int
    implementation: str = "auto"
    streams: bool = True
    query_rows: Rows | None = None

    @property
    def parts(self):
        """Tuple of `Reading`, one for each modality (`perceiver_tf.layers.joint_reading`)."""
        return (self,)

    def changed(self, **settings):
        """Return the same reading with some fields replaced."""
        return dataclasses.replace(self, **settings)

    @property
    def costs(self):
        """Dict from each implementation that is possible to its multiply-adds for one example.

        Counted are the products that differ: keys, values, scores, weighted sums, folding, and
        the making of tiles' factors.
        """
        costs = {"dense": self._dense(), "folded": self._folded()}
        if self.rows.axis_channels:
            content_channels = self.rows.content_channels
            tile = tile_shape(self.rows.sizes, content_channels)
            costs["separable"] = self._separable(product_cost(tile, content_channels))
        return costs

    @property
    def chosen(self):
        """The implementation that runs: as asked for, or the one with the lowest cost."""
        if self.implementation != "auto":
            return self.implementation
        costs = self.costs
        return min(costs, key=costs.get)

    @property
    def multiply_adds(self):
        """Multiply-adds of the chosen implementation; projections of queries and results not."""
        if self.chosen == "separable":
            return self._separable(self.tile_width)
        if self.chosen == "folded":
            return self._folded()
        return self._by_axis() if self.reads_queries_by_axis else self._dense()

    @property
    def tile(self):
        """Tuple of ints, the box of inputs that the separable computation multiplies at once."""
        return tile_shape(self.block_sizes, self.rows.content_channels)

    @property
    def tile_width(self):
        """How many multiply-adds a score takes inside a tile, and a weighted sum again."""
        return self.rows.content_channels + sum(self.tile) + 1

    @property
    def scores(self):
        """How many scores there are: one for each head, query and row."""
        return self.num_heads * self.num_queries * self.rows.length

    @property
    def block_sizes(self):
        """Tuple of ints, the grid that is read at once: fewer indices of one axis, or all."""
        sizes = (self.rows.length,) if self.chosen == "folded" else self.rows.sizes
        # Keys and values are formed from blocks of the first axis.
        cut = 0 if self.chosen == "dense" else sizes.index(max(sizes))
        index_bytes = 4 * self.num_heads * self.queries_at_once * self.rows.length // sizes[cut]
        streams = self.streams and not self.decodes
        fitting = block_length if self.chosen == "dense" else unprojected_length
        length = fitting(sizes[cut], index_bytes) if streams else sizes[cut]
        return (*sizes[:cut], length, *sizes[cut + 1 :])

    @property
    def block_length(self):
        """How many rows of the byte array are read at once."""
        return math.prod(self.block_sizes)

    @property
    def is_streamed(self):
        """Whether the rows are read in more than one block."""
        return self.block_length < self.rows.length

    @property
    def scores_at_once(self):
        """How many scores there are in a block, of rows or of queries."""
        return self.num_heads * self.queries_at_once * self.block_length

    @property
    def left_factor(self):
        """Size of the tiles' factor of the queries, in a block."""
        num_tiles = self.block_length / math.prod(self.tile)
        return math.ceil(self.num_heads * self.num_queries * num_tiles * self.tile_width)

    @property
    def decodes(self):
        """Whether keys and values are formed once, and the queries go through in blocks.

        That is so for queries of a decoder, but for rows that are formed in blocks themselves.
        """
        if self.query_rows is None or self.chosen != "dense":
            return False
        return 4 * self.scores <= BLOCK_BYTES or self.num_queries > self.rows.length

    @property
    def reads_queries_by_axis(self):
        """Whether scores are computed without forming the queries."""
        if not self.decodes or self.implementation == "dense":
            return False
        return by_axis(self.query_rows, self.rows.length, self.num_heads, self.qk_channels)

    @property
    def query_sizes(self):
        """Tuple of ints, the grid of the queries that are computed at once."""
        if not (self.decodes and self.streams):
            return (self.num_queries,) if self.query_rows is None else self.query_rows.sizes
        size, *others = self.query_rows.sizes
        index_bytes = 4 * self.num_heads * self.rows.length * math.prod(others)
        return (block_length(size, index_bytes), *others)

    @property
    def queries_at_once(self):
        """How many queries are computed at once."""
        return math.prod(self.query_sizes)

    @property
    def streams_queries(self):
        """Whether the queries go through in more than one block."""
        return self.queries_at_once < self.num_queries

    def _dense(self):
        projected = self.qk_channels + self.v_channels
        return self.rows.length * (self.rows.channels + self.num_queries) * projected

    def _by_axis(self):
        """Keys and values, what every block of queries folds anew, scores and weighted sums."""
        num_inputs, heads = self.rows.length, self.num_heads
        block = Reading(
            Rows(self.query_sizes, self.query_rows.content_channels, self.query_rows.axis_channels),
            num_inputs,
            heads,
            self.qk_channels,
            0,
            implementation="separable",
            streams=False,
        )
        num_blocks = math.ceil(self.query_rows.sizes[0] / self.query_sizes[0])
        folding = num_inputs * self.query_rows.channels * self.qk_channels
        first = self.query_rows.sizes[0] * self.query_rows.axis_channels[0]
        others = block._table_products() - self.query_sizes[0] * self.query_rows.axis_channels[0]
        per_input = first + num_blocks * others + self.num_queries * block.tile_width
        projected = num_inputs * self.rows.channels * (self.qk_channels + self.v_channels)
        sums = self.num_queries * num_inputs * self.v_channels
        return projected + num_blocks * folding + heads * num_inputs * per_input + sums

    @property
    def folding(self):
        """Multiply-adds of folding the queries, and of unfolding what they gather."""
        return self.num_queries * self.rows.channels * (self.qk_channels + self.v_channels)

    def _folded(self):
        products = 2 * self.num_heads * self.num_queries * self.rows.length * self.rows.channels
        return self.folding + products

    def _table_products(self):
        """Multiply-adds of one folded query with the position tables of all axes."""
        pairs = zip(self.rows.sizes, self.rows.axis_channels, strict=True)
        return sum(size * channels for size, channels in pairs)

    def _separable(self, score_cost):
        per_query = self.rows.length * score_cost + self._table_products()
        return self.folding + 2 * self.num_heads * self.num_queries * per_query


def by_axis(query_rows, num_inputs, num_heads, qk_channels):
    """Return whether scores of queries on a grid are cheaper without forming the queries.

    They are computed with queries and inputs in exchanged roles, but without values.

    Args:
        query_rows: `Rows` of the queries.
        num_inputs: int, rows that they attend to.
        num_heads, qk_channels: of the attention.
    """
    if not query_rows.axis_channels:
        return False
    costs = Reading(query_rows, num_inputs, num_heads, qk_channels, 0).costs
    return costs["separable"] / 2 < costs["dense"]


def decoded_length(size, num_queries, query_channels, num_heads, num_inputs):
    """Return how many of the items that `ClipDecoder` cuts its queries along it decodes at once.

    Beside the scores, a query's row is held four times: as it is, as read, and in the MLP.

    Args:
        size: int, items: indices of the queries' first axis.
        num_queries: int, queries of an item, in all examples together.
        query_channels: int, width of a query.
        num_heads: int, of the attention.
        num_inputs: int, rows that the queries attend to.
    """
    return block_length(size, 4 * num_queries * (4 * query_channels + num_heads * num_inputs))


def block_length(size, item_bytes):
    """Return how many items whose scores take `item_bytes` each fit in `BLOCK_BYTES`.

    Returns:
        int: `size` if all fit, and otherwise a power of two, which grids can be cut by.
    """
    fitting = max(BLOCK_BYTES // item_bytes, 1)
    return size if fitting >= size else 2 ** (fitting.bit_length() - 1)


def unprojected_length(size, item_bytes):
    """Return the same for scores of folded queries, of which blocks take a share of the bytes."""
    if size * item_bytes <= BLOCK_BYTES:
        return size
    return block_length(size, math.ceil(item_bytes / UNPROJECTED_SHARE))


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
