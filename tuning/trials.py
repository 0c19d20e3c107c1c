"""The files of a search: what was asked for, and every trial, readable while it runs.

    search.json                 the settings of the search
    oracle.json, tuner0.json    KerasTuner's state
    workers/                    one file for each worker that is alive
    trial_0007/trial.json       KerasTuner's record: values, status, score
    trial_0007/history.json     its costs and its curve, replaced after every epoch
    trial_0007/checkpoint.weights.h5, logs/     of its last epoch; for TensorBoard

This module loads neither Keras nor TensorFlow nor KerasTuner.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from zoo.atomic_files import make_folder, replaced_atomically
from zoo.errors import ZooError

SEARCH_FILE, HISTORY_FILE = "search.json", "history.json"
_OWN_ERRORS = re.compile(r"^[\w.]*\b(ZooError|FailedTrialError): ")


@dataclass(frozen=True)
class SearchTrial:
    """One trial of a search, running or ended.

    Attributes:
        trial_id: str.
        status: "RUNNING", "COMPLETED", "FAILED" or "INVALID".
        values: dict of its hyperparameters; names with "tuner/" are Hyperband's own.
        score: float or None: the objective after the last epoch, mean over executions.
        message: str or None: why it failed.
        parameters, multiply_adds, training_bytes: ints, what it was predicted to cost, or None.
        overrides: dict of changed fields of the model's configuration, or None.
        recipe: dict of changed fields of its recipe, or None.
        history: dict of lists, one value for each epoch trained, those of the trials it continues
            included; of the first execution.
        seconds: float, time of its training, building included.
        total_seconds: float, with all that the search adds: clearing, writing.
        stopped: str or None: why its training ended early, such as "median".
    """

    trial_id: str
    status: str
    values: dict
    score: float | None = None
    message: str | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    training_bytes: int | None = None
    overrides: dict | None = None
    recipe: dict | None = None
    history: dict = field(default_factory=dict)
    seconds: float = 0.0
    total_seconds: float = 0.0
    stopped: str | None = None

    @property
    def epochs(self) -> int:
        """Epochs trained so far."""
        return max((len(values) for values in self.history.values()), default=0)

    @property
    def own_epochs(self) -> int:
        """Epochs trained so far without those of the trials it continues."""
        return max(self.epochs - self.values.get("tuner/initial_epoch", 0), 0)

    @property
    def hyperparameters(self) -> dict:
        """Its values without Hyperband's own."""
        return {k: v for k, v in self.values.items() if not k.startswith("tuner/")}

    @property
    def reason(self) -> str:
        """What went wrong, in one line."""
        return reason_in(self.message)


class SearchFolder:
    """Reads and writes the folder of one search.

    Args:
        path: the folder.

    Attributes:
        path: `pathlib.Path`.
    """

    def __init__(self, path):
        self.path = Path(path)

    @classmethod
    def open(cls, path) -> "SearchFolder":
        """Opens the folder of a search.

        Raises:
            ZooError: If `path` is not one.
        """
        folder = cls(path)
        folder.settings  # noqa: B018 - reads it
        return folder

    @property
    def exists(self) -> bool:
        """Whether a search was begun here."""
        return (self.path / SEARCH_FILE).exists()

    @property
    def settings(self) -> dict:
        """The contents of search.json."""
        try:
            return json.loads((self.path / SEARCH_FILE).read_text())
        except (FileNotFoundError, NotADirectoryError):
            raise ZooError(
                f"{str(self.path)!r} must be the folder of a search. "
                f"Received: a path without a {SEARCH_FILE}."
            ) from None
        except json.JSONDecodeError as error:
            raise ZooError(f"{str(self.path)!r} is not a readable search: {error}.") from error

    def begin(self, settings: dict):
        """Makes the folder of a new search, with its search.json.

        Raises:
            ZooError: If there are other files in the folder already, or the disk is full.
        """
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise ZooError(
                f"A search must have a new or empty folder. Received: {str(self.path)!r}, "
                "which holds something else."
            )
        make_folder(self.path)
        self.write_settings(settings)

    def write_settings(self, settings: dict):
        """Writes search.json."""
        with replaced_atomically(self.path / SEARCH_FILE) as path:
            path.write_text(json.dumps(settings, indent=2) + "\n")

    def write_history(self, trial_id: str, record: dict):
        """Writes a trial's history.json."""
        folder = self.path / f"trial_{trial_id}"
        make_folder(folder)
        with replaced_atomically(folder / HISTORY_FILE) as path:
            path.write_text(json.dumps(record))

    def read_history(self, trial_id: str) -> dict:
        """Returns a trial's history.json, {} if there is none."""
        try:
            return json.loads((self.path / f"trial_{trial_id}" / HISTORY_FILE).read_text())
        except FileNotFoundError:
            return {}

    def trials(self) -> list[SearchTrial]:
        """Returns all trials in the order of their ids."""
        return [self._trial(path) for path in sorted(self.path.glob("trial_*/trial.json"))]

    def _trial(self, path):
        state = json.loads(path.read_text())
        return SearchTrial(
            trial_id=state["trial_id"],
            status=state["status"],
            values=state["hyperparameters"]["values"],
            score=state["score"],
            message=state["message"],
            **self.read_history(state["trial_id"]),
        )


def reason_in(message: str | None) -> str:
    """Returns the last line of a traceback, without the names of errors that say all themselves."""
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    return _OWN_ERRORS.sub("", lines[-1]) if lines else "no message"


def read_trials(path) -> list[SearchTrial]:
    """Returns the trials of a search, running or ended.

    Args:
        path: the folder of the search.

    Raises:
        ZooError: If it is not one.
    """
    return SearchFolder.open(path).trials()


def ranked(trials, direction: str) -> list[SearchTrial]:
    """Returns the completed trials, the best first.

    Of trials that Hyperband continued, the last one counts.

    Args:
        trials: list of `SearchTrial`.
        direction: "max" or "min".
    """
    continued = {trial.values.get("tuner/trial_id") for trial in trials}
    done = [t for t in trials if t.status == "COMPLETED" and t.trial_id not in continued]
    return sorted(done, key=lambda t: t.score, reverse=direction == "max")


def pareto_front(trials, cost: str, direction: str) -> list[SearchTrial]:
    """Returns the trials that no other beats at the same cost or below, the cheapest first.

    Args:
        trials: list of completed `SearchTrial`.
        cost: "parameters", "multiply_adds" or "training_bytes".
        direction: "max" or "min", of the score.
    """
    sign = 1 if direction == "max" else -1
    front = []
    for trial in sorted(trials, key=lambda t: (getattr(t, cost), -sign * t.score)):
        if not front or sign * trial.score > sign * front[-1].score:
            front.append(trial)
    return front
