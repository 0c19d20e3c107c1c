"""The folder of a training run: what is in it, and how it is written without losing anything.

    config.json          name, overrides, data, recipe, seed, versions, class names
    model.keras          the weights of the last epoch
    metrics.csv          one row per epoch
    training_curve.png   loss and accuracy of every epoch
    logs/                for TensorBoard
    checkpoint/          what `--resume` needs: weights, optimiser, position, history

Every file is written under a temporary name, flushed to the disk and renamed, so a full disk,
a crash or an interruption leaves the previous version in place.
"""

import contextlib
import csv
import io
import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from zoo.atomic_files import make_folder, replaced_atomically, writing_errors_named
from zoo.errors import ZooError
from zoo.records.training_curve import draw_training_curve

RUN_FILE = "config.json"
MODEL_FILE = "model.keras"


@dataclass(frozen=True)
class Position:
    """How far a run is.

    Attributes:
        epoch: int, number of finished epochs.
        history: dict of lists with one value per finished epoch.
        step: int, finished steps of the epoch after these.
        epoch_seconds: float, wall time of these steps.
        epoch_learning_rate: float, the rate of their first; None if there are none.
    """

    epoch: int = 0
    history: dict = field(default_factory=dict)
    step: int = 0
    epoch_seconds: float = 0.0
    epoch_learning_rate: float | None = None


class RunFolder:
    """Reads and writes the folder of one training run.

    Use `RunFolder.create(path, config)` for a new run and `RunFolder.open(path)` for one
    that exists.

    Attributes:
        path: `pathlib.Path` of the folder.
        config: dict, the contents of config.json.
    """

    def __init__(self, path, config):
        self.path = Path(path)
        self.config = config
        self.model_path = self.path / MODEL_FILE
        self.metrics_path = self.path / "metrics.csv"
        self.curve_path = self.path / "training_curve.png"
        self.log_path = self.path / "logs"
        self.state_path = self.path / "checkpoint" / "state.npz"

    @staticmethod
    def check_absent(path):
        """Raises a `ZooError` if something is at `path` already."""
        if os.path.lexists(path):
            raise ZooError(
                f"The run folder {str(path)!r} exists already. Continue that run with --resume, "
                "or choose another folder with --out."
            )

    @classmethod
    def create(cls, path, config) -> "RunFolder":
        """Makes a run folder, all at once: it appears with its config.json or not at all.

        Raises:
            ZooError: If something is at `path` already, or nothing can be written there.
        """
        path = Path(path)
        cls.check_absent(path)
        make_folder(path.parent)
        with writing_errors_named(path):
            temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
            try:
                temporary.chmod(0o755)
                (temporary / RUN_FILE).write_text(json.dumps(config, indent=2) + "\n")
                (temporary / "logs").mkdir()
                (temporary / "checkpoint").mkdir()
                cls.check_absent(path)
                os.rename(temporary, path)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return cls(path, config)

    @classmethod
    def open(cls, path) -> "RunFolder":
        """Opens a run folder.

        Raises:
            ZooError: If `path` is not a run folder or its config.json cannot be read.
        """
        path = Path(path)
        try:
            config = json.loads((path / RUN_FILE).read_text())
        except FileNotFoundError:
            raise ZooError(
                f"{str(path)!r} must be the folder of a training run. "
                "Received: a path without a config.json."
            ) from None
        except (NotADirectoryError, json.JSONDecodeError) as error:
            raise ZooError(f"{str(path)!r} is not a readable run folder: {error}.") from error
        return cls(path, config)

    def save_state(self, model, position: Position, metrics=()):
        """Writes what `--resume` needs, as one file.

        Args:
            model: compiled `keras.Model` with a built optimiser.
            position: `Position`.
            metrics: sequence of numpy arrays, the variables of the metrics in the middle of an
                epoch; none at its start.
        """
        arrays = {
            f"{kind}/{i}": variable.numpy()
            for kind, variables in _variables(model)
            for i, variable in enumerate(variables)
        }
        arrays |= {f"metrics/{i}": value for i, value in enumerate(metrics)}
        told = np.array(json.dumps(asdict(position)))
        with replaced_atomically(self.state_path) as path, open(path, "wb") as file:
            np.savez(file, progress=told, **arrays)

    def load_state(self, model) -> tuple[Position, list]:
        """Restores the last checkpoint into a compiled model with a built optimiser.

        Returns:
            How far it is, and the variables of the metrics there, see `save_state`.

        Raises:
            ZooError: If the checkpoint is not from this model, or cannot be read.
        """
        if not self.state_path.exists():
            return Position(), []
        with self._opened_state() as arrays:
            for kind, variables in _variables(model):
                stored = _stored(arrays, kind)
                expected = [tuple(v.shape) for v in variables]
                if [value.shape for value in stored] != expected:
                    raise ZooError(
                        f"The checkpoint in {str(self.path)!r} is not from this model: "
                        f"the shapes of its {kind} variables differ."
                    )
                for variable, value in zip(variables, stored, strict=True):
                    variable.assign(value)
            return Position(**json.loads(str(arrays["progress"]))), _stored(arrays, "metrics")

    def position(self) -> Position:
        """Returns how far the checkpoint is; at the start without one."""
        if not self.state_path.exists():
            return Position()
        with self._opened_state() as arrays:
            return Position(**json.loads(str(arrays["progress"])))

    @contextlib.contextmanager
    def _opened_state(self):
        """Yields the arrays of the checkpoint; a file that is damaged or cut short is named."""
        told = f"The checkpoint {str(self.state_path)!r} cannot be read: it is damaged."
        try:
            arrays = np.load(self.state_path, allow_pickle=False)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise ZooError(told) from error
        try:
            with arrays:
                yield arrays
        except (EOFError, zipfile.BadZipFile) as error:
            raise ZooError(told) from error

    def save_model(self, model):
        """Writes model.keras: architecture and weights, without the optimiser."""
        import keras

        with replaced_atomically(self.model_path) as path:
            keras.Model(model.input, model.output, name=model.name).save(path)

    def save_metrics(self, history: dict):
        """Writes metrics.csv, one row per epoch (from 1): losses, metrics, rate, seconds."""
        columns = _columns(history)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("epoch", *columns))
        for i in range(len(history.get("loss", ()))):
            writer.writerow((i + 1, *(f"{history[name][i]:.6g}" for name in columns)))
        with replaced_atomically(self.metrics_path) as path:
            path.write_text(text.getvalue())

    def draw_curve(self, history: dict):
        """Writes training_curve.png, if an epoch was finished."""
        if history.get("loss"):
            with replaced_atomically(self.curve_path) as path:
                headline = self.config.get("headline", "accuracy")
                draw_training_curve(history, path, title=self.config["name"], headline=headline)


def _columns(history):
    """Returns the names in a history: of training, then held out, then rate and seconds."""
    last = [name for name in ("learning_rate", "seconds") if name in history]
    names = sorted(history.keys() - set(last), key=lambda name: (not name.endswith("loss"), name))
    held_out = [name for name in names if name.startswith("val_")]
    return [*(name for name in names if name not in held_out), *held_out, *last]


def _variables(model):
    return ("model", model.variables), ("optimizer", model.optimizer.variables)


def _stored(arrays, kind):
    """Returns the arrays of one kind in their order."""
    count = sum(name.startswith(f"{kind}/") for name in arrays.files)
    return [arrays[f"{kind}/{i}"] for i in range(count)]
