"""Stopping a training run in the middle of an epoch, and going on from there.

A checkpoint in mid-epoch holds what one between epochs holds (the weights, the seeds of dropout,
the optimiser with its averages and its step), and of the epoch so far: the steps, the sums that
its metrics are made of, its time and its first learning rate. The data is found by number: an
epoch's order depends on its number and the seed alone, so a resumed run starts reading at the
step where it was, and what lies before is not decoded.
"""

import contextlib
import os
import signal
import threading
import time

import keras
import numpy as np

from zoo.records.run_folder import Position, RunFolder
from zoo.training.callbacks import EpochClock

CHECKPOINT_MINUTES = 5.0
# A checkpoint that takes long is written less often: it shall not cost more than this share.
MOST_TIME = 0.05
NOTICE = b"\nStopping at the end of this step, which is kept. Ctrl-C again stops at once.\n"


class StopRequest:
    """Whether someone asked the run to stop, by Ctrl-C (SIGINT) or a plain `kill` (SIGTERM).

    Inside of the block the first signal is noted, said on a terminal, and waits for the end of
    a step; a second one interrupts at once. Outside of the main thread, which alone gets signals,
    nothing is changed.
    """

    def __init__(self):
        self.made = False
        self._previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number, frame):
        if self.made:
            raise KeyboardInterrupt
        self.made = True
        if os.isatty(2):
            os.write(2, NOTICE)  # printing may be what the signal interrupted


class MidEpochWriter(keras.callbacks.Callback):
    """Writes a checkpoint in the middle of an epoch now and then, and when the run must stop.

    It must be the last of the callbacks, so that the others have seen the step.

    Args:
        folder: `RunFolder`.
        history: dict of lists, of the finished epochs; read only.
        clock: `EpochClock` of the same run.
        stop: `StopRequest`.
        steps_per_epoch: int.
        minutes: float, at least 0: time between two checkpoints, 0: one after each step.
        average: `keras.callbacks.SwapEMAWeights` of the same run, or None.
    """

    def __init__(
        self,
        folder: RunFolder,
        history: dict,
        clock: EpochClock,
        stop: StopRequest,
        steps_per_epoch: int,
        minutes: float = CHECKPOINT_MINUTES,
        average: keras.callbacks.SwapEMAWeights | None = None,
    ):
        super().__init__()
        self._folder, self._history, self._clock, self._stop = folder, history, clock, stop
        self._steps_per_epoch, self._minutes, self._average = steps_per_epoch, minutes, average
        self._wait = 60.0 * minutes
        self._trained = None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._last = epoch, time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 == self._steps_per_epoch:
            self._trained = self._metrics()  # validation starts them anew
        if self._stop.made:
            self._save(batch + 1, self._metrics())
            raise KeyboardInterrupt
        start = time.perf_counter()
        if batch + 1 < self._steps_per_epoch and start - self._last >= self._wait:
            self._save(batch + 1, self._metrics())
            self._last = time.perf_counter()
            if self._minutes:
                self._wait = max(60.0 * self._minutes, (self._last - start) / MOST_TIME)

    def on_test_batch_end(self, batch, logs=None):
        if self._stop.made:
            if self._average is not None:
                self._average.on_test_end()  # takes the averages out of the model
            self._save(self._steps_per_epoch, self._trained)
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        if self._stop.made and epoch + 1 < self.params["epochs"]:  # the epoch is saved
            raise KeyboardInterrupt

    def _metrics(self):
        return [variable.numpy() for variable in self.model.metrics_variables]

    def _save(self, step, metrics):
        if not all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            return  # the next loss will tell; a checkpoint of it is of no use
        clock = self._clock
        position = Position(self._epoch, self._history, step, clock.seconds, clock.learning_rate)
        self._folder.save_state(self.model, position, metrics)


@contextlib.contextmanager
def steps_done(model, steps: int, metrics, batches):
    """Lets the next `model.fit` begin with an epoch of which some steps are trained already.

    Keras knows no such epochs: it goes through all steps, and the first are passed over here.

    Args:
        model: compiled `keras.Model`.
        steps: int, trained steps of the first epoch; 0: the block is as without this.
        metrics: list of numpy arrays, the variables of the model's metrics after these steps.
        batches: tf.data.Dataset with a batch such as the model is evaluated on, by which the
            metrics are built.
    """
    if not steps:
        yield
        return
    model.evaluate(batches.take(1), verbose=0)
    model.make_train_function()
    train = model.train_function
    left, so_far = steps, {}

    def train_or_pass(iterator):
        nonlocal left
        if not left:
            return train(iterator)
        if left == steps:
            for variable, value in zip(model.metrics_variables, metrics, strict=True):
                variable.assign(value)
            so_far.update(model.get_metrics_result())
        left -= 1
        return so_far

    model.train_function = train_or_pass
    try:
        yield
    finally:
        model.train_function = train
