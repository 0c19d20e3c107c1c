"""Opening the pickles (`.pystate`, `.pickle`) that DeepMind released."""

import numpy as np

from perceiver_tf.checkpoints.checkpoint import Checkpoint
from perceiver_tf.checkpoints.deepmind_names import DECODERS, deepmind_names
from perceiver_tf.checkpoints.errors import CheckpointError
from perceiver_tf.checkpoints.pickles import load_arrays

# A tensor that only this head has; the first that is there tells the head.
_TELLING = {
    "multimodal": "multimodal_preprocessor/audio_padding/pos_embs",
    "masked_language": "embed/embeddings",
    "flow": "image_preprocessor/patches_linear/w",
    "image_conv": "image_preprocessor/~/conv2_d_downsample/~/conv/w",
    "image_learned": "image_preprocessor/~/conv2_d/w",
    "image_fourier": "classification_decoder/~/basic_decoder/output/w",
}


def open_deepmind(path):
    """Open a pickle of parameters (and state) as Haiku has them.

    Args:
        path: path of a pickle of a mapping module -> name -> array, or of one with `params` and
            `state`, two such mappings.

    Returns:
        `Checkpoint`.

    Raises:
        CheckpointError: if the file is damaged, holds anything else or another model.
    """
    tree = load_arrays(path)
    if not isinstance(tree, dict):
        raise CheckpointError(
            f"{path} must hold a mapping of parameters. Received: {type(tree).__name__}."
        )
    parts = [tree["params"], tree.get("state") or {}] if "params" in tree else [tree]
    arrays = {}
    for part in parts:
        arrays.update(_flat(part, path))
    return checkpoint_of_arrays(arrays, str(path))


def checkpoint_of_arrays(arrays, source):
    """Return the `Checkpoint` of arrays (or of anything with a shape) by `module/name`.

    Raises:
        CheckpointError: if they are of no known model.
    """
    head = deepmind_head(arrays, source)
    return Checkpoint(
        source=source,
        format="deepmind",
        head=head,
        names=deepmind_names(head),
        shapes={name: tuple(array.shape) for name, array in arrays.items()},
        read=arrays.__getitem__,
    )


def deepmind_head(names, source):
    """Return the head, one of `heads.HEADS`, that has tensors of these names."""
    for head, name in _TELLING.items():
        if name in names:
            return head
    shown = ", ".join(sorted(names)[:3]) or "nothing"
    raise CheckpointError(
        f"{source} must hold the parameters of one of DeepMind's Perceiver IO models "
        f"({', '.join(DECODERS)}). Received: {shown}, ..."
    )


def _flat(tree, path, prefix=""):
    """Return arrays by `module/name`."""
    if not isinstance(tree, dict):
        if isinstance(tree, (np.ndarray, np.generic)) and not np.asarray(tree).dtype.hasobject:
            return {prefix: np.asarray(tree)}
        raise CheckpointError(
            f"{path} must hold numpy arrays in mappings. Received: {prefix!r} of type "
            f"{type(tree).__name__}."
        )
    arrays = {}
    for key, value in tree.items():
        arrays.update(_flat(value, path, f"{prefix}/{key}" if prefix else str(key)))
    return arrays
