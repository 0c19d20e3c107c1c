"""What a search shows while it runs: trial, epoch, best so far, time left."""

import time

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from tuning.trials import reason_in


class SearchDisplay:
    """Prints a line for every trial, and on a terminal a bar for the search.

    Args:
        console: `rich.console.Console`.
        objective: `keras_tuner.Objective`.
        planned_epochs: int or None: epochs of the whole search, as far as they are known.
        done_epochs: int, those trained by earlier processes.
        best: float or None, the best score so far.
    """

    def __init__(self, console, objective, planned_epochs=None, done_epochs=0, best=None):
        self.console = console
        self.objective = objective
        self.planned_epochs = planned_epochs
        self.done_epochs = done_epochs
        self.best = best
        self._first_epochs = done_epochs
        self._start = time.perf_counter()
        self._bar = self._task = None

    def begin(self):
        """Shows the bar, on a terminal."""
        if not self.console.is_terminal:
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(
            *columns, TextColumn("{task.fields[figures]}"), console=self.console, transient=True
        )
        self._task = self._bar.add_task(
            "epochs", total=self.planned_epochs, completed=self.done_epochs, figures=""
        )
        self._bar.start()

    def end(self):
        """Takes the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()

    def begin_trial(self, trial):
        """Shows which trial runs."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"trial {trial.trial_id}, epochs")

    def end_trial(self, trial, score, seconds):
        """Prints what came out of a trial; a score of None: it failed."""
        if score is None:
            outcome = f"failed: {reason_in(trial.message)}"
        else:
            if self.best is None or self.objective.better_than(score, self.best):
                self.best = score
            outcome = f"{self.objective.name} {score:.4f}  best {self.best:.4f}"
        left = self._time_left()
        line = f"trial {trial.trial_id}  {outcome}  {seconds:.1f} s{left and '  ' + left}"
        self.console.print(Text(line), soft_wrap=True)

    def callback(self):
        """Returns the Keras callback that counts the epochs of one training."""
        return _EpochCounter(self)

    def add_epoch(self, logs):
        """Counts an epoch and shows its figures."""
        self.done_epochs += 1
        if self._bar is not None:
            figures = f"{self.objective.name} {logs.get(self.objective.name, float('nan')):.4f}"
            best = "" if self.best is None else f"  best {self.best:.4f}"
            self._bar.update(
                self._task,
                completed=self.done_epochs,
                figures=f"{figures}{best}  {self._time_left()}",
            )

    def _time_left(self):
        """Returns in words how long the rest takes at the pace so far, "" if that is unknown."""
        done = self.done_epochs - self._first_epochs
        if not self.planned_epochs or not done:
            return ""
        left = max(self.planned_epochs - self.done_epochs, 0)
        seconds = (time.perf_counter() - self._start) / done * left
        minutes, seconds = divmod(round(seconds), 60)
        return f"about {minutes}:{seconds:02d} left"


class _EpochCounter(keras.callbacks.Callback):
    def __init__(self, display):
        super().__init__()
        self.display = display

    def on_epoch_end(self, epoch, logs=None):
        self.display.add_epoch(logs or {})
