"""Runs a search: alone, as the chief of several processes, or as a worker."""

import gc

import keras_tuner

from tuning.workers import heartbeat, watched
from zoo.errors import ZooError
from zoo.training.retracing import expected_retracing


def run(searcher, folder, role, console, display, lost_seconds):
    """Searches until nothing is left to do.

    Args:
        searcher: `tuning.tuner.SearchTuner`.
        folder: `tuning.trials.SearchFolder`.
        role: `tuning.workers.Role`, or None: the only process.
        console: `rich.console.Console`.
        display: `tuning.progress.SearchDisplay`.
        lost_seconds: float, see `tuning.workers.watched`.

    Raises:
        ZooError: If the data cannot be read, an objective is not reported, or the chief is gone.
    """
    gc.freeze()  # nor what exists already, see `SearchTuner`
    display.begin()
    try:
        with expected_retracing():
            _search(searcher, folder, role, console, display, lost_seconds)
    except keras_tuner.errors.FatalError as error:
        raise ZooError(str(error)) from error
    except Exception as error:
        if not type(error).__module__.startswith("grpc"):
            raise
        raise ZooError(
            f"The chief at {role.host}:{role.port} is gone. Start this worker again, under the "
            f"same name ({role.worker_id}), when it is back."
        ) from error
    finally:
        display.end()
        gc.unfreeze()


def _search(searcher, folder, role, console, display, lost_seconds):
    if role is None:
        searcher.search()
    elif role.is_chief:
        searcher.oracle.on_end = _shown_by(display, folder)
        console.print(f"chief at {role.host}:{role.port}, waiting for workers", highlight=False)
        with watched(searcher.oracle, folder.path, console, lost_seconds):
            searcher.search()
    else:
        with heartbeat(folder.path, role.worker_id):
            searcher.search()


def _shown_by(display, folder):
    """Returns what shows a trial of a worker when it has ended."""

    def show(trial):
        record = folder.read_history(trial.trial_id)
        score = trial.score if trial.status == "COMPLETED" else None
        display.end_trial(trial, score, record.get("total_seconds", 0.0))

    return show
