"""The latent transformer (arXiv:2103.03206 section 3.1)."""

import keras

from perceiver_tf.layers.blocks import SelfAttend
from perceiver_tf.layers.rematerialised import rematerialise
from perceiver_tf.layers.steps import Step, call_in_turn


@keras.saving.register_keras_serializable("perceiver_tf")
class LatentTransformer(keras.layers.Layer):
    """Refines the latents by a stack of self-attends, passed through `num_blocks` times.

    Args:
        num_self_attends_per_block: int, layers in the stack.
        num_blocks: int, passes through the stack.
        share_blocks: bool. True: every pass uses the same weights, as in both papers. False:
            every pass has its own.
        num_heads, qk_channels, v_channels, widening_factor, dropout, attention_dropout, gelu:
            of each layer, see `SelfAttend`. Widths default to that of the latents.
        rematerialise: bool. True: the backward pass computes each layer again instead of keeping
            what it made, see `perceiver_tf.layers.rematerialised`; without effect where TensorFlow
            runs eagerly.

    Call arguments:
        latents: `(b, n, channels)`.
        latents_mask: optional bool `(b, n)`.
        training: bool, whether dropout acts.

    Returns:
        `(b, n, channels)`.

    Raises:
        ValueError: if the latents' width is not divisible by `num_heads`.
    """

    def __init__(
        self,
        num_self_attends_per_block=6,
        num_blocks=1,
        share_blocks=True,
        num_heads=8,
        qk_channels=None,
        v_channels=None,
        widening_factor=1,
        dropout=0.0,
        attention_dropout=0.0,
        gelu="tanh",
        rematerialise=False,
        **kwargs,
    ):
        # The layers cast their weights themselves: read for all of them, they stay in float32.
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        self.num_self_attends_per_block = num_self_attends_per_block
        self.num_blocks = num_blocks
        self.share_blocks = share_blocks
        self.rematerialise = rematerialise
        num_stacks = 1 if share_blocks else num_blocks
        self.self_attends = [
            SelfAttend(
                num_heads=num_heads,
                qk_channels=qk_channels,
                v_channels=v_channels,
                widening_factor=widening_factor,
                dropout=dropout,
                attention_dropout=attention_dropout,
                gelu=gelu,
                dtype=self.dtype_policy,
                name=f"self_attend_{index}",
            )
            for index in range(num_stacks * num_self_attends_per_block)
        ]

    def build(self, latents_shape):
        for self_attend in self.self_attends:
            self_attend.build(latents_shape)

    def call(self, latents, latents_mask=None, training=None):
        steps = self.steps(latents_mask)
        if self.rematerialise and training:
            return rematerialise(steps, latents)
        return call_in_turn(steps, latents, training)

    def steps(self, latents_mask=None):
        """Return the `steps.Step`s of all passes."""
        passes = self.num_blocks if self.share_blocks else 1
        return [Step(layer, {"latents_mask": latents_mask}) for layer in self.self_attends * passes]

    def compute_output_shape(self, latents_shape):
        return latents_shape
