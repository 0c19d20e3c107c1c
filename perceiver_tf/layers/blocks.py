"""The latent transformer's residual block, and what it shares with the cross-attend's.

arXiv:2103.03206 appendix C.
"""

import functools

import keras
from keras import ops

from perceiver_tf.choices import GELUS
from perceiver_tf.layers.attention import Attention
from perceiver_tf.layers.layer_norm import EPSILON, LayerNorm


@keras.saving.register_keras_serializable("perceiver_tf")
class MLP(keras.layers.Layer):
    """Two dense layers with a gelu between, back to the width of the inputs.

    Args:
        widening_factor: int, width of the hidden layer over that of the inputs.
        dropout: float in [0, 1), rate on the result while training.
        gelu: "tanh" (the approximation, as in DeepMind's code) or "erf" (exact, as in
            Hugging Face's); the functions differ by up to 4.7e-4.

    Call arguments:
        inputs: `(..., channels)`.
        training: bool, whether dropout acts.

    Returns:
        `(..., channels)`.

    Raises:
        ValueError: if `gelu` is unknown.
    """

    def __init__(self, widening_factor=1, dropout=0.0, gelu="tanh", **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        if gelu not in GELUS:
            raise ValueError(f"`gelu` must be one of {GELUS}. Received: gelu={gelu!r}.")
        self.widening_factor = widening_factor
        self.dropout = dropout
        self.gelu = gelu

    def build(self, inputs_shape):
        channels = inputs_shape[-1]
        hidden_channels = channels * self.widening_factor
        # As its activation, the gelu becomes part of the dense layer's product in TensorFlow.
        gelu = functools.partial(ops.gelu, approximate=self.gelu == "tanh")
        self.hidden = self._dense(hidden_channels, channels, "hidden", gelu)
        self.output_projection = self._dense(channels, hidden_channels, "output")
        self.output_dropout = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def _dense(self, channels, input_channels, name, activation=None):
        initializer = keras.initializers.VarianceScaling(1.0, "fan_in", "truncated_normal")
        dense = keras.layers.Dense(
            channels,
            activation=activation,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name=name,
        )
        dense.build((None, None, input_channels))
        return dense

    def call(self, inputs, training=None):
        hidden = self.hidden(inputs)
        return self.output_dropout(self.output_projection(hidden), training=training)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape


class AttentionBlock(keras.layers.Layer):
    """What `CrossAttend` and `SelfAttend` share: pre-norm attention, residual, pre-norm MLP."""

    def __init__(
        self,
        num_heads=1,
        qk_channels=None,
        v_channels=None,
        widening_factor=1,
        dropout=0.0,
        attention_dropout=0.0,
        gelu="tanh",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.num_heads = num_heads
        self.qk_channels = qk_channels
        self.v_channels = v_channels
        self.widening_factor = widening_factor
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.gelu = gelu

    @property
    def settings(self):
        """What two blocks of a class have in common that differ in their weights alone, a tuple."""
        rates = self.dropout, self.attention_dropout
        widths = self.qk_channels, self.v_channels, self.widening_factor
        return self.num_heads, *widths, *rates, self.gelu, self.dtype_policy.name

    def _build_parts(self, channels, attention_class, **attention_arguments):
        policy = self.dtype_policy
        self.queries_norm = LayerNorm(epsilon=EPSILON, dtype=policy, name="queries_norm")
        self.queries_norm.build((None, None, channels))
        self.attention = attention_class(
            num_heads=self.num_heads,
            qk_channels=self.qk_channels,
            v_channels=self.v_channels,
            dropout=self.attention_dropout,
            dtype=policy,
            name="attention",
            **attention_arguments,
        )
        self.attended_dropout = keras.layers.Dropout(self.dropout, dtype=policy)
        self.mlp_norm = LayerNorm(epsilon=EPSILON, dtype=policy, name="mlp_norm")
        self.mlp_norm.build((None, None, channels))
        self.mlp = MLP(self.widening_factor, self.dropout, self.gelu, dtype=policy, name="mlp")
        self.mlp.build((None, None, channels))

    @property
    def dropouts(self):
        """The block's `keras.layers.Dropout`s, whose rates may be 0."""
        return [self.attention.weights_dropout, self.attended_dropout, self.mlp.output_dropout]

    def _add_mlp(self, x, training):
        """Return `x + mlp(norm(x))`, in rows: see `by_rows`."""
        rows = ops.reshape(x, (-1, x.shape[-1]))
        rows = rows + self.mlp(self.mlp_norm(rows), training=training)
        return ops.reshape(rows, ops.shape(x))


@keras.saving.register_keras_serializable("perceiver_tf")
class SelfAttend(AttentionBlock):
    """Lets the latents exchange what they hold: one layer of the latent transformer.

    h = norm(latents); x = latents + attention(h, h); result = x + mlp(norm(x)).

    Args:
        num_heads, qk_channels, v_channels: see `Attention`.
        widening_factor, gelu: see `MLP`.
        dropout: float in [0, 1), rate on the results of attention and MLP while training.
        attention_dropout: float in [0, 1), rate on the attention weights while training.

    Call arguments:
        latents: `(b, n, channels)`.
        latents_mask: optional bool `(b, n)`, False for latents that are padding.
        training: bool, whether dropout acts.

    Returns:
        `(b, n, channels)`.
    """

    def build(self, latents_shape):
        self._build_parts(latents_shape[-1], Attention)
        self.attention.build(latents_shape, latents_shape)

    def call(self, latents, latents_mask=None, training=None):
        normalised = self.queries_norm(latents)
        attended = self.attention(
            normalised,
            normalised,
            queries_mask=latents_mask,
            inputs_mask=latents_mask,
            training=training,
        )
        return self._add_mlp(latents + self.attended_dropout(attended, training=training), training)

    def compute_output_shape(self, latents_shape):
        return latents_shape
