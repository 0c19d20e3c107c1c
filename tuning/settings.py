"""What two calls must share to be one search."""

import dataclasses
import time
from dataclasses import dataclass

from tuning.setting_changes import changed_options
from zoo.errors import ZooError
from zoo.names import nearest

TUNERS = ("hyperband", "bayesian", "random", "grid")
STOPPING = ("none", "median")
_PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class SearchSettings:
    """Everything that decides which trials a search has; the contents of search.json.

    Attributes:
        name: name of the model, None for a hypermodel of the user's.
        data: what it is trained on; None for the configuration's own.
        space: name of the space, or of the hypermodel's class.
        tuner: one of `TUNERS`.
        objective, direction: name of the metric, "max" or "min".
        epochs: int, of a whole training.
        budget: dict of the bounds.
        executions_per_trial, seed, factor, hyperband_iterations: ints.
        min_epochs: int, the least of Hyperband's trials; younger than the others, so that a
            search.json may lack it.
        overrides, fixed: dicts.
        only: list of names, or None.
        stopping: one of `STOPPING`.
        validation_share: float.
        skip_corrupt: bool.
        max_trials: int, or None: as many as the tuner wants. The one setting that may change.

    Raises:
        ZooError: If a value is wrong.
    """

    name: str | None
    data: str | None
    space: str
    tuner: str
    objective: str
    direction: str
    epochs: int
    budget: dict
    executions_per_trial: int
    seed: int
    overrides: dict
    fixed: dict
    only: list | None
    stopping: str
    factor: int
    hyperband_iterations: int
    validation_share: float
    skip_corrupt: bool
    max_trials: int | None
    min_epochs: int = 1

    def __post_init__(self):
        for name, known in (("tuner", TUNERS), ("stopping", STOPPING)):
            value = getattr(self, name)
            if value not in known:
                raise ZooError(
                    f"`{name}` must be one of {', '.join(known)}.{nearest(value, known)} "
                    f"Received: {name}={value!r}."
                )
        for name, least in (
            ("epochs", 1),
            ("executions_per_trial", 1),
            ("seed", 0),
            ("factor", 2),
            ("hyperband_iterations", 1),
            ("min_epochs", 1),
            ("max_trials", 1),
        ):
            value = getattr(self, name)
            if name == "max_trials" and value is None:
                continue
            if not isinstance(value, int) or value < least:
                raise ZooError(f"`{name}` must be an int from {least}. Received: {name}={value!r}.")
        if self.min_epochs > max(1, self.epochs / self.factor):
            raise ZooError(
                f"`min_epochs` must be at most {max(1, self.epochs // self.factor)}, or Hyperband "
                f"has nothing to stop early: its trials have {self.epochs} epochs, divided by "
                f"{self.factor} once or more often. Received: min_epochs={self.min_epochs}."
            )

    def claim(self, folder, waits=False) -> "SearchSettings":
        """Writes search.json for a new search, or makes sure that the old one is this search.

        Args:
            folder: `tuning.trials.SearchFolder`.
            waits: bool, whether another process, the chief, is to write it.

        Returns:
            These settings, with the old number of trials where none is given.

        Raises:
            ZooError: If the folder holds another search, or something else; the message has
                the settings that differ.
        """
        patience = time.monotonic() + _PATIENCE_SECONDS
        while waits and not folder.exists and time.monotonic() < patience:
            time.sleep(0.5)
        if not folder.exists:
            folder.begin(dataclasses.asdict(self))
            return self
        stored = {"min_epochs": 1} | folder.settings
        merged = self
        if self.max_trials is None:
            merged = dataclasses.replace(self, max_trials=stored.get("max_trials"))
        now = plain(dataclasses.asdict(merged))
        differing = changed_options({**stored, "max_trials": now["max_trials"]}, now)
        if differing:
            raise ZooError(
                f"A search is continued with its own settings. In {str(folder.path)!r} "
                f"{'; '.join(differing)}. Leave that to --resume, or choose another folder."
            )
        if now != stored and not waits:
            folder.write_settings(now)
        return merged


def plain(value):
    """Returns a value as it is after its way through JSON."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
