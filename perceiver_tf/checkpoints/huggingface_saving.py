"""Writing a model as a folder in the format of Hugging Face's transformers."""

import json
import pathlib
import shutil
import tempfile

import numpy as np

from perceiver_tf.checkpoints.errors import CheckpointError
from perceiver_tf.checkpoints.heads import head_of
from perceiver_tf.checkpoints.huggingface import CONFIG, SAFETENSORS
from perceiver_tf.checkpoints.huggingface_config import config_of
from perceiver_tf.checkpoints.huggingface_names import NUM_BATCHES, huggingface_names


def save_huggingface(model, folder, class_names=None):
    """Write model.safetensors and config.json, which transformers' `from_pretrained` takes.

    Args:
        model: functional `keras.Model` of one of the published kinds.
        folder: path of the folder to write; it must not exist yet, or be empty.
        class_names: names of a classifier's classes, which become `id2label`; or None.

    Returns:
        path of the folder.

    Raises:
        CheckpointError: if the model is of another kind, or has a setting that transformers'
            class of this kind has not; or if the folder holds something.
    """
    from safetensors.numpy import save_file

    folder = pathlib.Path(folder).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(
            f"The folder to write must not exist yet, or be empty. Received: {folder}."
        )
    config = config_of(model, class_names)
    tensors = _tensors(model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    workplace = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        save_file(tensors, workplace / SAFETENSORS, metadata={"format": "pt"})
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (workplace / CONFIG).write_text(text, encoding="utf-8")
        workplace.chmod(0o755)
        workplace.replace(folder)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    return folder


def _tensors(model):
    """Return numpy arrays by the names that transformers has for them."""
    head = head_of(model)
    names, tensors = huggingface_names(head), {}
    for variable in model.weights:
        name, layout = names.stored(variable.path)
        array = layout.to_stored(np.asarray(variable).astype("float32", copy=False))
        tensors[name] = np.ascontiguousarray(array)
    if head == "image_conv":
        tensors[NUM_BATCHES] = np.zeros((), "int64")
    return tensors
