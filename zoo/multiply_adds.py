"""The multiply-adds of one forward of an image classifier, counted from its configuration."""

import keras

from perceiver_tf.layers import cross_attention
from perceiver_tf.models.configs import PerceiverIOConfig
from zoo.image_models import image_adapter


def forward_multiply_adds(config):
    """Return the multiply-adds of the matrix products of one forward, per image, as executed.

    Convolutions and projections of the adapter, of which the cross-attends know nothing, are
    not counted: they are below a hundredth of the whole.

    Args:
        config: `zoo.configs.ImageClassifierConfig`.

    Returns:
        int.
    """
    encoder = config.architecture
    rows = image_adapter(config)(keras.Input(config.image_shape))
    passes = encoder.num_blocks * encoder.num_self_attends_per_block
    if isinstance(encoder, PerceiverIOConfig):
        iterations, decoder = 1, _decoder(encoder)
    else:
        iterations, decoder = encoder.num_cross_attends, 0
    once = _cross_attend(encoder, rows) + passes * _self_attend(encoder)
    return iterations * once + decoder + encoder.latent_channels * config.num_classes


def _cross_attend(encoder, rows):
    """Return the count of one block in which the latents read the rows."""
    channels, num_latents = encoder.latent_channels, encoder.num_latents
    row_channels = rows["content"].shape[-1]
    tables = [*rows.get("axes", ()), *([rows["positions"]] if "positions" in rows else [])]
    row_channels += sum(table.shape[-1] for table in tables)
    qk_channels = encoder.cross_attention_qk_channels or min(channels, row_channels)
    v_channels = encoder.cross_attention_v_channels or qk_channels
    counts = cross_attention.multiply_adds(
        rows, num_latents, encoder.num_cross_attention_heads, qk_channels + v_channels
    )
    implementation = encoder.cross_attention_implementation
    reading = min(counts.values()) if implementation == "auto" else counts[implementation]
    around = num_latents * channels * (qk_channels + v_channels)
    return reading + around + _mlp(num_latents, channels, encoder.cross_attention_widening_factor)


def _self_attend(encoder):
    """Return the count of one layer of the latent transformer."""
    channels, num_latents = encoder.latent_channels, encoder.num_latents
    qk_channels = encoder.self_attention_qk_channels or channels
    v_channels = encoder.self_attention_v_channels or qk_channels
    projections = 2 * num_latents * channels * (qk_channels + v_channels)
    reading = num_latents**2 * (qk_channels + v_channels)
    widening = encoder.self_attention_widening_factor
    return projections + reading + _mlp(num_latents, channels, widening)


def _decoder(encoder):
    """Return the count of the block in which one query reads the latents."""
    channels, num_latents = encoder.latent_channels, encoder.num_latents
    qk_channels = encoder.decoder_qk_channels or channels
    v_channels = encoder.decoder_v_channels or qk_channels
    projected = num_latents * channels + channels + num_latents
    return projected * (qk_channels + v_channels) + _mlp(
        1, channels, encoder.decoder_widening_factor
    )


def _mlp(rows, channels, widening_factor):
    return 2 * rows * channels**2 * widening_factor
