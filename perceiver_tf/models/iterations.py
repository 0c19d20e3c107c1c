"""The iterations of the original Perceiver: a cross-attend and the latent transformer each."""

import dataclasses

import keras

from perceiver_tf.layers.cross_attend import CrossAttend
from perceiver_tf.layers.rematerialised import rematerialise
from perceiver_tf.layers.steps import Step, call_in_turn
from perceiver_tf.layers.streaming import as_tensor
from perceiver_tf.models import encoder
from perceiver_tf.models.configs import PerceiverConfig


def iterations(config, dtype=None):
    """Return the (cross-attend, latent transformer) of each iteration, shared as configured.

    Args:
        config: `PerceiverConfig`.
        dtype: dtype policy of the layers; None: the global one.
    """
    unshared = config.sharing == "none"
    own_cross_attends = {"all": 1, "all_but_first_cross_attend": 2, "none": None}[config.sharing]
    cross_attends, transformers = [], []
    for index in range(config.num_cross_attends):
        if own_cross_attends is None or index < own_cross_attends:
            cross_attends.append(encoder.cross_attend(config, f"cross_attend_{index}", dtype))
        if unshared or index == 0:
            transformers.append(
                encoder.latent_transformer(
                    config,
                    f"latent_transformer_{index}",
                    share_blocks=not unshared,
                    dtype=dtype,
                )
            )
    return [
        (
            cross_attends[min(index, len(cross_attends) - 1)],
            transformers[min(index, len(transformers) - 1)],
        )
        for index in range(config.num_cross_attends)
    ]


@keras.saving.register_keras_serializable("perceiver_tf")
class Iterations(keras.layers.Layer):
    """All iterations of a Perceiver as one layer, whose training step computes blocks again.

    Args:
        config: `PerceiverConfig`, or a dict of its fields.

    Call arguments:
        latents: `(b, n, channels)`.
        inputs: a byte array, see `perceiver_tf.layers.byte_array`.
        inputs_mask: optional bool `(b, m)`.
        training: bool, whether dropout acts and blocks are rematerialised.

    Returns:
        `(b, n, channels)`.
    """

    def __init__(self, config, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.config = PerceiverConfig(**config) if isinstance(config, dict) else config
        pairs = iterations(self.config, self.dtype_policy)
        self.blocks = list(dict.fromkeys(block for pair in pairs for block in pair))
        self._order = [tuple(map(self.blocks.index, pair)) for pair in pairs]

    def build(self, latents_shape, inputs_shape):
        for block in self.blocks:
            reads = isinstance(block, CrossAttend)
            block.build(latents_shape, *([inputs_shape] if reads else []))

    def call(self, latents, inputs, inputs_mask=None, training=None):
        inputs = keras.tree.map_structure(as_tensor, inputs)  # once, for all cross-attends
        steps, reads = [], {"inputs": inputs, "inputs_mask": inputs_mask}
        for cross_attend, latent_transformer in self._order:
            steps.append(Step(self.blocks[cross_attend], reads))
            steps += self.blocks[latent_transformer].steps()
        return rematerialise(steps, latents) if training else call_in_turn(steps, latents)

    def compute_output_spec(self, latents, inputs, **kwargs):
        return keras.KerasTensor(latents.shape, self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "config": dataclasses.asdict(self.config)}
