"""The config.json that transformers needs to build the model that a Keras model is."""

from perceiver_tf.checkpoints.errors import CheckpointError
from perceiver_tf.checkpoints.heads import HEADS, head_of

# transformers' classes of these kinds have the settings of the published models built in.
_GELUS = {"erf": "gelu", "tanh": "gelu_pytorch_tanh"}
_IMAGE_BANDS = 64


def config_of(model, class_names=None):
    """Return the contents of config.json.

    Args:
        model: functional `keras.Model` of one of the published kinds.
        class_names: names of a classifier's classes, or None.

    Raises:
        CheckpointError: if the model has a setting that transformers' class of its kind has not.
    """
    head = head_of(model)
    config = {"architectures": [HEADS[head]], "model_type": "perceiver", "dtype": "float32"}
    config |= _encoder(model) | _SETTINGS[head](model)
    if "num_classes" in config:
        names = class_names or [f"LABEL_{index}" for index in range(config["num_classes"])]
        if len(names) != config.pop("num_classes"):
            raise CheckpointError(
                "`class_names` must hold one name for each class of the model. "
                f"Received: {len(names)} names."
            )
        config["id2label"] = {str(index): str(name) for index, name in enumerate(names)}
        config["label2id"] = {name: int(index) for index, name in config["id2label"].items()}
    return config


def _encoder(model):
    cross_attend = model.get_layer("cross_attend")
    transformer = model.get_layer("latent_transformer")
    self_attend = transformer.self_attends[0]
    _require(transformer.share_blocks or transformer.num_blocks == 1, "blocks that share weights")
    _require(not cross_attend.dropout, "no dropout but on attention weights")
    _require(all(layer.name != "views" for layer in model.layers), "one view of an image")
    num_latents, channels = model.get_layer("latents").latents.shape
    return {
        "num_latents": num_latents,
        "d_latents": channels,
        "num_blocks": transformer.num_blocks,
        "num_self_attends_per_block": transformer.num_self_attends_per_block,
        "num_self_attention_heads": self_attend.num_heads,
        "num_cross_attention_heads": cross_attend.num_heads,
        "self_attention_widening_factor": self_attend.widening_factor,
        "cross_attention_widening_factor": cross_attend.widening_factor,
        "use_query_residual": cross_attend.use_query_residual,
        "attention_probs_dropout_prob": cross_attend.attention_dropout,
        "hidden_act": _GELUS[cross_attend.gelu],
        **_widths(cross_attend.attention, self_attend.attention),
    }


def _widths(cross_attention, self_attention):
    """Cross- and self-attention have one setting in transformers, or follow their inputs."""
    cross, own = _widths_of(cross_attention), _widths_of(self_attention)
    inputs = cross_attention.key.kernel.shape[0]
    channels = self_attention.key.kernel.shape[0]
    if cross == own:
        return {"qk_channels": cross[0], "v_channels": cross[1]}
    for shape_for_attention, width in (("kv", inputs), ("q", channels)):
        if cross == (width, width) and own == (channels, channels):
            return {
                "qk_channels": None,
                "v_channels": None,
                "cross_attention_shape_for_attention": shape_for_attention,
            }
    raise CheckpointError(
        "transformers can only have the same widths of queries and values in cross- and "
        f"self-attention, or those of the inputs. Received: {cross} and {own}."
    )


def _widths_of(attention):
    return attention.query.kernel.shape[-1], attention.value.kernel.shape[-1]


def _decoder(model, num_heads, widths, uses_query_residual):
    """Check the decoder against what is built into transformers' class of this kind."""
    decoder = model.get_layer("decoder")
    if head_of(model) == "multimodal":
        decoder = decoder.cross_attend
    _require(decoder.num_heads == num_heads, f"a decoder of {num_heads} heads")
    _require(decoder.widening_factor == 1, "a decoder of widening factor 1")
    _require(
        _widths_of(decoder.attention) == widths,
        f"a decoder of qk_channels, v_channels = {widths}",
    )
    _require(
        decoder.use_query_residual == uses_query_residual,
        f"use_decoder_query_residual={uses_query_residual}",
    )


def _usual_widths(model):
    """Return the widths of a decoder's attention, which follow its inputs."""
    attends = model.get_layer("cross_attend"), model.get_layer("latent_transformer").self_attends[0]
    widths = _widths(*(attend.attention for attend in attends))
    by_queries = widths.get("cross_attention_shape_for_attention") == "q"
    channels = model.get_layer("latents").latents.shape[-1]
    if by_queries:
        decoder = model.get_layer("decoder")
        decoder = getattr(decoder, "cross_attend", decoder)
        channels = decoder.attention.query.kernel.shape[0]
    return channels, channels


def _classifier(model):
    channels = model.get_layer("latents").latents.shape[-1]
    _decoder(model, 1, _usual_widths(model), True)
    _require(
        model.get_layer("query").latents.shape == (1, channels), "a query as wide as the latents"
    )
    return {"num_classes": model.get_layer("outputs").units}


def _text(model):
    vocabulary_size, channels = model.get_layer("token_embedding").embeddings.shape
    return {
        "vocab_size": vocabulary_size,
        "d_model": channels,
        "max_position_embeddings": model.get_layer("inputs").positions.shape[0],
    }


def _masked_language(model):
    settings = _text(model)
    _decoder(model, 8, (256, settings["d_model"]), False)
    return settings


def _text_classification(model):
    return _text(model) | _classifier(model)


def _image_fourier(model):
    _positions(model, (224, 224))
    _colours(model)
    return {"d_model": _row_width(model)} | _classifier(model)


def _image_learned(model):
    adapter = model.get_layer("inputs")
    height, width, _ = model.input_shape[1:]
    widths = (
        adapter.content_channels,
        adapter.position_channels,
        adapter.projected_position_channels,
    )
    _require(widths == (256, 256, 256), "content and positions of 256 channels")
    _require(height == width, "square images")
    _colours(model)
    return {"image_size": height, "d_model": _row_width(model)} | _classifier(model)


def _image_conv(model):
    adapter = model.get_layer("inputs")
    _positions(model, (56, 56))
    _colours(model)
    _require(adapter.content_channels == 64, "a stem of 64 channels")
    _require(adapter.padding == "symmetric", "the symmetric stem of numerics='huggingface'")
    return {"d_model": _row_width(model)} | _classifier(model)


def _flow(model):
    adapter = model.get_layer("inputs")
    frame_shape = model.input_shape[2:4]
    _positions(model, frame_shape)
    _require(
        (adapter.content_channels, adapter.patch_size) == (64, 3),
        "patches of 3 x 3, projected to 64 channels",
    )
    _require(adapter.cost_volume is None, "no cost volume")
    _decoder(model, 1, _usual_widths(model), False)
    return {"train_size": list(frame_shape), "d_model": _row_width(model)}


def _multimodal(model):
    adapter, decoder = model.get_layer("inputs"), model.get_layer("decoder")
    frames, height, width, _ = adapter.image_shape
    samples = adapter.num_audio_samples
    side = adapter.image_max_resolution[-1]
    published = {
        "image_patch": (1, 4, 4),
        "num_image_bands": 32,
        "image_max_resolution": (frames, side, side),
        "num_audio_bands": 192,
        "audio_max_resolution": samples,
        "min_padding": 4,
        "masked": ("label",),
    }
    for name, value in published.items():
        _require(getattr(adapter, name) == value, f"{name}={value}")
    _require(samples % frames == 0, "as many samples of sound for each frame")
    _require(decoder.image_patch == (1, 1, 1), "one query for each pixel")
    _require(decoder.min_padding == 2, "queries padded by at least 2 channels")
    _decoder(model, 1, _usual_widths(model), False)
    return {
        "num_frames": frames,
        "audio_samples_per_frame": samples // frames,
        "samples_per_patch": adapter.audio_patch,
        "image_size": side,
        "output_shape": [1, frames, height, width],
        "output_num_channels": decoder.output_channels,
        "_label_trainable_num_channels": decoder.label_query_channels,
        "d_model": _row_width(model),
        "num_classes": adapter.num_classes,
    }


def _positions(model, max_resolution):
    positions = model.get_layer("inputs").positions
    _require(
        positions.num_frequency_bands == _IMAGE_BANDS
        and tuple(positions.max_resolution) == tuple(max_resolution),
        f"{_IMAGE_BANDS} bands and max_resolution={tuple(max_resolution)}",
    )


def _colours(model):
    _require(model.input_shape[-1] == 3, "images of 3 channels")


def _row_width(model):
    return model.get_layer("cross_attend").attention.key.kernel.shape[0]


def _require(holds, requirement):
    if not holds:
        raise CheckpointError(
            f"transformers' model of this kind has {requirement}. Received: another model."
        )


_SETTINGS = {
    "masked_language": _masked_language,
    "text_classification": _text_classification,
    "image_fourier": _image_fourier,
    "image_learned": _image_learned,
    "image_conv": _image_conv,
    "flow": _flow,
    "multimodal": _multimodal,
}
