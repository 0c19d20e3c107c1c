"""The layers that both models build from a configuration."""

from perceiver_tf.layers.blocks import CrossAttend
from perceiver_tf.layers.latent_transformer import LatentTransformer


def cross_attend(config, name):
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
        name=name,
    )


def latent_transformer(config, name, share_blocks=True):
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
        name=name,
    )
