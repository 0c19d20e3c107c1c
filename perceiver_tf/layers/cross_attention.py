"""Attention of queries to a byte array, normalisation of the rows included."""

import keras
from keras import ops

from perceiver_tf.choices import IMPLEMENTATIONS
from perceiver_tf.layers import byte_array, dense_stream, folded, gathering, query_grid, separable
from perceiver_tf.layers.attention import Attention, attention_mask, by_rows
from perceiver_tf.layers.choosing import choose_implementations, reads_queries_by_axis
from perceiver_tf.layers.layer_norm import EPSILON, LayerNorm


@keras.saving.register_keras_serializable("perceiver_tf")
class CrossAttention(Attention):
    """Lets latents (or decoder queries) gather from the rows of a byte array.

    The rows are layer-normalised (epsilon 1e-5, in float32) before keys and values are
    projected from them, as in arXiv:2103.03206 appendix C; the queries come normalised. Three
    implementations give the same result from the same weights: "dense" forms rows, keys and
    values; "folded" forms rows only (`perceiver_tf.layers.folded`); "separable" forms none of
    them (`perceiver_tf.layers.separable`). The latter two compute in float32. Where the scores
    would take more than `reading.BLOCK_BYTES`, or a quarter of it where there are no keys, each
    works in blocks of rows.

    Args:
        num_heads, qk_channels, v_channels, output_channels, dropout: see `Attention`.
        implementation: "auto" (the one with the fewest multiply-adds, of each modality, see
            `choosing.choose_implementations`), "dense", "folded" or "separable".

    Call arguments:
        queries: `(b, n, query_channels)`.
        inputs: a byte array (`perceiver_tf.layers.byte_array`): a tensor
            `(b, m, input_channels)`, a dict that keeps content and positions apart, or a list of
            these, one per modality, which share one softmax.
        queries_mask: optional bool `(b, n)`.
        inputs_mask: optional bool `(b, m)`; beside it, a dict's own `mask` counts as well.
        training: bool, whether dropout acts.

    Returns:
        `(b, n, output_channels)`, see `Attention`.

    Raises:
        ValueError: if `implementation` is unknown, or "separable" is asked for inputs that
            are no grid of fixed size with positions by axis, or the modalities' rows differ in
            width.
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
        channels = byte_array.num_channels(inputs_shape)
        self.inputs_norm = LayerNorm(
            epsilon=EPSILON, dtype=self.dtype_policy, autocast=False, name="inputs_norm"
        )
        self.inputs_norm.build((None, None, channels))
        super().build(queries_shape, (None, None, channels))

    def call(self, queries, inputs, queries_mask=None, inputs_mask=None, training=None):
        parts = byte_array.as_parts(inputs)
        masks = byte_array.rows_masks(parts, inputs_mask)
        forms = self.forms(queries.shape[1], parts)
        drops = bool(training) and self.dropout > 0
        if "dense" not in forms:
            values = self._gather_unprojected(queries, parts, masks, forms, drops)
        elif not drops and dense_stream.is_long(parts, queries.shape[1], self.num_heads):
            values = dense_stream.gather(self, by_rows(self.query, queries), parts, masks)
        else:
            keys, values, mask = self.project(parts, masks)
            mask = attention_mask(queries_mask, mask)
            values = self.gather(
                by_rows(self.query, queries), keys, values, mask, training=training
            )
            return by_rows(self.attention_output, values)
        if queries_mask is not None:
            values = values * ops.cast(queries_mask, values.dtype)[..., None]
        return by_rows(self.attention_output, ops.cast(values, self.compute_dtype))

    def forms(self, num_queries, parts):
        """Return the implementation of each modality; "dense" comes for all of them or none.

        Args:
            num_queries: int, or None where it is unknown until call time.
            parts: list of dicts, see `byte_array`.
        """
        if not (_is_plain(self.key) and _is_plain(self.value)):
            return ["dense"] * len(parts)
        for part in parts:
            if self.implementation == "separable" and not byte_array.is_separable(part):
                raise ValueError(
                    '`implementation="separable"` needs a grid of fixed size with positions by '
                    f"axis. Received: a byte array of {sorted(part)}, "
                    f"content of shape {tuple(part['content'].shape)}."
                )
        if self.implementation != "auto":
            return [self.implementation] * len(parts)
        widths = self.key.kernel.shape[1], self.value.kernel.shape[1]
        return choose_implementations(parts, num_queries, self.num_heads, *widths)

    def project(self, parts, masks):
        """Return keys `(b, m, qk_channels)`, values `(b, m, v_channels)` and mask of all rows."""
        rows = self.inputs_norm(byte_array.assemble(parts))
        mask = byte_array.joint_mask(parts, masks)
        return by_rows(self.key, rows), by_rows(self.value, rows), mask

    def reads_by_axis(self, description, num_inputs):
        """Return whether queries on a grid are better not formed, see `gather_from_grid`."""
        if self.implementation == "dense" or not _is_plain(self.query):
            return False
        qk_channels = self.query.kernel.shape[1]
        return reads_queries_by_axis(description, num_inputs, self.num_heads, qk_channels)

    def gather_from_grid(self, description, norm, keys, values, inputs_mask):
        """Return what queries on a grid gather; like `gather`, without forming the queries.

        Args:
            description: dict of the queries, see `byte_array`; not normalised.
            norm: the queries' `LayerNorm`.
            keys, values, inputs_mask: see `project`.

        Returns:
            `(b, n, v_channels)`.
        """
        kernel, bias, gamma, beta, keys = (
            ops.cast(x, "float32")
            for x in (self.query.kernel, self.query.bias, norm.gamma, norm.beta, keys)
        )
        keys = keys * (keys.shape[-1] // self.num_heads) ** -0.5
        directions = folded.fold_queries(keys, kernel, gamma, self.num_heads)
        # Unlike a query's share in all its scores, a key's matters to the softmax over the keys.
        offsets = ops.reshape(ops.matmul(beta, kernel) + bias, (self.num_heads, -1))
        keys = ops.reshape(keys, (*ops.shape(keys)[:2], *offsets.shape))
        offsets = ops.einsum("bmhd,hd->bhm", keys, offsets)
        return query_grid.gather(
            description, directions, offsets, self.split_heads(values), inputs_mask, EPSILON
        )

    def _gather_unprojected(self, queries, parts, masks, forms, drops):
        """Return the values that queries gather, `(b, n, v_channels)`, from neither's keys."""
        queries = ops.cast(by_rows(self.query, queries), "float32")
        scale = (queries.shape[-1] // self.num_heads) ** -0.5
        weights = [self.inputs_norm.gamma, self.inputs_norm.beta]
        weights += [self.key.kernel, self.value.kernel, self.value.bias]
        gamma, beta, key_kernel, value_kernel, value_bias = (
            ops.cast(weight, "float32") for weight in weights
        )
        # The keys' bias adds the same to all scores of a query, so the softmax drops it. Its
        # gradient is zero, not missing: optimisers warn about a weight without a gradient.
        queries = queries * scale + 0.0 * ops.sum(ops.cast(self.key.bias, "float32"))
        queries = folded.fold_queries(queries, key_kernel, gamma, self.num_heads)

        def dropout(weights):
            return self.weights_dropout(weights, training=True)

        readers = []
        for part, mask, form in zip(parts, masks, forms, strict=True):
            read = separable.GridReader if form == "separable" else folded.RowsReader
            readers.append(read(queries, part, mask, EPSILON, dropout if drops else None))
        gathered, total = gathering.gather(readers, drops)
        return folded.unfold_values(
            gathered, total, gamma, beta, value_kernel, value_bias, self.num_heads
        )


def _is_plain(dense):
    """Return whether a projection is its kernel and bias: neither LoRA nor quantised."""
    return not getattr(dense, "lora_enabled", False) and dense.quantization_mode is None
