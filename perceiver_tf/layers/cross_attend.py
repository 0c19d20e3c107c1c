"""The cross-attend: the block by which latents read inputs, and decoder queries read latents."""

from functools import partial

import keras
from keras import ops

from perceiver_tf.layers import byte_array, dense_stream, reading, streaming
from perceiver_tf.layers.attention import attention_mask, by_rows
from perceiver_tf.layers.blocks import AttentionBlock
from perceiver_tf.layers.cross_attention import CrossAttention


@keras.saving.register_keras_serializable("perceiver_tf")
class CrossAttend(AttentionBlock):
    """Reads a byte array into queries: the encoder's and the decoder's block.

    attended = attention(norm(queries), norm(inputs)); x = queries + attended (the residual is
    the un-normalised query); result = x + mlp(norm(x)). See arXiv:2103.03206 appendix C.

    Queries may be described as a byte array themselves, as a decoder's on a grid are. Where
    that is cheaper, their scores are then computed without forming them
    (`perceiver_tf.layers.query_grid`), and where scores of all queries would take more than
    `reading.BLOCK_BYTES`, they are decoded in blocks.

    Args:
        num_heads, qk_channels, v_channels: see `Attention`.
        widening_factor, gelu: see `MLP`.
        dropout: float in [0, 1), rate on the results of attention and MLP while training.
        attention_dropout: float in [0, 1), rate on the attention weights while training.
        use_query_residual: bool. False leaves the queries out of x: what is decoded then
            depends on the queries through the attention weights only.
        implementation: of the attention, see `CrossAttention`.

    Call arguments:
        queries: `(b, n, query_channels)`, or another byte array, see `CrossAttention`.
        inputs: a byte array, see `CrossAttention`.
        queries_mask: optional bool `(b, n)`.
        inputs_mask: optional bool `(b, m)`.
        training: bool, whether dropout acts.

    Returns:
        `(b, n, query_channels)`.
    """

    def __init__(self, use_query_residual=True, implementation="auto", **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.use_query_residual = use_query_residual
        self.implementation = implementation

    @property
    def settings(self):
        return *super().settings, self.use_query_residual, self.implementation

    def build(self, queries_shape, inputs_shape):
        channels = byte_array.num_channels(queries_shape)
        self._build_parts(channels, CrossAttention, implementation=self.implementation)
        self.attention.build((None, None, channels), inputs_shape)

    def call(self, queries, inputs, queries_mask=None, inputs_mask=None, training=None):
        queries, inputs = byte_array.as_parts(queries), byte_array.as_parts(inputs)
        queries_masks = byte_array.rows_masks(queries, queries_mask)
        if self._decodes(queries, inputs):
            inputs_masks = byte_array.rows_masks(inputs, inputs_mask)
            projected = self.attention.project(inputs, inputs_masks)
            decoded = [
                self._decode(part, mask, projected, training)
                for part, mask in zip(queries, queries_masks, strict=True)
            ]
            return decoded[0] if len(decoded) == 1 else ops.concatenate(decoded, axis=1)
        rows = byte_array.assemble(queries)
        attended = self.attention(
            self.queries_norm(rows),
            inputs,
            queries_mask=byte_array.joint_mask(queries, queries_masks),
            inputs_mask=inputs_mask,
            training=training,
        )
        return self._add(attended, rows, training)

    def _decodes(self, queries, inputs):
        """Return whether keys and values are formed once and the queries go through in blocks.

        That is so where they are formed at all, but for inputs so long that they are read in
        blocks instead (`dense_stream`).
        """
        lengths = [byte_array.num_rows(part) for part in queries]
        num_queries = None if None in lengths else sum(lengths)
        if "dense" not in self.attention.forms(num_queries, inputs):
            return False
        if not dense_stream.is_long(inputs, num_queries, self.num_heads):
            return True
        return num_queries > sum(byte_array.num_rows(part) for part in inputs)

    def _decode(self, description, queries_mask, projected, training):
        """Return the block's result for the queries of one modality."""
        keys, values, inputs_mask = projected
        drops = bool(training) and max(self.dropout, self.attention_dropout) > 0

        def decode(keys, values, description, mask):
            attended = self._attend(description, mask, (keys, values, inputs_mask), drops, training)
            rows = byte_array.assemble(description) if self.use_query_residual else None
            return self._add(attended, rows, training)

        num_queries = byte_array.num_rows(description)
        if drops or None in (num_queries, keys.shape[1]):
            return decode(keys, values, description, queries_mask)
        parts, whole, describe = byte_array.as_blocks(description, queries_mask)
        first, axis = parts[0]
        size = first.shape[axis]
        row_bytes = 4 * self.num_heads * keys.shape[1] * num_queries // size
        length = reading.block_length(size, row_bytes * (first.shape[0] or 1))
        if length == size:
            return decode(keys, values, description, queries_mask)

        def decode_block(keys, values, whole, *shares):
            return decode(keys, values, *describe(whole, *shares))

        layers = [self.queries_norm, self.attention.query, self.attention.attention_output]
        repeated = streaming.repeated_with([*layers, self.mlp_norm, self.mlp], decode_block)
        return streaming.map_blocks(partial(repeated, keys, values, whole), parts, length)

    def _attend(self, description, queries_mask, projected, drops, training):
        attention = self.attention
        keys, values, inputs_mask = projected
        if not drops and attention.reads_by_axis(description, keys.shape[1]):
            gathered = attention.gather_from_grid(
                description, self.queries_norm, keys, values, inputs_mask
            )
            if queries_mask is not None:
                gathered = gathered * ops.cast(queries_mask, gathered.dtype)[..., None]
        else:
            queries = by_rows(attention.query, self.queries_norm(byte_array.assemble(description)))
            mask = attention_mask(queries_mask, inputs_mask)
            gathered = attention.gather(queries, keys, values, mask, training=training)
        return by_rows(attention.attention_output, gathered)

    def _add(self, attended, queries, training):
        """Return what the block makes of the attended values and the un-normalised queries."""
        x = self.attended_dropout(attended, training=training)
        if self.use_query_residual:
            x = x + ops.cast(queries, x.dtype)
        return self._add_mlp(x, training)

    def compute_output_spec(self, queries, inputs, **kwargs):
        parts = byte_array.as_parts(queries)
        lengths = [byte_array.num_rows(part) for part in parts]
        length = None if None in lengths else sum(lengths)
        shape = (parts[0]["content"].shape[0], length, byte_array.row_width(parts[0]))
        return keras.KerasTensor(shape, self.compute_dtype)
