"""Where DeepMind's released code and Hugging Face's mirror of it differ, and which one to follow.

The published weights give the published outputs only under the numerics that they were trained
or mirrored with. This module loads neither Keras nor TensorFlow.
"""

import dataclasses

from perceiver_tf.models.configs import PerceiverIOConfig

NUMERICS = ("deepmind", "huggingface")


def architecture_of(config):
    """Return the architecture of a configuration under its numerics.

    Under "huggingface" the gelu is exact ("erf"), and the decoder of the ImageNet model with
    learned positions adds its query to what it reads.

    Args:
        config: configuration of a named model. Those without `numerics` are of models without
            published weights: they compute as DeepMind's code does.

    Returns:
        `config.architecture`, with some fields replaced.
    """
    if getattr(config, "numerics", "deepmind") == "deepmind":
        return config.architecture
    changes = {"gelu": "erf"}
    learned = getattr(config, "positions", None) == "learned"
    if learned and isinstance(config.architecture, PerceiverIOConfig):
        changes["use_decoder_query_residual"] = True
    return dataclasses.replace(config.architecture, **changes)


def check_numerics(numerics):
    """Check the field `numerics` of a configuration.

    Raises:
        ValueError: if it is not one of `NUMERICS`.
    """
    if numerics not in NUMERICS:
        raise ValueError(f"`numerics` must be one of {NUMERICS}. Received: numerics={numerics!r}.")
