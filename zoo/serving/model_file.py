"""A model of the zoo in one file: a `.keras` file that also says which model it holds.

Keras reads such a file as any other; `perceiver-zoo predict` and `export` also learn the model's
name, its settings and the names of its classes.
"""

import json
import os
import zipfile
from pathlib import Path

from zoo import registry
from zoo.atomic_files import replaced_atomically
from zoo.configs import check_prediction_fields, configuration
from zoo.errors import ZooError
from zoo.weights.starting import ABOUT_FILE, read_about


def save_model_file(model, path: str | os.PathLike, name, overrides=None, class_names=None):
    """Writes a model with what it takes to build and use it again.

    Args:
        model: `keras.Model` that `zoo.build(name, **overrides)` gives.
        path: file to write, ending in ".keras"; complete or not at all.
        name: str, its name in the zoo.
        overrides: dict of the fields of its configuration that differ.
        class_names: names of the classes in the order of the logits, or None.

    Raises:
        ZooError: if the path does not end in ".keras" or cannot be written.
    """
    path = Path(path).expanduser()
    if path.suffix != ".keras":
        raise ZooError(f"The model file must end in .keras. Received: {path}")
    about = {"name": name, "overrides": overrides or {}}
    about["num_classes"] = getattr(configuration(name, **(overrides or {})), "num_classes", None)
    about["class_names"] = None if class_names is None else list(class_names)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_atomically(path) as temporary:
            model.save(temporary)
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(ABOUT_FILE, json.dumps(about, indent=2))
    except OSError as error:
        raise ZooError(f"{path} cannot be written: {error.strerror or error}") from error


def load_model_file(path: str | os.PathLike, changes: dict | None = None):
    """Returns the entry of a model file, with its weights and without data, and its class names.

    Args:
        path: the file.
        changes: see `zoo.serving.trained_runs.load_run`.

    Raises:
        ZooError: if the file does not say which model it holds, or cannot be read, or `changes`
            has fields that decide more than how the model predicts.
    """
    if not Path(path).is_file():
        raise ZooError(f"The model file {path} cannot be read: there is no such file.")
    about = read_about(Path(path))
    if about is None:
        raise ZooError(
            "The model file must say which model of the zoo it holds, as those written by "
            f"`perceiver-zoo convert` do. Received: {path} without {ABOUT_FILE}; its run folder "
            "can be used instead."
        )
    check_prediction_fields(configuration(about["name"]), changes or {})
    return registry.build(about["name"], weights=path, **changes or {}), about["class_names"]
