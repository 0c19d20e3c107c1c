"""What happens during training besides training: progress, files, and stopping at NaN."""

import math
import time

import keras
import numpy as np
from keras import ops
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zoo.errors import ZooError
from zoo.records.run_folder import Position, RunFolder


class ProgressDisplay(keras.callbacks.Callback):
    """Shows epoch, step, loss, a metric and time left, and one line for each finished epoch.

    The bar appears on a terminal only; elsewhere there are just the lines.

    Args:
        console: `rich.console.Console` to print to.
        epochs: int, epochs of the whole run.
        first_epoch: int, epochs that were finished before.
        steps_per_epoch: int, optimiser steps in one epoch.
        headline: name of the metric, such as "accuracy".
    """

    def __init__(
        self,
        console: Console,
        epochs: int,
        first_epoch: int,
        steps_per_epoch: int,
        headline: str = "accuracy",
    ):
        super().__init__()
        self.console = console
        self.headline = headline
        self.label = headline.replace("_", " ")
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.finished_steps = first_epoch * steps_per_epoch
        self.progress = None

    def on_train_begin(self, logs=None):
        if not self.console.is_terminal:
            return
        self.progress = _progress(self.console)
        self.task = self.progress.add_task(
            "epoch", total=self.epochs * self.steps_per_epoch, figures=""
        )
        self.progress.update(self.task, completed=self.finished_steps)
        self.progress.start()

    def on_epoch_begin(self, epoch, logs=None):
        self.finished_steps = epoch * self.steps_per_epoch
        if self.progress:
            self.progress.update(self.task, description=f"epoch {epoch + 1}/{self.epochs}, step")

    def on_train_batch_end(self, batch, logs=None):
        if self.progress:
            self.progress.update(
                self.task,
                completed=self.finished_steps + batch + 1,
                figures=f"loss {logs['loss']:.4f}, {self.label} {logs[self.headline]:.4f}",
            )

    def on_epoch_end(self, epoch, logs=None):
        width = len(str(self.epochs))
        figures = "  ".join(
            f"{label} {logs[name]:{form}}"
            for name, label, form in (
                ("loss", "loss", ".4f"),
                (self.headline, self.label, ".4f"),
                ("val_loss", "held-out loss", ".4f"),
                (f"val_{self.headline}", self.label, ".4f"),
                ("seconds", "seconds", ".1f"),
            )
            if name in logs
        )
        line = f"epoch {epoch + 1:{width}}/{self.epochs}  {figures}"
        self.console.print(line, highlight=False, soft_wrap=True)

    def stop(self):
        """Takes the bar off the terminal, whether or not the training ended well."""
        if self.progress:
            self.progress.stop()


class EvaluationDisplay(keras.callbacks.Callback):
    """Shows on a terminal how many batches are evaluated, and the time left; nothing elsewhere.

    Args:
        console: `rich.console.Console` to print to, or None.
        steps: int, batches of one pass over the data.
        passes: int, passes over the data, one after the other.
    """

    def __init__(self, console: Console | None, steps: int, passes: int = 1):
        super().__init__()
        self.progress = _progress(console) if console and console.is_terminal else None
        if self.progress:
            self.task = self.progress.add_task("evaluating", total=steps * passes, figures="")

    def on_test_begin(self, logs=None):
        if self.progress:
            self.progress.start()

    def on_test_batch_end(self, batch, logs=None):
        if self.progress:
            self.progress.advance(self.task)

    def stop(self):
        """Takes the bar off the terminal, whether or not the evaluation ended well."""
        if self.progress:
            self.progress.stop()


def _progress(console):
    """Returns the bar of both displays; it takes a task with the field `figures`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
        console=console,
        refresh_per_second=4,
        transient=True,
    )


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Raises a `ZooError` at the first step whose loss is NaN or infinite.

    Args:
        steps_per_epoch: int, optimiser steps in one epoch.
        where: str, the run folder, for the message.
    """

    def __init__(self, steps_per_epoch: int, where: str):
        super().__init__()
        self.steps_per_epoch = steps_per_epoch
        self.where = where
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(logs["loss"]):
            self._stop(f"The loss became {logs['loss']}", batch)

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(logs.get("val_loss", 0.0)):
            self._stop(f"The held-out loss became {logs['val_loss']}", self.steps_per_epoch - 1)
        if not all(np.isfinite(v).all() for v in self.model.get_weights()):
            self._stop("A weight became NaN or infinite", self.steps_per_epoch - 1)

    def _stop(self, what, batch):
        step = self.epoch * self.steps_per_epoch + batch + 1
        kept = f"epoch {self.epoch}" if self.epoch else "nothing: no epoch was finished"
        raise ZooError(
            f"{what} at step {step} (epoch {self.epoch + 1}, step {batch + 1} of "
            f"{self.steps_per_epoch}). Kept in {self.where!r}: {kept}. "
            "A lower learning rate usually helps."
        )


class EpochClock(keras.callbacks.Callback):
    """Adds to each epoch's logs its wall time and the learning rate of its first step.

    Args:
        position: `Position` where the run goes on; None: at the start of an epoch.
    """

    def __init__(self, position: Position | None = None):
        super().__init__()
        self._before = position or Position()

    @property
    def seconds(self) -> float:
        """Wall time of the epoch so far."""
        return time.perf_counter() - self._start

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter() - self._before.epoch_seconds
        self.learning_rate = self._before.epoch_learning_rate
        if self.learning_rate is None:
            self.learning_rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self._before = Position()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = self.seconds
        logs["learning_rate"] = self.learning_rate


class StateWriter(keras.callbacks.Callback):
    """Appends each epoch to the history and writes the checkpoint and metrics.csv.

    Args:
        folder: `RunFolder`.
        history: dict of lists, extended in place.
    """

    def __init__(self, folder: RunFolder, history: dict):
        super().__init__()
        self.folder = folder
        self.history = history

    def on_epoch_end(self, epoch, logs=None):
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        self.folder.save_state(self.model, Position(epoch + 1, self.history))
        self.folder.save_metrics(self.history)


class ModelWriter(keras.callbacks.Callback):
    """Writes model.keras after each epoch; after `SwapEMAWeights`, it holds the average."""

    def __init__(self, folder: RunFolder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        self.folder.save_model(self.model)
