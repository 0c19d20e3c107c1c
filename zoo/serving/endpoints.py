"""A model ready for use, wherever it is: a run, a SavedModel, a model file or in this process."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from zoo.errors import ZooError, reason_of
from zoo.records.run_folder import RUN_FILE
from zoo.serving.model_file import load_model_file
from zoo.serving.saved_model import SAVED_MODEL_FILE, served_model
from zoo.serving.trained_runs import load_run
from zoo.task import Task
from zoo.tasks import task_of, task_with_signature


@dataclass(frozen=True)
class ReadyModel:
    """What `open_endpoints` returns.

    Attributes:
        task: `zoo.task.Task`.
        endpoints: dict from the name of a signature to a callable that takes tensors by keyword
            and returns a dict of tensors.
    """

    task: Task
    endpoints: dict[str, Callable]


def open_endpoints(path: str | os.PathLike, changes: dict | None = None) -> ReadyModel:
    """Opens a run folder, a SavedModel or a `.keras` file of `perceiver-zoo convert`.

    Args:
        path: where it is.
        changes: see `zoo.serving.trained_runs.load_run`; a SavedModel takes none.

    Raises:
        ZooError: if `path` is none of these, or cannot be read, or `changes` has fields that
            cannot be changed.
    """
    path = Path(path).expanduser()
    if (path / SAVED_MODEL_FILE).is_file():
        if changes:
            raise ZooError(
                "A SavedModel predicts as it was exported: change the run, and export it again. "
                f"Received: {path} and {', '.join(changes)}."
            )
        return _from_saved_model(path)
    if (path / RUN_FILE).is_file():
        entry, run = load_run(path, with_data=False, changes=changes)
        return ReadyModel(task_of(entry.config), endpoints_of(entry, run["class_names"]))
    if path.suffix == ".keras" and path.is_file():
        entry, class_names = load_model_file(path, changes)
        return ReadyModel(task_of(entry.config), endpoints_of(entry, class_names))
    found = "" if path.is_dir() else ", which is not a folder" if path.exists() else ", not found"
    raise ZooError(
        f"The model must be a run folder (with {RUN_FILE}), a SavedModel (with "
        f"{SAVED_MODEL_FILE}) or a .keras file. Received: {path}{found}"
    )


def endpoints_of(entry, class_names=None) -> dict[str, Callable]:
    """Returns what an export of the entry would serve, to be called in this process.

    Args:
        entry: `zoo.entry.Entry`.
        class_names: the labels in the order of the logits; the entry's own by default.

    Returns:
        dict from the name of a signature to a callable that takes its arguments by keyword and
        returns a dict of tensors.

    Example:

    >>> served = zoo.endpoints_of(zoo.build("perceiver_io_flow"))
    >>> served["flow"](first=frames[:1], second=frames[1:])["flow"]
    """
    served = served_model(entry, class_names=class_names)
    return {
        name: _by_keyword(function, specs) for name, (function, specs) in served.endpoints().items()
    }


def _by_keyword(function, specs):
    compiled = tf.function(function, input_signature=specs, autograph=False)

    def call(**tensors):
        missing = [spec.name for spec in specs if spec.name not in tensors]
        if missing:
            raise TypeError(f"The endpoint must get {', '.join(missing)}. Received: {[*tensors]}.")
        return compiled(*(tf.convert_to_tensor(tensors[s.name], s.dtype) for s in specs))

    return call


def _from_saved_model(path: Path) -> ReadyModel:
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ZooError(f"The SavedModel {path} cannot be read: {reason_of(error)}") from error
    task = task_with_signature(loaded.signatures)
    names = list(loaded.signatures)

    def calling(name):
        # A signature works only while `loaded` is alive.
        return lambda **tensors: loaded.signatures[name](**tensors)

    return ReadyModel(task, {name: calling(name) for name in names})
