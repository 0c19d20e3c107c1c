"""What ends a trial before its last epoch."""

import math
import statistics
import time

import keras
import keras_tuner


class FailAtNonFiniteLoss(keras.callbacks.Callback):
    """Fails the trial at the first loss that is NaN or infinite, instead of training on."""

    def __init__(self):
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._check(logs, "loss", f"in epoch {self.epoch + 1}, step {batch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs, "val_loss", f"after epoch {epoch + 1}")

    def _check(self, logs, name, when):
        value = (logs or {}).get(name, 0.0)
        if not math.isfinite(value):
            raise keras_tuner.errors.FailedTrialError(f"the {name} became {value} {when}")


class FailAtTimeLimit(keras.callbacks.Callback):
    """Fails a trial whose training takes too long.

    Args:
        seconds: float, the most that one training may take.
    """

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def on_train_begin(self, logs=None):
        self.start = time.perf_counter()
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if time.perf_counter() - self.start > self.seconds:
            raise keras_tuner.errors.FailedTrialError(
                f"ran out of its {self.seconds:g} s in epoch {self.epoch + 1}, step {batch + 1}"
            )


class MedianStop(keras.callbacks.Callback):
    """Ends a trial that is worse than half of the others were after as many epochs.

    The median stopping rule of Google Vizier (Golovin et al., KDD 2017, section 3.2.1): stop
    after epoch e if the best value so far is worse than the median, over the completed trials, of
    the means of their values up to epoch e. A trial that is stopped counts with the value it had.

    Args:
        record: `tuning.tuner.TrialRecord`.
        first_epochs: int, epochs that every trial may train.
        least_trials: int, trials that must be completed before any is stopped.
    """

    def __init__(self, record, first_epochs=3, least_trials=3):
        super().__init__()
        self.record = record
        self.first_epochs = first_epochs
        self.least_trials = least_trials

    def on_train_begin(self, logs=None):
        name = self.record.objective.name
        self.others = [
            trial.history[name]
            for trial in self.record.folder.trials()
            if trial.status == "COMPLETED" and name in trial.history
        ]

    def on_epoch_end(self, epoch, logs=None):
        name = self.record.objective.name
        so_far = self.record.history.get(name, [])
        others = [values for values in self.others if len(values) > epoch]
        if epoch + 1 < self.first_epochs or len(others) < self.least_trials or not so_far:
            return
        median = statistics.median(statistics.fmean(values[: epoch + 1]) for values in others)
        best = max(so_far) if self.record.objective.direction == "max" else min(so_far)
        if self.record.objective.better_than(median, best):
            self.record.stopped = "median"
            self.model.stop_training = True
