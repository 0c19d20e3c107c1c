"""Attention of queries to a byte array, normalisation of the rows included."""

import math

import keras
from keras import ops

from perceiver_tf.choices import IMPLEMENTATIONS
from perceiver_tf.layers import byte_array, folded, separable, tiles
from perceiver_tf.layers.attention import Attention

EPSILON = 1e-5
TYPICAL_QUERIES = 256


@keras.saving.register_keras_serializable("perceiver_tf")
class CrossAttention(Attention):
    """Lets latents (or decoder queries) gather from the rows of a byte array.

    The rows are layer-normalised (epsilon 1e-5, in float32) before keys and values are
    projected from them, as in arXiv:2103.03206 appendix C; the queries come normalised. Three
    implementations give the same result from the same weights: "dense" forms rows, keys and
    values; "folded" forms rows only (`perceiver_tf.layers.folded`); "separable" forms none of
    them (`perceiver_tf.layers.separable`). The latter two compute in float32.

    Args:
        num_heads, qk_channels, v_channels, output_channels, dropout: see `Attention`.
        implementation: "auto" (the one with the fewest multiply-adds, see
            `choose_implementation`), "dense", "folded" or "separable".

    Call arguments:
        queries: `(b, n, query_channels)`.
        inputs: a byte array: a tensor `(b, m, input_channels)`, or a dict that keeps content
            and positions apart (`perceiver_tf.layers.byte_array`).
        queries_mask: optional bool `(b, n)`.
        inputs_mask: optional bool `(b, m)`; beside it, a dict's own `mask` counts as well.
        training: bool, whether dropout acts.

    Returns:
        `(b, n, output_channels)`, see `Attention`.

    Raises:
        ValueError: if `implementation` is unknown, or "separable" is asked for inputs that
            are no grid of fixed size with positions by axis.
    """

    def __init__(self, num_heads=1, implementation="auto", **kwargs):
        # Position features must reach the layer norm in float32, whatever the policy.
        super().__init__(num_heads=num_heads, autocast=False, **kwargs)
        if implementation not in IMPLEMENTATIONS:
            raise ValueError(
                f"`implementation` must be one of {IMPLEMENTATIONS}. "
                f"Received: implementation={implementation!r}."
            )
        self.implementation = implementation

    def build(self, queries_shape, inputs_shape):
        if isinstance(inputs_shape, dict):
            inputs_shape = (None, None, byte_array.num_channels(inputs_shape))
        self.inputs_norm = keras.layers.LayerNormalization(
            epsilon=EPSILON, dtype=self.dtype_policy, autocast=False, name="inputs_norm"
        )
        self.inputs_norm.build((None, None, inputs_shape[-1]))
        super().build(queries_shape, inputs_shape)

    def call(self, queries, inputs, queries_mask=None, inputs_mask=None, training=None):
        description = byte_array.as_byte_array(inputs)
        inputs_mask = byte_array.rows_mask(description, inputs_mask)
        implementation = self._implementation_for(queries, description)
        if implementation == "dense":
            rows = self.inputs_norm(byte_array.assemble(description))
            return super().call(queries, rows, queries_mask, inputs_mask, training)
        values = self._gather_unprojected(
            ops.cast(self.query(queries), "float32"),
            description,
            inputs_mask,
            implementation == "separable",
            training,
        )
        if queries_mask is not None:
            values = values * ops.cast(queries_mask, "float32")[..., None]
        return self.attention_output(ops.cast(values, self.compute_dtype))

    def _implementation_for(self, queries, description):
        plain = all(
            not getattr(dense, "lora_enabled", False) and dense.quantization_mode is None
            for dense in (self.key, self.value)
        )
        if not plain:
            return "dense"
        if self.implementation == "separable" and not byte_array.is_separable(description):
            raise ValueError(
                '`implementation="separable"` needs a grid of fixed size with positions by axis. '
                f"Received: a byte array of {sorted(description)}, "
                f"content of shape {tuple(description['content'].shape)}."
            )
        if self.implementation != "auto":
            return self.implementation
        return choose_implementation(
            description,
            queries.shape[1],
            self.num_heads,
            self.key.kernel.shape[1] + self.value.kernel.shape[1],
        )

    def _gather_unprojected(self, queries, description, mask, separably, training):
        """Return the values that the projected queries gather, `(b, n, v_channels)`."""
        scale = (queries.shape[-1] // self.num_heads) ** -0.5
        weights = [self.inputs_norm.gamma, self.inputs_norm.beta]
        weights += [self.key.kernel, self.value.kernel]
        weights = [ops.cast(weight, "float32") for weight in weights]
        if separably:
            widths = byte_array.part_widths(description)
            weights = [byte_array.group_by_axis(weight, widths) for weight in weights]
        gamma, beta, key_kernel, value_kernel = weights
        # The keys' bias adds the same to all scores of a query, so the softmax drops it. Its
        # gradient is zero, not missing: optimisers warn about a weight without a gradient.
        queries = queries * scale + 0.0 * ops.sum(ops.cast(self.key.bias, "float32"))
        queries = folded.fold_queries(queries, key_kernel, gamma, self.num_heads)
        drops = training and self.dropout > 0

        def dropout(weights):
            return self.weights_dropout(weights, training=training)

        if separably:
            gathered, total = separable.gather_grid(
                queries,
                ops.cast(description["content"], "float32"),
                description["axes"],
                mask,
                EPSILON,
                dropout if drops else None,
            )
        else:
            rows = ops.cast(byte_array.assemble(description), "float32")
            gathered, total = folded.gather_rows(queries, rows, mask, EPSILON, dropout)
        value_bias = ops.cast(self.value.bias, "float32")
        return folded.unfold_values(
            gathered, total, gamma, beta, value_kernel, value_bias, self.num_heads
        )


def choose_implementation(description, num_queries, num_heads, projected_channels):
    """Return the implementation of a cross-attention with the fewest multiply-adds.

    Args:
        description: byte array, tensors or their shapes' stand-ins.
        num_queries: int, or None where it is unknown until call time.
        num_heads: int.
        projected_channels: int, `qk_channels + v_channels`.

    Returns:
        "dense", "folded" or "separable".
    """
    costs = multiply_adds(description, num_queries, num_heads, projected_channels)
    return min(costs, key=costs.get)


def multiply_adds(description, num_queries, num_heads, projected_channels):
    """Return the multiply-adds of each implementation that is possible, per example.

    Counted are the products that differ: keys, values, scores, weighted sums, folding. Where
    the number of rows is unknown until call time, the costs are those of one row; an unknown
    number of queries counts as `TYPICAL_QUERIES`.
    """
    num_queries = num_queries or TYPICAL_QUERIES
    content = description["content"]
    sizes = content.shape[1:-1]
    known = all(size is not None for size in sizes)
    rows = math.prod(sizes) if known else 1
    channels = sum(byte_array.part_widths(description))
    folding = num_queries * channels * projected_channels if known else 0
    costs = {
        "dense": rows * (channels + num_queries) * projected_channels,
        "folded": folding + 2 * num_heads * num_queries * rows * channels,
    }
    if byte_array.is_separable(description):
        tile = tiles.tile_shape(tuple(sizes), content.shape[-1])
        width = tiles.product_cost(tile, content.shape[-1])
        tables = sum(math.prod(table.shape) for table in description["axes"])
        costs["separable"] = folding + 2 * num_heads * num_queries * (rows * width + tables)
    return costs
