"""Opening a folder in the format of Hugging Face's transformers."""

import json
import pathlib

from perceiver_tf.checkpoints.checkpoint import Checkpoint
from perceiver_tf.checkpoints.errors import CheckpointError
from perceiver_tf.checkpoints.heads import HEADS
from perceiver_tf.checkpoints.huggingface_names import huggingface_names
from perceiver_tf.checkpoints.shards import open_shards
from perceiver_tf.checkpoints.torch_files import open_torch

CONFIG, SAFETENSORS, TORCH = "config.json", "model.safetensors", "pytorch_model.bin"
INDEX = ".index.json"  # follows the name of a file of tensors that is in several parts


def open_huggingface(path, source=None):
    """Open a folder with config.json and model.safetensors or pytorch_model.bin.

    Either may be in several files with an index, as transformers writes large models.

    Args:
        path: path of the folder, or of one of the two files of tensors in it.
        source: str, what the user called it; None: the path.

    Returns:
        `Checkpoint`.

    Raises:
        CheckpointError: if a file is missing or damaged, or the folder is of another model.
    """
    path = pathlib.Path(path)
    source = str(path) if source is None else source
    folder, file = (path, None) if path.is_dir() else (path.parent, path)
    config = _read_config(folder, source)
    head = _head(config, source)
    file = file or _tensors_file(folder, source)
    shapes, read = _open_tensors(file)
    return Checkpoint(
        source=source,
        format="huggingface",
        head=head,
        names=huggingface_names(head),
        shapes=shapes,
        read=read,
        config=config,
    )


def _open_tensors(file):
    name = file.name.removesuffix(INDEX)
    open_file = open_safetensors if name.endswith(".safetensors") else open_torch
    return open_file(file) if name == file.name else open_shards(file, open_file)


def open_safetensors(path):
    """Open a `.safetensors` file.

    Returns:
        (shapes, read), see `open_torch`.

    Raises:
        CheckpointError: if it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        file = safe_open(path, framework="numpy")
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} is truncated, damaged or no safetensors file: {error}"
        ) from error
    return shapes, file.get_tensor


def _read_config(folder, source):
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{source} must be a folder with a {CONFIG} beside the tensors, as transformers writes "
            f"it. Received: no {folder / CONFIG}."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{folder / CONFIG} must hold a JSON object.")
    return config


def _head(config, source):
    architectures = config.get("architectures") or []
    for head, architecture in HEADS.items():
        if architecture in architectures:
            return head
    named = ", ".join(map(str, architectures)) or f"model_type {config.get('model_type')!r}"
    raise CheckpointError(
        f"{source} must hold one of {', '.join(HEADS.values())}. Received: {named}."
    )


def _tensors_file(folder, source):
    for name in (SAFETENSORS, SAFETENSORS + INDEX, TORCH, TORCH + INDEX):
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(
        f"{source} must hold {SAFETENSORS} or {TORCH}. Received: a folder with neither."
    )
