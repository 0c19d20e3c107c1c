"""Trains and tests a model on every fold of its data, so that nothing is lost in between."""

import contextlib
import json
import shlex
import time
import warnings
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.text import Text

from zoo.atomic_files import make_folder, replaced_atomically
from zoo.configs import configuration
from zoo.errors import ZooError
from zoo.experiments.kept_report import kept_report
from zoo.experiments.seeds import check_seeds
from zoo.tasks import task_of
from zoo.training.fit import TrainingInterrupted
from zoo.training.train import train

REPORT_FILE = "crossvalidation.json"
FOLD_FIELDS = ("fold", "num_folds", "fold_seed")


def cross_validate(
    name, *, data, out, folds=10, seeds=(0,), overrides=None, console=None, **settings
) -> dict:
    """Trains a model once for each fold and seed, each in a run folder of its own.

    A seed decides the division into folds, the initial weights and the order of the training. The
    test fold is looked at once, with the weights of the last epoch. Called again with the same
    arguments, also after Ctrl-C or a crash, it goes on where it stopped; more seeds may be added.

    Args:
        name: a model whose data is divided into folds.
        data: what to train and test on, as in `zoo.build`; None: the configuration's own.
        out: folder for `seed_0/fold_0` and so on, and the report `crossvalidation.json`.
        folds: int, at least 2.
        seeds: tuple of different ints.
        overrides: fields of the model's configuration to change.
        console: where the progress goes; standard output by default.
        **settings: other arguments of `zoo.train`, fields of the recipe among them.

    Returns:
        dict, the report: what was asked for, "metric", "runs" (a dict of "seed", "fold", "run",
        "train_seconds", "num_examples", "loss" and the metrics for each), and "summary" (see
        `summary_of`).

    Raises:
        ZooError: if the model's data has no folds, a setting is wrong or differs from that of the
            report that is there, or a training fails; what was finished stays.
        TrainingInterrupted: after Ctrl-C.
    """
    console = console or Console()
    asked = _asked(name, data, folds, seeds, overrides, settings)
    folder = Path(out)
    kept = kept_report(folder / REPORT_FILE, asked, "A cross-validation")
    config = configuration(name, **(overrides or {}))
    report = {"runs": [], **kept, **asked, "metric": task_of(config).headline}
    make_folder(folder)
    _write(folder, report)
    done = {(run["seed"], run["fold"]) for run in report["runs"]}
    todo = [(s, f) for s in seeds for f in range(folds) if (s, f) not in done]
    if len(done) and todo:
        console.print(f"Finished before: {len(done)} trainings. Left: {len(todo)}.")
    told: set[str] = set()
    try:
        for count, (seed, fold) in enumerate(todo):
            start = time.perf_counter()
            with _told_once(told):
                run = _train_fold(name, data, folder, overrides, settings, (folds, fold, seed))
            report["runs"].append(run)
            _write(folder, report)
            seconds = time.perf_counter() - start
            left = (len(todo) - count - 1) * seconds
            console.print(
                Text(
                    f"seed {seed}, fold {fold}: {report['metric'].replace('_', ' ')} "
                    f"{run[report['metric']]:.4f}, {seconds:.1f} s"
                    + (f", about {left / 60:.0f} min left" if left > 90 else "")
                )
            )
    except KeyboardInterrupt:
        raise TrainingInterrupted(
            f"Interrupted. Kept in {str(folder)!r}: {len(report['runs'])} of "
            f"{len(seeds) * folds} trainings. Continue with the same command and "
            f"--out {shlex.quote(str(folder))}"
        ) from None
    report["runs"].sort(key=lambda run: (run["seed"], run["fold"]))
    _write(folder, report)
    return report


def summary_of(runs, metric):
    """Returns the figures of all runs together.

    Args:
        runs: list of dicts of "seed" and `metric`.
        metric: str.

    Returns:
        dict of "by_seed", a list of dicts of "seed", "folds", "mean", "std" (over the folds) and
        "min" and "max"; "mean" of the seeds' means; "std_of_seeds", how much they vary (None of
        a single one); and "std_of_folds" over all runs. Deviations are of samples.
    """
    by_seed = []
    for seed in sorted({run["seed"] for run in runs}):
        values = [run[metric] for run in runs if run["seed"] == seed]
        by_seed.append(
            {
                "seed": seed,
                "folds": len(values),
                "mean": float(np.mean(values)),
                "std": _deviation(values),
                "min": min(values),
                "max": max(values),
            }
        )
    means = [row["mean"] for row in by_seed]
    return {
        "by_seed": by_seed,
        "mean": float(np.mean(means)),
        "std_of_seeds": _deviation(means),
        "std_of_folds": _deviation([run[metric] for run in runs]),
    }


def _deviation(values):
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


@contextlib.contextmanager
def _told_once(told):
    """Shows the warnings of the block but those in `told`, a set that it adds them to."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    for warning in caught:
        if str(warning.message) not in told:
            told.add(str(warning.message))
            warnings.showwarning(
                warning.message, warning.category, warning.filename, warning.lineno
            )


def _asked(name, data, folds, seeds, overrides, settings):
    """Returns what two calls must agree in, for JSON, and raises a `ZooError` if it is wrong."""
    overrides = overrides or {}
    config = configuration(name, **overrides)
    if not all(hasattr(config, field) for field in FOLD_FIELDS):
        raise ZooError(
            "The model must be one whose data is divided into folds, such as "
            f"perceiver_mutag_small. Received: {name}."
        )
    for field in FOLD_FIELDS:
        if field in overrides:
            raise ZooError(f"`{field}` is set for each training. Received: {field} in `--set`.")
    if type(folds) is not int or folds < 2:
        raise ZooError(f"`folds` must be an integer of at least 2. Received: folds={folds}.")
    check_seeds(seeds)
    asked = {"name": name, "data": None if data is None else str(Path(data).absolute())}
    asked |= {"folds": folds, "overrides": overrides, "settings": settings}
    return json.loads(json.dumps(asked, default=str))


def _train_fold(name, data, folder, overrides, settings, division):
    folds, fold, seed = division
    path = folder / f"seed_{seed}" / f"fold_{fold}"
    keras.backend.clear_session()  # the graphs of the folds before
    result = train(
        name,
        data=data,
        out=path,
        overrides={**(overrides or {}), "num_folds": folds, "fold": fold, "fold_seed": seed},
        seed=seed,
        resume=path.exists(),
        console=Console(quiet=True),
        **settings,
    )
    return {
        "seed": seed,
        "fold": fold,
        "run": str(path.relative_to(folder)),
        "train_seconds": result.train_seconds,
        "num_examples": result.num_test_examples,
        **result.test_figures,
    }


def _write(folder, report):
    report["summary"] = summary_of(report["runs"], report["metric"]) if report["runs"] else None
    with replaced_atomically(folder / REPORT_FILE) as path:
        path.write_text(json.dumps(report, indent=2) + "\n")
