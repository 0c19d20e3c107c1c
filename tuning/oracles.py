"""KerasTuner's oracles, made to keep to a budget and to survive being killed.

An oracle proposes the values of the next trial and remembers all trials. Those here are
KerasTuner's own, with what a team needs to rely on them:

- values outside of the budget are never proposed, so no trial is spent on them;
- every file is replaced atomically, and what a kill left between two files is mended on reload;
- a random draw depends on the seed and on the trials before it, not on when the search was resumed;
- several failures in a row end the search, after they are written;
- the trial of a worker that died goes back into the search (`tuning.workers`).
"""

import json
import math
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
from keras_tuner import oracles, synchronized
from sklearn.exceptions import ConvergenceWarning

from zoo.atomic_files import replaced_atomically

_RUNNING, _IDLE, _STOPPED = "RUNNING", "IDLE", "STOPPED"
_MOST_DRAWS = 500  # for one trial, before the part of the space within the budget counts as tried
_CANDIDATES = 64


class _Reliable:
    """What every oracle here adds to KerasTuner's.

    Args:
        admits: callable from `keras_tuner.HyperParameters` to bool: whether a trial of these
            values is within the budget.
        until: `time.monotonic()` at which no more trials are proposed, or None.
        waits: bool, whether several workers search: one that finds nothing to do waits for the
            trials of the others, which may come back.
        **settings: of KerasTuner's oracle; the `seed` may be 0.

    Attributes:
        gave_up: bool, whether several trials in a row have failed.
        on_end: callable that is told of each trial that has ended, or None.
    """

    def __init__(self, *, admits, until=None, waits=False, seed=0, **settings):
        # KerasTuner takes a seed of 0 for none.
        super().__init__(seed=seed + 1, **settings)
        self.verbose = 0
        self._admits = admits
        self._until = until
        self._waits = waits
        self.on_end = None
        self.gave_up = False

    def populate_space(self, trial_id):
        if self.gave_up or (self._until is not None and time.monotonic() > self._until):
            return {"status": _STOPPED, "values": None}
        return super().populate_space(trial_id)

    def _check_consecutive_failures(self):
        # KerasTuner raises here, before the last failure is written.
        ended = [self.trials[i].status for i in self.end_order]
        most = self.max_consecutive_failed_trials
        self.gave_up = len(ended) >= most and set(ended[-most:]) == {"FAILED"}

    @synchronized
    def create_trial(self, tuner_id):
        trial = super().create_trial(tuner_id)
        if trial.status == _STOPPED and self._waits and self.ongoing_trials:
            trial.status = _IDLE
            self.tuner_ids.add(tuner_id)
        return trial

    @synchronized
    def end_trial(self, trial):
        if trial.trial_id in self.end_order:
            # A worker that was taken for dead has finished what another did meanwhile.
            return
        if trial.trial_id in self._retry_queue:
            self._retry_queue.remove(trial.trial_id)
        super().end_trial(trial)
        if self.on_end is not None:
            self.on_end(self.trials[trial.trial_id])

    @synchronized
    def workers(self) -> set[str]:
        """Returns the ids of the workers that have or await a trial."""
        return {*self.tuner_ids, *self.ongoing_trials}

    @synchronized
    def give_back(self, tuner_id):
        """Puts the running trial of a worker that died back, and forgets the worker.

        Returns:
            The id of the trial, or None if it had none.
        """
        self.tuner_ids.discard(tuner_id)
        trial = self.ongoing_trials.pop(tuner_id, None)
        if trial is None:
            return None
        self._retry_queue.append(trial.trial_id)
        self.save()
        return trial.trial_id

    def planned_epochs(self, epochs) -> int | None:
        """Returns the epochs of the whole search if each trial has `epochs`; None: unknown."""
        return None if self.max_trials is None else self.max_trials * epochs

    def admits_values(self, values) -> bool:
        """Returns whether these values of the space are within the budget."""
        point = self.hyperparameters.copy()
        point.values = dict(values)
        return self._admits(point)

    def _random_values(self):
        for _ in range(_MOST_DRAWS):
            values = super()._random_values()
            if values is None or self.admits_values(values):
                return values
        return None

    def save(self):
        _write_json(self._get_oracle_fname(), self.get_state())

    def _save_trial(self, trial):
        _write_json(Path(self._get_trial_dir(trial.trial_id)) / "trial.json", trial.get_state())

    def reload(self):
        super().reload()
        for trial_id in self.trials.keys() - set(self.start_order):
            # Killed after writing the trial and before writing the oracle: it never began.
            shutil.rmtree(self._get_trial_dir(trial_id), ignore_errors=True)
        # KerasTuner reads the trials in the order of the file system.
        self.trials = {trial_id: self.trials[trial_id] for trial_id in self.start_order}
        for trial_id in [i for i in self._retry_queue if self.trials[i].status != _RUNNING]:
            # Killed after writing its result and before writing the oracle: it has ended.
            self._retry_queue.remove(trial_id)
            if trial_id not in self.end_order:
                self.end_order.append(trial_id)
                self._after_end(trial_id)

    def _after_end(self, trial_id):
        """Does what `end_trial` does beyond KerasTuner's base class."""


class RandomOracle(_Reliable, oracles.RandomSearchOracle):
    """Independent random values."""


class HyperbandOracle(_Reliable, oracles.HyperbandOracle):
    """Many short trainings of which the best are continued (arXiv:1603.06560).

    Args:
        min_epochs: int from 1, the least of any training.
        max_trials: int, the most trials, or None: all that Hyperband wants.
        **settings: see `_Reliable`, and of KerasTuner's oracle.
    """

    def __init__(self, *, min_epochs=1, max_trials=None, **settings):
        super().__init__(**settings)
        self.max_trials = max_trials
        # KerasTuner has begun the first bracket already, for trainings of one epoch.
        self.min_epochs = min_epochs
        self._current_bracket, self._brackets = self._get_num_brackets() - 1, []
        self._start_new_bracket()

    def _get_size(self, bracket_num, round_num):
        # As KerasTuner's, which counts the brackets down to trainings of one epoch.
        halvings = math.log(self.max_epochs / self.min_epochs, self.factor)
        last_size = math.ceil(1 + halvings) / (bracket_num + 1)
        return math.ceil(last_size * self.factor ** (bracket_num - round_num))

    def planned_epochs(self, epochs):
        total, trials = 0, self.max_trials or math.inf
        for bracket in reversed(range(self._get_num_brackets())):
            before = 0
            for number in range(self._get_num_rounds(bracket)):
                until, size = self._get_epochs(bracket, number), self._get_size(bracket, number)
                total += min(size, trials) * (until - before)
                trials -= min(size, trials)
                before = until
        return total * (1 if self.max_trials else self.hyperband_iterations)


class BayesianOracle(_Reliable, oracles.BayesianOptimizationOracle):
    """A Gaussian process over the trials so far."""

    def populate_space(self, trial_id):
        # Independent of how many draws an earlier process made.
        self._random_state = np.random.RandomState(self.seed + len(self.trials))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of so few trials, it says
            response = super().populate_space(trial_id)
        if response["status"] != _RUNNING or self.admits_values(response["values"]):
            return response
        drawn = [self._random_values() for _ in range(_CANDIDATES)]
        drawn = [values for values in drawn if values is not None]
        if not drawn:
            return {"status": _STOPPED, "values": None}
        return {"status": _RUNNING, "values": min(drawn, key=self._lower_confidence_bound)}

    def _lower_confidence_bound(self, values):
        """Returns how bad the Gaussian process takes values to be, at best."""
        point = self.hyperparameters.copy()
        point.values = dict(values)
        vector = [
            entry.value_to_prob(point.values.get(entry.name, entry.default))
            for entry in self._nonfixed_space()
        ]
        mean, deviation = self.gpr.predict(np.array([vector]), return_std=True)
        return float(mean[0] - self.beta * deviation[0])


class GridOracle(_Reliable, oracles.GridSearchOracle):
    """All combinations, in order, beginning with the model's own values."""

    def populate_space(self, trial_id):
        if self.start_order:
            return super().populate_space(trial_id)
        space = self.get_space()
        default = {entry.name: entry.default for entry in space.space if space.is_active(entry)}
        if self.admits_values(default):
            return super().populate_space(trial_id)
        first = self._get_next_combination(default)
        if first is None:
            return {"status": _STOPPED, "values": None}
        self._ordered_ids.insert(trial_id)
        self._populate_next.append(trial_id)
        return {"status": _RUNNING, "values": first}

    def _get_next_combination(self, values):
        while True:
            values = super()._get_next_combination(values)
            if values is None or self.admits_values(values):
                return values

    def reload(self):
        super().reload()
        # KerasTuner does not keep the order of the combinations: they were proposed in it.
        for before, trial_id in zip([None, *self.start_order], self.start_order, strict=False):
            self._ordered_ids.insert(trial_id, before)
        self._populate_next = [*self.start_order[-1:]]

    def _after_end(self, trial_id):
        self._populate_next.append(trial_id)


ORACLES = {
    "hyperband": HyperbandOracle,
    "bayesian": BayesianOracle,
    "random": RandomOracle,
    "grid": GridOracle,
}


def _write_json(path, state):
    with replaced_atomically(path) as temporary:
        temporary.write_text(json.dumps(state, default=_plain))


def _plain(value):
    """Returns a number of NumPy's as Python's."""
    return value.item()
