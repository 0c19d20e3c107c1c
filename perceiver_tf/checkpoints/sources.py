"""From what a user names, a path or a model of the hub, to an opened checkpoint."""

import pathlib
import re

from perceiver_tf.checkpoints import hub
from perceiver_tf.checkpoints.deepmind import open_deepmind
from perceiver_tf.checkpoints.errors import CheckpointError
from perceiver_tf.checkpoints.huggingface import INDEX, open_huggingface

_KERAS = (".keras", ".h5")
_HUGGINGFACE = (".safetensors", ".bin", ".pt", INDEX)
_DEEPMIND = (".pystate", ".pickle", ".pkl")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_checkpoint(source):
    """Return whether weights are to be converted: they are no Keras file.

    Args:
        source: str or path.
    """
    return pathlib.Path(source).suffix not in _KERAS


def open_checkpoint(source):
    """Open a checkpoint; the tensors of a file of Hugging Face's are read only when asked for.

    Args:
        source: str or path: a folder as transformers writes it or its file of tensors, a pickle
            of DeepMind's (`.pystate`, `.pickle`, `.pkl`), or a name on the hub, such as
            "deepmind/vision-perceiver-fourier", which is downloaded.

    Returns:
        `Checkpoint`.

    Raises:
        CheckpointError: if there is no such thing, or it is damaged, refused or unknown.
    """
    path = pathlib.Path(source).expanduser()
    if path.is_dir():
        return open_huggingface(path)
    if path.is_file():
        if path.name.endswith(_HUGGINGFACE):
            return open_huggingface(path)
        if path.suffix in _DEEPMIND:
            return open_deepmind(path)
        known = ", ".join((*_HUGGINGFACE, *_DEEPMIND))
        raise CheckpointError(
            f"A checkpoint must be a folder, or a file with one of the endings {known}. "
            f"Received: {source}."
        )
    if _HUB_NAME.fullmatch(str(source)) and not str(source).endswith((*_HUGGINGFACE, *_DEEPMIND)):
        return open_huggingface(hub.download(str(source)), str(source))
    raise CheckpointError(
        "A checkpoint must be a folder, a file or a name on the hub, such as "
        f"deepmind/vision-perceiver-fourier. Received: {source}, which does not exist."
    )
