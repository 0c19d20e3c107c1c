"""Giving a model the tensors of a checkpoint: each exactly once, or none at all."""

import math

import numpy as np

from perceiver_tf.checkpoints.errors import CheckpointError
from perceiver_tf.checkpoints.heads import head_of
from perceiver_tf.checkpoints.sources import open_checkpoint

_SHOWN = 4  # of the tensors that do not fit, how many an error names


def load_checkpoint(model, source, report=None):
    """Give a model the weights of a published checkpoint.

    Every tensor is used exactly once. If one is missing, left over or of another shape, nothing
    is changed.

    Args:
        model: functional `keras.Model` of Perceiver IO, as the zoo's builders make it.
        source: see `open_checkpoint`.
        report: see `assign`.

    Raises:
        CheckpointError: see `open_checkpoint` and `assign`.
    """
    assign(model, open_checkpoint(source), report)


def assign(model, checkpoint, report=None, new=""):
    """Give a model the weights of an opened checkpoint.

    Args:
        model: see `load_checkpoint`.
        checkpoint: `Checkpoint`.
        report: function of (bytes read, bytes in all), called after each tensor.
        new: str, the beginning of the paths of variables that keep their values, such as those of
            a head for other classes; their tensors must be there and are not read. "": none.

    Raises:
        CheckpointError: if the model is of another kind, or a tensor is missing, left over, of
            another shape, or not of floating-point numbers.
    """
    head = head_of(model)
    if head != checkpoint.head:
        raise CheckpointError(
            f"The checkpoint must be of the same kind as the model, {head}. "
            f"Received: {checkpoint.source}, a checkpoint of {checkpoint.head}."
        )
    pairs = pair(model.weights, checkpoint, new)
    sizes = [4 * math.prod(variable.shape) for variable, _, _ in pairs]
    done = 0
    for (variable, name, layout), size in zip(pairs, sizes, strict=True):
        array = checkpoint.read(name)
        if not np.issubdtype(array.dtype, np.floating) and array.dtype.name != "bfloat16":
            raise CheckpointError(
                f"The tensors of {checkpoint.source} must hold floating-point numbers. "
                f"Received: {name!r} of {array.dtype}."
            )
        variable.assign(layout.from_stored(array).astype(variable.dtype, copy=False))
        done += size
        if report is not None:
            report(done, sum(sizes))


def pair(variables, checkpoint, new=""):
    """Return which tensor belongs to each variable.

    Args:
        variables: list of `keras.Variable`, or of anything with `path` and `shape`.
        checkpoint: `Checkpoint`; its tensors are not read.
        new: see `assign`.

    Returns:
        list of (variable, name of the tensor, `Layout`), without the variables that are new.

    Raises:
        CheckpointError: if the tensors are not exactly those of the variables. It names them.
    """
    pairs, wrong = [], []
    left_over = set(checkpoint.shapes) - set(checkpoint.names.unread)
    for variable in variables:
        name, layout = checkpoint.names.stored(variable.path)
        wanted = layout.stored_shape(variable.shape)
        if new and variable.path.startswith(new) and name in checkpoint.shapes:
            left_over.discard(name)
            continue
        if name not in checkpoint.shapes:
            wrong.append(f"no {name!r} of shape {wanted}")
        elif checkpoint.shapes[name] != wanted:
            wrong.append(f"{name!r} of shape {checkpoint.shapes[name]}, not {wanted}")
        left_over.discard(name)
        pairs.append((variable, name, layout))
    wrong += [
        f"{name!r} of shape {checkpoint.shapes[name]}, which the model has not"
        for name in sorted(left_over)
    ]
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise CheckpointError(
            f"The checkpoint {checkpoint.source} must hold exactly the tensors of the model. "
            f"Received: {'; '.join(wrong[:_SHOWN])}{more}."
        )
    return pairs
