"""From the config.json of transformers to fields of the zoo's configurations."""

import re
from contextlib import contextmanager

from perceiver_tf.checkpoints.errors import CheckpointError

# transformers leaves settings at these values out of the file.
_DEFAULTS = {
    "num_blocks": 1,
    "num_self_attention_heads": 8,
    "num_cross_attention_heads": 8,
    "use_query_residual": True,
    "hidden_act": "gelu",
    "image_size": 56,
    "train_size": (368, 496),
    "num_frames": 16,
    "audio_samples_per_frame": 1920,
    "output_shape": (1, 16, 224, 224),
}
# What transformers' class of each kind has built in.
_ONE_HEAD = {"num_decoder_heads": 1}
_BUILT_IN = {
    "masked_language": {"num_decoder_heads": 8, "use_decoder_query_residual": False},
    "text_classification": {**_ONE_HEAD, "use_decoder_query_residual": True},
    "image_learned": _ONE_HEAD,  # its residual is one of the numerics
    "image_fourier": {**_ONE_HEAD, "use_decoder_query_residual": True},
    "image_conv": {**_ONE_HEAD, "use_decoder_query_residual": True},
    "flow": {**_ONE_HEAD, "use_decoder_query_residual": False, "patch_size": 3},
    "multimodal": {
        **_ONE_HEAD,
        "use_decoder_query_residual": False,
        "image_patch": (1, 4, 4),
        "image_output_patch": (1, 1, 1),
        "num_image_bands": 32,
        "num_audio_bands": 192,
        "min_input_padding": 4,
        "min_query_padding": 2,
        "masked": ("label",),
    },
}
_TANH_GELUS = ("gelu_pytorch_tanh", "gelu_new", "gelu_fast")
_NUMBERED = re.compile(r"LABEL_\d+")


def huggingface_numerics(checkpoint) -> str:
    """Returns the numerics of a checkpoint of transformers', told by its gelu.

    Models with DeepMind's numerics are written with the approximated gelu.

    Args:
        checkpoint: `perceiver_tf.checkpoints.checkpoint.Checkpoint`.

    Raises:
        CheckpointError: if its activation is none of the two.
    """
    activation = _value(checkpoint, "hidden_act")
    if activation == "gelu":
        return "huggingface"
    if activation in _TANH_GELUS and checkpoint.head not in ("image_learned", "image_conv"):
        return "deepmind"
    raise CheckpointError(
        f"{checkpoint.source} must have hidden_act 'gelu'. Received: hidden_act={activation!r}."
    )


def huggingface_settings(checkpoint):
    """Returns the fields of the configuration that only config.json tells.

    Returns:
        dict of fields of `PerceiverIOConfig` and of the configuration around it.

    Raises:
        CheckpointError: if a field has another form.
    """
    settings = {
        field: _value(checkpoint, field)
        for field in ("num_blocks", "num_self_attention_heads", "num_cross_attention_heads")
    }
    settings["use_query_residual"] = bool(_value(checkpoint, "use_query_residual"))
    settings |= _BUILT_IN[checkpoint.head]
    with _damage(checkpoint):
        if checkpoint.head == "flow":
            settings["frame_shape"] = tuple(_value(checkpoint, "train_size"))
        if checkpoint.head == "multimodal":
            settings |= _clip(checkpoint)
    return settings


def class_names(checkpoint, num_classes) -> tuple[str, ...] | None:
    """Returns the names of the classes in `id2label`, or None where they are only numbered.

    Raises:
        CheckpointError: if `id2label` does not name as many classes as the model has.
    """
    labels = checkpoint.config.get("id2label") or {}
    with _damage(checkpoint):
        names = tuple(str(labels[index]) for index in sorted(labels, key=int))
    if all(_NUMBERED.fullmatch(name) for name in names):
        return None
    if len(names) != num_classes:
        raise CheckpointError(
            f"The config.json of {checkpoint.source} must name {num_classes} classes. "
            f"Received: id2label of {len(names)}."
        )
    return names


@contextmanager
def _damage(checkpoint):
    """Makes what goes wrong with values of other types one clear error."""
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"The config.json of {checkpoint.source} has a field of the wrong form: {error}"
        ) from error


def _clip(checkpoint):
    frames, samples = (
        _value(checkpoint, "num_frames"),
        _value(checkpoint, "audio_samples_per_frame"),
    )
    side = _value(checkpoint, "image_size")
    height, width = _value(checkpoint, "output_shape")[2:]
    return {
        "image_shape": (frames, height, width, 3),
        "num_audio_samples": frames * samples,
        "image_max_resolution": (frames, side, side),
        "audio_max_resolution": frames * samples,
    }


def _value(checkpoint, field):
    return checkpoint.config.get(field, _DEFAULTS[field])
