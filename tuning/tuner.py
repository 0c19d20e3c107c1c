"""Runs the trials of a search: KerasTuner's `Tuner`, with records that others can read."""

import contextlib
import gc
import json
import shutil
import time
import traceback
from pathlib import Path

import keras
import keras_tuner
import numpy as np

from tuning.trials import SearchFolder
from zoo.atomic_files import replaced_atomically
from zoo.errors import ZooError


class SearchTuner(keras_tuner.Tuner):
    """Builds, trains and records one trial after another.

    Unlike KerasTuner's own, a trial counts by what it reaches after its last epoch, as a training
    of the zoo does, not by its best epoch; and Hyperband continues from there.

    Args:
        oracle: one of `tuning.oracles`.
        hypermodel: `keras_tuner.HyperModel`.
        folder: `SearchFolder`.
        describe: callable from `HyperParameters` to a dict for the record of a trial: what it
            costs, and the changes of configuration and recipe; or None.
        epochs: int, of a trial that Hyperband does not say otherwise.
        seed: int, of every trial; the k-th execution of one has `seed + k`.
        executions_per_trial: int, trainings of each point.
        callbacks: callable from a `TrialRecord` to Keras callbacks for one training.
        display: `tuning.progress.SearchDisplay`.
        fit_settings: dict for the hypermodel's `fit`.
    """

    def __init__(
        self,
        oracle,
        hypermodel,
        folder: SearchFolder,
        *,
        describe,
        epochs,
        seed,
        executions_per_trial,
        callbacks,
        display,
        fit_settings,
    ):
        self.folder = folder
        self.describe = describe
        self.epochs = epochs
        self.seed = seed
        self.make_callbacks = callbacks
        self.display = display
        self.fit_settings = fit_settings
        self._was_idle = False
        self._reached = None
        with contextlib.redirect_stdout(None):  # KerasTuner tells that it reloads
            super().__init__(
                oracle,
                hypermodel,
                executions_per_trial=executions_per_trial,
                directory=str(folder.path.parent),
                project_name=folder.path.name,
            )

    def _populate_initial_space(self):
        # KerasTuner builds models to find the space; a space that is declared needs none.
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)
        if hp.space:
            return
        try:
            super()._populate_initial_space()
        except Exception as error:
            raise ZooError(f"The hypermodel must build its own defaults: {error}") from error

    def _try_run_and_update_trial(self, trial, *args, **kwargs):
        # As KerasTuner does, but that it prints the traceback as well; the record has it.
        try:
            self._run_and_update_trial(trial, *args, **kwargs)
            trial.status = "COMPLETED"
        except keras_tuner.errors.FatalError:
            raise
        except Exception as error:
            is_final = isinstance(error, keras_tuner.errors.FailedTrialError)
            trial.status = "FAILED" if is_final else "INVALID"
            trial.message = traceback.format_exc()

    def pre_create_trial(self):
        if self._was_idle:
            time.sleep(0.5)
        self._was_idle = True

    def on_trial_begin(self, trial):
        self._was_idle = False
        self._reached = None
        self._trial_start = time.perf_counter()
        self.display.begin_trial(trial)

    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        score = self._reached if trial.status == "COMPLETED" else None
        self.display.end_trial(trial, score, time.perf_counter() - self._trial_start)

    def save(self):
        if not self._is_worker():
            self.oracle.save()
        with replaced_atomically(self._get_tuner_fname()) as path:
            path.write_text(json.dumps(self.get_state()))

    def run_trial(self, trial, *args, **kwargs):
        """Trains a point as often as is asked for; returns the mean of what was reached."""
        start = time.perf_counter()
        record = TrialRecord(self.folder, trial, self.oracle.objective)
        if self.describe is not None:
            record.description = self.describe(trial.hyperparameters)
        results = [self._execute(trial, record, k) for k in range(self.executions_per_trial)]
        record.total_seconds = time.perf_counter() - start
        record.write()
        means = {name: float(np.mean([r[name] for r in results])) for name in results[0]}
        self._reached = means[self.oracle.objective.name]
        return means

    def _execute(self, trial, record, execution):
        values = trial.hyperparameters.values
        parent = values.get("tuner/trial_id")
        keras.backend.clear_session()
        gc.collect()
        gc.freeze()  # TensorFlow keeps graphs with custom gradients: not looked through again
        keras.utils.set_random_seed(self.seed + execution)
        epochs = values.get("tuner/epochs", self.epochs)
        first_epoch = values.get("tuner/initial_epoch", 0)
        record.begin(execution, parent, first_epoch)
        model = self._build_hypermodel(trial.hyperparameters)
        if parent is not None:
            model.load_weights(self._checkpoint(parent, execution))
        logs = Path(self.get_trial_dir(trial.trial_id)) / "logs" / str(execution)
        shutil.rmtree(logs, ignore_errors=True)  # of an attempt that was killed
        result = self.hypermodel.fit(
            trial.hyperparameters,
            model,
            epochs=epochs,
            initial_epoch=first_epoch,
            callbacks=[
                record.callback(),
                *self.make_callbacks(record),
                self.display.callback(),
                keras.callbacks.TensorBoard(str(logs), write_graph=False),
            ],
            **self.fit_settings,
        )
        record.end()
        with replaced_atomically(self._checkpoint(trial.trial_id, execution)) as path:
            model.save_weights(path)
        figures = last_values(result, self.oracle.objective)
        write_hparams(logs, trial.hyperparameters, figures)
        return figures

    def _checkpoint(self, trial_id, execution):
        path = Path(self._get_checkpoint_fname(trial_id))
        if execution == 0:
            return path
        return path.with_name(path.name.replace(".weights", f"_{execution}.weights"))


class TrialRecord:
    """The history.json of a trial, written while it trains.

    Attributes:
        description: dict, what the trial costs and changes.
        objective: `keras_tuner.Objective`.
        history: dict of lists, of the first execution.
        stopped: str or None, why the training ended early.
        seconds: float, of building and training.
        total_seconds: float, of the whole trial.
    """

    def __init__(self, folder, trial, objective):
        self.folder = folder
        self.trial_id = trial.trial_id
        self.objective = objective
        self.description = {}
        self.history = {}
        self.stopped = None
        self.seconds = 0.0
        self.total_seconds = 0.0
        self._execution = 0
        self._before = 0.0
        self._start = time.perf_counter()

    def begin(self, execution, parent, first_epoch):
        """Starts the record of an execution, which goes on from the trial `parent`, if any."""
        self._execution = execution
        self._before, self._start = self.seconds, time.perf_counter()
        if execution == 0 and parent is not None:
            before = self.folder.read_history(parent).get("history", {})
            self.history = {name: values[:first_epoch] for name, values in before.items()}

    def end(self):
        """Notes that an execution has ended."""
        self.seconds = self._before + time.perf_counter() - self._start

    def add_epoch(self, logs):
        """Adds an epoch's figures, and writes them if they are of the first execution."""
        self.end()
        if self._execution == 0:
            for name, value in logs.items():
                self.history.setdefault(name, []).append(float(value))
            self.write()

    def write(self):
        record = dict(self.description)
        record |= {name: getattr(self, name) for name in ("history", "stopped")}
        record |= {"seconds": self.seconds, "total_seconds": self.total_seconds}
        self.folder.write_history(self.trial_id, record)

    def callback(self):
        """Returns the Keras callback that keeps this record."""
        return _Recorder(self)


class _Recorder(keras.callbacks.Callback):
    def __init__(self, record):
        super().__init__()
        self.record = record

    def on_epoch_end(self, epoch, logs=None):
        self.record.add_epoch(logs or {})


def last_values(result, objective) -> dict[str, float]:
    """Returns the figures after the last epoch of what a hypermodel's `fit` returned.

    Raises:
        keras_tuner.errors.FatalError: If the objective is not among them; ends the search.
    """
    if isinstance(result, keras.callbacks.History):
        result = {name: values[-1] for name, values in result.history.items()}
    elif not isinstance(result, dict):
        result = {objective.name: result}
    if objective.name not in result:
        raise keras_tuner.errors.FatalError(no_such_objective(objective.name, result))
    return {name: float(value) for name, value in result.items()}


def no_such_objective(name, reported) -> str:
    """Returns the line about an objective that a model does not report."""
    return (
        "`objective` must be one of what the model reports: "
        f"{', '.join(sorted(reported))}. Received: objective={name!r}."
    )


def write_hparams(logs, hyperparameters, figures):
    """Writes a trial's values and its result for TensorBoard's page of hyperparameters."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    values = {k: v for k, v in hyperparameters.values.items() if not k.startswith("tuner/")}
    writer = tf.summary.create_file_writer(str(logs))
    with writer.as_default():
        api.hparams(values)
        for name, value in figures.items():
            tf.summary.scalar(name, value, step=0)
    writer.close()
