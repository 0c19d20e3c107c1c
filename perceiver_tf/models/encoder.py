"""What both models make of a configuration: its completion, and the encoder's layers."""

import dataclasses

from perceiver_tf.layers.cross_attend import CrossAttend
from perceiver_tf.layers.latent_transformer import LatentTransformer


def configured(config_class, config, overrides):
    """Return a configuration of that class with some fields replaced.

    Args:
        config_class: `PerceiverConfig` or `PerceiverIOConfig`.
        config: one of these, or None for the defaults.
        overrides: dict of fields.

    Raises:
        TypeError: if `config` is of another class or there is no such field.
        ValueError: if a field has an invalid value.
    """
    config = config_class() if config is None else config
    if not isinstance(config, config_class):
        raise TypeError(
            f"`config` must be a {config_class.__name__}. Received: {type(config).__name__}."
        )
    return dataclasses.replace(config, **overrides)


def cross_attend(config, name, dtype=None):
    """Return a cross-attend of the encoder as `config` (an `EncoderConfig`) has it."""
    return CrossAttend(
        num_heads=config.num_cross_attention_heads,
        qk_channels=config.cross_attention_qk_channels,
        v_channels=config.cross_attention_v_channels,
        widening_factor=config.cross_attention_widening_factor,
        use_query_residual=config.use_query_residual,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        gelu=config.gelu,
        implementation=config.cross_attention_implementation,
        dtype=dtype,
        name=name,
    )


def latent_transformer(config, name, share_blocks=True, dtype=None):
    """Return a latent transformer as `config` (an `EncoderConfig`) has it."""
    return LatentTransformer(
        num_self_attends_per_block=config.num_self_attends_per_block,
        num_blocks=config.num_blocks,
        share_blocks=share_blocks,
        num_heads=config.num_self_attention_heads,
        qk_channels=config.self_attention_qk_channels,
        v_channels=config.self_attention_v_channels,
        widening_factor=config.self_attention_widening_factor,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        gelu=config.gelu,
        rematerialise=config.rematerialise,
        dtype=dtype,
        name=name,
    )
