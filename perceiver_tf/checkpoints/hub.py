"""Downloading a folder from Hugging Face's hub by its name."""

import pathlib

from perceiver_tf.checkpoints.errors import CheckpointError
from perceiver_tf.checkpoints.huggingface import CONFIG, INDEX, SAFETENSORS, TORCH


def download(name):
    """Return the folder of a model of the hub, downloaded unless it is in the hub's cache.

    Progress is shown by `huggingface_hub`. With HF_HUB_OFFLINE=1 in the environment only the
    cache is looked at.

    Args:
        name: str, "owner/model".

    Returns:
        path of a folder with config.json and the tensors.

    Raises:
        CheckpointError: if there is no such model, or neither a network nor a copy in the cache.
    """
    from huggingface_hub import snapshot_download

    for tensors in (SAFETENSORS, TORCH):
        stem, ending = tensors.split(".")
        index = tensors + INDEX
        for files in ([tensors], [index, f"{stem}-*.{ending}"]):
            folder = _downloaded(snapshot_download, name, [CONFIG, *files])
            if (folder / files[0]).is_file():
                return folder
    raise CheckpointError(
        f"The model {name} on the hub must have {SAFETENSORS} or {TORCH}. Received: neither."
    )


def _downloaded(snapshot_download, name, files):
    try:
        return pathlib.Path(snapshot_download(name, allow_patterns=files))
    except Exception as error:  # of the hub, of the network, of the disk
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{name!r} is neither a file or folder here nor could it be downloaded from the hub "
            f"of Hugging Face: {reason} (Without a network, give a folder or file here.)"
        ) from error
