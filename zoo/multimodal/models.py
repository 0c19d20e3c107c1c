"""From the configuration of an autoencoder of clips to its model."""

import keras

from perceiver_tf.layers.clip_decoder import ClipDecoder
from perceiver_tf.layers.clip_inputs import ClipInputs
from perceiver_tf.layers.latents import LatentArray
from perceiver_tf.models import encoder
from zoo.numerics import architecture_of


def multimodal_autoencoder(config, name="multimodal_autoencoder"):
    """Return the model of a `MultimodalAutoencoderConfig`.

    Args:
        config: `MultimodalAutoencoderConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model`. Its inputs, a dict of what `config.masked` does not name:
        float32 `audio` `(b, num_audio_samples, 1)` in [-1, 1], `image`
        `(b, frames, height, width, channels)` in [0, 1] and `label` `(b, num_classes)` one-hot;
        and, where `config` says how many, int32 `audio_points` and `image_points` `(b, n)`, the
        numbers of the patches to decode. Its outputs, a dict of float32 `audio`, `image` and
        `label` (logits) in the shapes of the inputs, or of points, see `perceiver_tf.ClipDecoder`.
    """
    architecture = architecture_of(config)
    inputs = _inputs(config)
    seen = {name: x for name, x in inputs.items() if not name.endswith("_points")}
    latents = LatentArray(
        architecture.num_latents,
        architecture.latent_channels,
        architecture.latent_init_scale,
        name="latents",
    )(seen)
    latents = encoder.cross_attend(architecture, "cross_attend")(latents, _adapter(config)(seen))
    latents = encoder.latent_transformer(architecture, "latent_transformer")(latents)
    points = {name: x for name, x in inputs.items() if name.endswith("_points")}
    return keras.Model(inputs, _decoder(config, architecture)(latents, **points), name=name)


def reconstructor(model):
    """Return the model that decodes whole clips, whatever `model` decodes.

    Args:
        model: what `multimodal_autoencoder` returns.

    Returns:
        functional `keras.Model` of the same layers and weights, without inputs for points.
    """
    inputs = {name: x for name, x in model.input.items() if not name.endswith("_points")}
    if len(inputs) == len(model.input):
        return model
    latents = model.get_layer("latent_transformer").output
    return keras.Model(inputs, model.get_layer("decoder")(latents), name=model.name)


def _inputs(config):
    shapes = {
        "audio": (config.num_audio_samples, 1),
        "image": config.image_shape,
        "label": (config.num_classes,),
    }
    inputs = {
        name: keras.Input(shape, name=name)
        for name, shape in shapes.items()
        if name not in config.masked
    }
    for name, count in (
        ("audio_points", config.num_audio_points),
        ("image_points", config.num_image_points),
    ):
        if count is not None:
            inputs[name] = keras.Input((None,), dtype="int32", name=name)
    return inputs


def _adapter(config):
    return ClipInputs(
        config.image_shape,
        config.num_audio_samples,
        config.num_classes,
        config.image_patch,
        config.audio_patch,
        config.num_image_bands,
        config.image_max_resolution,
        config.num_audio_bands,
        config.audio_max_resolution,
        config.min_input_padding,
        config.masked,
        name="inputs",
    )


def _decoder(config, architecture):
    return ClipDecoder(
        config.image_shape,
        config.num_audio_samples,
        config.num_classes,
        config.image_output_patch,
        config.audio_patch,
        config.num_image_bands,
        config.image_max_resolution,
        config.num_audio_bands,
        config.audio_max_resolution,
        config.label_query_channels,
        config.min_query_padding,
        config.output_channels,
        num_heads=architecture.num_decoder_heads,
        qk_channels=architecture.decoder_qk_channels,
        v_channels=architecture.decoder_v_channels,
        widening_factor=architecture.decoder_widening_factor,
        use_query_residual=architecture.use_decoder_query_residual,
        dropout=architecture.dropout,
        attention_dropout=architecture.attention_dropout,
        gelu=architecture.gelu,
        name="decoder",
    )
