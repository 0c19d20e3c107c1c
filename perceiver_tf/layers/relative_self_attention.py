"""Self-attention over all places of a grid, with relative positions of two axes.

arXiv:2101.11605 section 3 and figure 4, without an output projection, as there.
"""

import keras
import numpy as np
from keras import ops

from perceiver_tf.layers.attention import by_rows


@keras.saving.register_keras_serializable("perceiver_tf")
class RelativeSelfAttention(keras.layers.Layer):
    """Lets every place of a grid gather from all others, by content and by where they lie.

    A head scores the place (p, v) for the place (y, x) with

        q[y, x] . (k[p, v] + height[p - y] + width[v - x]) / sqrt(channels per head)

    where `height` and `width` are trained vectors, one for each offset, the same for all heads.
    Scores and softmax are computed in float32 under every dtype policy.

    Args:
        num_heads: int, at least 1.
        qk_channels: int, width of queries and keys, all heads together. None: that of the grid.
        v_channels: int, width of the values, all heads together, and of the result. None:
            `qk_channels`.
        dropout: float in [0, 1), rate on the attention weights while training.

    Call arguments:
        grid: `(b, height, width, channels)`. The size that the layer is built for is the largest:
            a smaller grid uses the offsets that occur in it, a larger one has offsets without a
            vector.
        training: bool, whether dropout acts.

    Returns:
        `(b, height, width, v_channels)`.

    Raises:
        ValueError: if a width is not divisible by `num_heads`, a rate or a number is out of its
            range, or the grid's size is unknown or above that of the layer.

    Example:

    >>> features = keras.Input((14, 14, 512))
    >>> RelativeSelfAttention(num_heads=4)(features).shape
    (None, 14, 14, 512)
    """

    def __init__(self, num_heads=4, qk_channels=None, v_channels=None, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if num_heads < 1:
            raise ValueError(f"`num_heads` must be at least 1. Received: num_heads={num_heads}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}.")
        self.num_heads = num_heads
        self.qk_channels = qk_channels
        self.v_channels = v_channels
        self.dropout = dropout

    def build(self, grid_shape):
        *_, height, width, channels = grid_shape
        if len(grid_shape) != 4 or height is None or width is None:
            raise ValueError(
                "Relative positions need a grid `(b, height, width, channels)` of a fixed size. "
                f"Received: a grid of shape {tuple(grid_shape)}."
            )
        qk_channels = self.qk_channels or channels
        v_channels = self.v_channels or qk_channels
        for name, size in (("qk_channels", qk_channels), ("v_channels", v_channels)):
            if size % self.num_heads:
                raise ValueError(
                    f"`{name}` must be divisible by `num_heads`. "
                    f"Received: {name}={size}, num_heads={self.num_heads}."
                )
        self.query = self._projection(qk_channels, channels, "query")
        self.key = self._projection(qk_channels, channels, "key")
        self.value = self._projection(v_channels, channels, "value")
        self.height_positions = self._positions(height, qk_channels, "height_positions")
        self.width_positions = self._positions(width, qk_channels, "width_positions")
        self.weights_dropout = keras.layers.Dropout(self.dropout, dtype="float32")

    def _projection(self, channels, input_channels, name):
        dense = keras.layers.Dense(
            channels,
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(
                1.0, "fan_in", "truncated_normal"
            ),
            dtype=self.dtype_policy,
            name=name,
        )
        dense.build((None, input_channels))
        return dense

    def _positions(self, size, qk_channels, name):
        """Return one vector for each offset from `1 - size` to `size - 1`."""
        channels = qk_channels // self.num_heads
        return self.add_weight(
            shape=(2 * size - 1, channels),
            initializer=keras.initializers.RandomNormal(stddev=channels**-0.5),
            name=name,
        )

    def call(self, grid, training=None):
        self._check_size(grid)
        queries, keys, values = (
            self._split_heads(by_rows(layer, grid)) for layer in (self.query, self.key, self.value)
        )
        scores = self.scores(queries, keys)
        shape = ops.shape(scores)
        places = shape[4] * shape[5]
        weights = ops.softmax(ops.reshape(scores, (*shape[:4], places)), axis=-1)
        weights = self.weights_dropout(weights, training=training)
        weights = ops.reshape(ops.cast(weights, values.dtype), shape)
        gathered = ops.einsum("bnyxpv,bnpvc->bnyxc", weights, values)
        return self._merge_heads(gathered)

    def scores(self, queries, keys):
        """Return what the softmax is taken of.

        Args:
            queries, keys: `(b, num_heads, height, width, channels per head)`, projected.

        Returns:
            float32 `(b, num_heads, height, width, height, width)`; the last two are the place
            that is read.
        """
        _, _, height, width, channels = queries.shape
        queries = ops.cast(queries, "float32") * channels**-0.5
        keys = ops.cast(keys, "float32")
        by_height = ops.einsum(
            "bnyxc,ypc->bnyxp", queries, _by_pairs(self.height_positions, height)
        )
        by_width = ops.einsum("bnyxc,xvc->bnyxv", queries, _by_pairs(self.width_positions, width))
        by_content = ops.einsum("bnyxc,bnpvc->bnyxpv", queries, keys)
        return by_content + by_height[..., None] + by_width[..., None, :]

    def _split_heads(self, x):
        """`(b, height, width, channels)` to `(b, num_heads, height, width, channels / heads)`."""
        shape = (*ops.shape(x)[:3], self.num_heads, x.shape[-1] // self.num_heads)
        return ops.transpose(ops.reshape(x, shape), (0, 3, 1, 2, 4))

    def _merge_heads(self, x):
        """The inverse of `_split_heads`."""
        x = ops.transpose(x, (0, 2, 3, 1, 4))
        return ops.reshape(x, (*ops.shape(x)[:3], x.shape[3] * x.shape[4]))

    def _check_size(self, grid):
        tables = self.height_positions, self.width_positions
        largest = tuple((table.shape[0] + 1) // 2 for table in tables)
        sizes = tuple(grid.shape[1:3])
        if None in sizes or any(s > most for s, most in zip(sizes, largest, strict=True)):
            raise ValueError(
                f"The grid must be of a known size of at most {largest}, for which there are "
                f"relative positions. Received: a grid of shape {tuple(grid.shape)}."
            )


def _by_pairs(positions, size):
    """Return float32 `(size, size, channels)`: of each pair of places the vector of its offset.

    Args:
        positions: `(2 * largest - 1, channels)`, the offset 0 in the middle.
        size: int, places of the axis at hand, at most `largest`.
    """
    offsets = np.arange(size)[None, :] - np.arange(size)[:, None]
    rows = offsets + positions.shape[0] // 2
    return ops.take(ops.cast(positions, "float32"), rows, axis=0)
