"""A whole search: from what is asked for to the trials that came out."""

import contextlib
import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import keras_tuner
from rich.console import Console

from tuning.budget import Budget
from tuning.hypermodel import PerceiverHyperModel
from tuning.objectives import build_objective
from tuning.oracles import ORACLES
from tuning.progress import SearchDisplay
from tuning.running import run
from tuning.settings import SearchSettings
from tuning.stopping import FailAtNonFiniteLoss, FailAtTimeLimit, MedianStop
from tuning.trials import SearchFolder, SearchTrial, pareto_front, ranked
from tuning.tuner import SearchTuner
from tuning.workers import LOST_SECONDS, role_of
from zoo.errors import ZooError

DEFAULT_TRIALS = 20
_SAMPLES = 200


@dataclass(frozen=True)
class FinishedSearch:
    """The trials of a search, at least one of them completed.

    Attributes:
        path: the folder of the search.
        objective: name of the objective, such as "val_accuracy".
        direction: "max" or "min".
        trials: list of `SearchTrial`, all of them.
    """

    path: Path
    objective: str
    direction: str
    trials: list[SearchTrial]

    @property
    def best(self) -> SearchTrial:
        """The best completed trial."""
        return ranked(self.trials, self.direction)[0]

    @property
    def failed(self) -> list[SearchTrial]:
        """The trials that failed; their `reason` says why."""
        return [trial for trial in self.trials if trial.status in ("FAILED", "INVALID")]

    def pareto_front(self, cost: str = "multiply_adds") -> list[SearchTrial]:
        """Returns the trials that no other beats at the same cost or below."""
        return pareto_front(ranked(self.trials, self.direction), cost, self.direction)


def search(
    name: str | None = None,
    *,
    data: str | None = None,
    space=None,
    tuner: str = "hyperband",
    objective: str | None = None,
    max_trials: int | None = None,
    epochs: int | None = None,
    budget: Budget | None = None,
    executions_per_trial: int = 1,
    seed: int = 0,
    directory: str | Path | None = None,
    overrides: dict | None = None,
    fixed: dict | None = None,
    only: list[str] | None = None,
    stopping: str | None = None,
    max_seconds: float | None = None,
    max_trial_seconds: float | None = None,
    factor: int = 3,
    hyperband_iterations: int = 1,
    min_epochs: int = 1,
    validation_share: float = 0.2,
    skip_corrupt: bool = False,
    strategy: str = "auto",
    jit_compile: bool | str = "auto",
    hypermodel: keras_tuner.HyperModel | None = None,
    fit_settings: dict | None = None,
    chief: str | None = None,
    worker: str | None = None,
    worker_id: str | None = None,
    lost_seconds: float = LOST_SECONDS,
    console: Console | None = None,
) -> FinishedSearch:
    """Searches for hyperparameters, with KerasTuner, and keeps every trial in a folder.

    A search that was ended in any way goes on when it is called again with the same settings and
    folder; at most the trial that was running is trained anew. The split "test" is not looked
    at: trials are measured on "validation", held out of the training data if need be.

    Args:
        name: a name from `zoo.list_models()`.
        data: what to train on, as in `zoo.build`; the configuration's own by default.
        space: see `PerceiverHyperModel`.
        tuner: "hyperband", "bayesian", "random" or "grid".
        objective: what the model reports, by default the task's first metric on the held-out
            examples, such as "val_accuracy". "max:NAME" or "min:NAME" for a metric of your own.
        max_trials: int, the most trials; by default 20, as many as Hyperband wants, or the
            whole grid.
        epochs: int, of a whole training; the recipe's by default. Hyperband's trials are shorter.
        budget: `Budget`; no trial is proposed that exceeds it.
        executions_per_trial: int, trainings of each point, of which the mean counts.
        seed: int from 0, of the search and of the trainings.
        directory: the folder of the search; "searches/NAME" by default.
        overrides: fields of the configuration that are the same in all trials.
        fixed: dict from hyperparameters to values that are not searched over.
        only: the hyperparameters to search over; the others keep the model's own values.
        stopping: None, or "median", see `tuning.stopping.MedianStop`.
        max_seconds: float, after which no more trials are begun; a later call may go on.
        max_trial_seconds: float, after which a training fails.
        factor, hyperband_iterations: of Hyperband, see `keras_tuner.Hyperband`.
        min_epochs: int from 1, the least of Hyperband's trials, after which two points can be told
            apart (r of arXiv:1603.06560). Trials have `epochs`, divided by `factor` once or more
            often and rounded up: the shortest have at least so many.
        validation_share: float in (0, 1), see `zoo.training.validation_share`.
        skip_corrupt: bool. Leave out files that cannot be read.
        strategy, jit_compile: as in `zoo.train`, for each trial.
        hypermodel: a `keras_tuner.HyperModel` of your own instead of `name`, `data` and `space`;
            its `fit` gets `epochs`, `initial_epoch`, `callbacks` and `fit_settings`.
        fit_settings: dict for the hypermodel's `fit`, such as its data.
        chief, worker, worker_id: for a search by several processes, see `tuning.workers`.
        lost_seconds: float, how long the chief hears nothing of a worker that it takes for dead.
        console: where the progress goes; standard output by default.

    Returns:
        `FinishedSearch`.

    Raises:
        ZooError: If a setting is wrong, the folder is that of another search, the budget
            admits nothing, or no trial could be completed.
        KeyboardInterrupt: After Ctrl-C; all trials that ended are kept.

    Example:

    >>> found = tuning.search("perceiver_digits_tiny", budget=Budget(multiply_adds=2e6))
    >>> found.best.score, found.best.values
    """
    _check_installed()
    role = role_of(chief, worker, worker_id)
    console, budget, is_own = console or Console(), budget or Budget(), hypermodel is None
    if is_own:
        hypermodel = _hypermodel(
            name,
            data,
            space,
            budget,
            epochs=epochs,
            overrides=overrides,
            fixed=fixed,
            only=only,
            seed=seed,
            strategy=strategy,
            jit_compile=jit_compile,
            validation_share=validation_share,
            skip_corrupt=skip_corrupt,
        )
    elif budget.bounds:
        raise ZooError("A `budget` must come with a model of the zoo. Received: a hypermodel.")
    objective = build_objective(objective, hypermodel if is_own else None)
    settings = SearchSettings(
        name=name,
        data=None if data is None else str(data),
        space=hypermodel.space.__name__ if is_own else type(hypermodel).__name__,
        tuner=tuner,
        objective=objective.name,
        direction=objective.direction,
        epochs=hypermodel.recipe.epochs if is_own else epochs or 1,
        budget=dataclasses.asdict(budget),
        executions_per_trial=executions_per_trial,
        seed=seed,
        overrides=overrides or {},
        fixed=fixed or {},
        only=None if only is None else sorted(only),
        stopping=stopping or "none",
        factor=factor,
        hyperband_iterations=hyperband_iterations,
        min_epochs=min_epochs,
        validation_share=validation_share,
        skip_corrupt=skip_corrupt,
        max_trials=max_trials,
    )
    folder = SearchFolder(directory or Path("searches") / (name or "search"))
    settings = settings.claim(folder, waits=role is not None and not role.is_chief)
    oracle = _build_oracle(
        settings,
        objective,
        _admits(hypermodel, budget) if is_own else _admits_all,
        until=None if max_seconds is None else time.monotonic() + max_seconds,
        waits=role is not None,
    )
    display = _display(console, folder, objective, oracle, settings)
    with contextlib.nullcontext() if role is None else role.announced():
        searcher = SearchTuner(
            oracle,
            hypermodel,
            folder,
            describe=hypermodel.description if is_own else None,
            epochs=settings.epochs,
            seed=seed,
            executions_per_trial=executions_per_trial,
            callbacks=lambda record: _callbacks(record, settings.stopping, max_trial_seconds),
            display=display,
            fit_settings=fit_settings or {},
        )
        run(searcher, folder, role, console, display, float(lost_seconds))
    trials = folder.trials()
    _raise_if_in_vain(oracle, trials)
    return FinishedSearch(folder.path, objective.name, objective.direction, trials)


def _hypermodel(name, data, space, budget, *, seed, **settings):
    """Returns the hypermodel of a model of the zoo, its data read and its budget checked.

    What cannot be read, and a budget that admits nothing, is told before a folder is made.
    """
    if name is None:
        raise ZooError("A search must have the name of a model, or a hypermodel.")
    hypermodel = PerceiverHyperModel(name, data, space, seed=seed, **settings)
    pipeline, _ = hypermodel.data_and_config
    pipeline.num_examples("train")
    if budget.bounds:
        check_admits_something(hypermodel, budget, seed)
    return hypermodel


def check_admits_something(hypermodel, budget, seed=0):
    """Raises a `ZooError` that names the tightest bound if no sampled point is within the budget.

    Args:
        hypermodel: `PerceiverHyperModel`.
        budget: `Budget`.
        seed: int.
    """
    space = keras_tuner.HyperParameters()
    hypermodel.declare_hyperparameters(space)
    sampled = []
    for draw in range(_SAMPLES):
        point = space.copy()
        if draw:  # the first is the model as it is in the zoo
            for i, entry in enumerate(space.space):
                point.values[entry.name] = entry.random_sample(seed + draw * len(space.space) + i)
        sampled.append(hypermodel.costs(point))
        if budget.admits(sampled[-1]):
            return
    raise ZooError(
        f"The budget must admit some model of the space. Received: {budget.tightest(sampled)}."
    )


def _raise_if_in_vain(oracle, trials):
    """Raises a `ZooError` that says why, if no trial has a result or the search gave up."""
    failed = [trial for trial in trials if trial.status in ("FAILED", "INVALID")]
    last = f"The last: {failed[-1].reason}" if failed else ""
    if not any(trial.status == "COMPLETED" for trial in trials):
        if not failed:
            raise ZooError("The search must complete at least one trial. Received: none was run.")
        raise ZooError(f"No trial was completed: {len(failed)} of {len(trials)} failed. {last}")
    if oracle.gave_up:
        raise ZooError(
            f"The search was stopped: its last {oracle.max_consecutive_failed_trials} trials "
            f"failed ({len(failed)} of {len(trials)} in all). {last}"
        )


def _admits(hypermodel, budget):
    return lambda hp: not budget.bounds or budget.admits(hypermodel.costs(hp))


def _admits_all(hp):
    return True


def _build_oracle(settings, objective, admits, *, until, waits):
    kind, max_trials = ORACLES[settings.tuner], settings.max_trials
    more = {"objective": objective, "admits": admits, "seed": settings.seed}
    more |= {"until": until, "waits": waits}
    if settings.tuner == "hyperband":
        return kind(
            max_trials=max_trials,
            max_epochs=settings.epochs,
            min_epochs=settings.min_epochs,
            factor=settings.factor,
            hyperband_iterations=settings.hyperband_iterations,
            **more,
        )
    if max_trials is None and settings.tuner != "grid":
        max_trials = DEFAULT_TRIALS
    return kind(max_trials=max_trials, **more)


def _callbacks(record, stopping, max_trial_seconds):
    callbacks = [FailAtNonFiniteLoss()]
    if max_trial_seconds is not None:
        callbacks.append(FailAtTimeLimit(max_trial_seconds))
    if stopping == "median":
        callbacks.append(MedianStop(record))
    return callbacks


def _display(console, folder, objective, oracle, settings):
    trials, executions = folder.trials(), settings.executions_per_trial
    best = ranked(trials, objective.direction)
    planned = oracle.planned_epochs(settings.epochs)
    done = sum(trial.own_epochs for trial in trials if trial.score is not None)
    return SearchDisplay(
        console,
        objective,
        planned_epochs=None if planned is None else planned * executions,
        done_epochs=done * executions,
        best=best[0].score if best else None,
    )


def _check_installed():
    """Raises a `ZooError` about a package that KerasTuner needs and does not ask for."""
    try:
        import scipy.optimize  # noqa: F401
        import tensorboard.plugins.hparams  # noqa: F401
    except ImportError as error:
        raise ZooError(
            f'A search needs {error.name}: pip install "perceiver-tf[tuning]".'
        ) from error
