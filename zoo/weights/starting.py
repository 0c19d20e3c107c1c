"""What a model may start from: a file of Keras's, a run of this zoo, or published weights."""

import dataclasses
import functools
import json
import pathlib
import re
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perceiver_tf.models.configs import PerceiverConfig
from zoo.configs import as_setting, fields_from_data
from zoo.errors import ZooError
from zoo.records.run_folder import MODEL_FILE, RUN_FILE, RunFolder
from zoo.tasks import task_of
from zoo.weights import checkpoints
from zoo.weights.differences import first_difference

ABOUT_FILE = "perceiver_zoo.json"  # in a .keras file: which model of the zoo it holds


@dataclass(frozen=True)
class StartingWeights:
    """Weights that were found, and what the model for them is like.

    Attributes:
        load: callable of `(model, config)` that gives a model these weights. Where the
            configuration has another number of classes, the layer of the classes stays new.
        settings: dict of the fields by which the model of the weights differs from the named one.
        num_classes: int, or None if it is not known or there are none.
        class_names: tuple of str, or None.
    """

    load: Callable
    settings: dict[str, Any] = field(default_factory=dict)
    num_classes: int | None = None
    class_names: tuple[str, ...] | None = None

    def overrides(self, data, given: dict) -> dict:
        """Returns the overrides of a model that starts from these weights.

        Args:
            data: as in `zoo.build`; if it is given, it tells the number of classes.
            given: dict of overrides that go before those of the weights.
        """
        told = dict(self.settings)
        if data is not None:
            told.pop("num_classes", None)
        return {**told, **given}

    def names_for(self, config) -> tuple[str, ...] | None:
        """Returns the names of the classes, if the configuration has the same classes."""
        is_same = self.num_classes == getattr(config, "num_classes", None)
        return self.class_names if is_same else None


def open_starting_weights(source, name: str) -> StartingWeights:
    """Finds weights for a model of the zoo; they are not read yet.

    Args:
        source: a `.keras` or `.weights.h5` file, a run folder, or published weights (see
            `zoo.weights.checkpoints.opened`).
        name: str, the model's name.

    Raises:
        ZooError: If there are none, they cannot be read, or they are of another model.
    """
    if checkpoints.is_checkpoint(source) and not _is_run(source):
        checkpoint = checkpoints.opened(source)
        return StartingWeights(
            load=functools.partial(checkpoints.load_into, weights=checkpoint),
            settings=checkpoints.settings_of(checkpoint, name),
            num_classes=checkpoints.num_classes_of(checkpoint),
            class_names=checkpoints.class_names_of(checkpoint),
        )
    path = pathlib.Path(source)
    if (path / RUN_FILE).is_file():
        about, path = RunFolder.open(path).config, path / MODEL_FILE
    else:
        about = read_about(path)
    if about is None:
        return StartingWeights(load=functools.partial(_load_file, path=path, num_classes=None))
    if about["name"] != name:
        raise ZooError(f"The weights must be of {name}. Received: {source}, of {about['name']}.")
    settings = {key: as_setting(value) for key, value in about["overrides"].items()}
    num_classes, names = about.get("num_classes"), about["class_names"]
    settings |= fields_from_data(about)
    return StartingWeights(
        load=functools.partial(_load_file, path=path, num_classes=num_classes),
        settings=settings,
        num_classes=num_classes,
        class_names=None if names is None else tuple(names),
    )


def _is_run(source) -> bool:
    """Whether weights are a run folder: like transformers' folders it holds a config.json."""
    if isinstance(source, checkpoints.Checkpoint):
        return False
    path = pathlib.Path(source)
    return (path / RUN_FILE).is_file() and (path / MODEL_FILE).is_file()


def read_about(path) -> dict | None:
    """Returns what a `.keras` file says of the model of the zoo it holds; None if it does not.

    Raises:
        ZooError: If the file is there and cannot be read.
    """
    if path.suffix != ".keras" or not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(ABOUT_FILE))
    except KeyError:
        return None
    except (OSError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise ZooError(f"The model file {path} cannot be read: {error}") from error


def load_weights(model, path):
    """Gives a model the weights of a file.

    Args:
        model: `keras.Model`.
        path: str or path of a `.keras` or `.weights.h5` file of the same architecture.

    Raises:
        ZooError: if there is no such file, or its weights are not those of this model.
    """
    if not pathlib.Path(path).is_file():
        raise ZooError(f"There are no weights at {path}.")
    try:
        with warnings.catch_warnings():
            # Keras warns of some weights that it leaves as they are.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except zipfile.BadZipFile as error:
        raise ZooError(f"The weights at {path} cannot be read: {error}.") from error
    except (ValueError, OSError, UserWarning) as error:
        # Keras's warning is about its own versions.
        usual = "other layers or shapes" if isinstance(error, UserWarning) else cause_of(error)
        raise ZooError(
            f"The weights at {path} are not those of {model.name}: "
            f"{first_difference(model, path) or usual.removesuffix('.')}."
        ) from error


def cause_of(error) -> str:
    """Returns the line of a Keras error that tells the cause, without colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    return next((line for line in lines if not line.startswith("Exception encountered")), "")


def _load_file(model, config, path, num_classes):
    stored = config
    if num_classes is not None and num_classes != config.num_classes:
        stored = dataclasses.replace(config, num_classes=num_classes)
    stored_model = model if stored == config else task_of(config).build_model(stored, model.name)
    try:
        load_weights(stored_model, path)
    except ZooError:
        stored_model = _of_other_structure(stored, path, model.name)
        if stored_model is None:
            raise
    if stored_model is model:
        return
    for variable, value in zip(model.weights, stored_model.weights, strict=True):
        if variable.shape == value.shape:  # all but the layer of the classes
            variable.assign(value)


def _of_other_structure(config, path, name):
    """Returns the model of a file that is the same but for `rematerialise`, or None.

    Rematerialised iterations are one layer, others are a layer each; their weights are the same, in
    the same order.
    """
    if not (isinstance(config.architecture, PerceiverConfig) and pathlib.Path(path).is_file()):
        return None
    rematerialise = not config.architecture.rematerialise
    architecture = dataclasses.replace(config.architecture, rematerialise=rematerialise)
    other = dataclasses.replace(config, architecture=architecture)
    stored_model = task_of(config).build_model(other, name)
    try:
        load_weights(stored_model, path)
    except ZooError:
        return None
    return stored_model
