"""From the best trial of a search to a trained and exported model."""

import os
from pathlib import Path

from tuning.trials import SearchFolder, SearchTrial, ranked
from zoo.configs import as_setting
from zoo.errors import ZooError


def chosen_trial(path, trial_id=None, bounds: dict | None = None) -> SearchTrial:
    """Returns the best completed trial of a search within bounds, or the one of that id.

    Args:
        path: the folder of the search.
        trial_id: str, or None.
        bounds: dict from "parameters", "multiply_adds" or "training_bytes" to the most allowed.

    Raises:
        ZooError: If there is none.
    """
    folder = SearchFolder.open(path)
    done = ranked(folder.trials(), folder.settings["direction"])
    if trial_id is not None:
        found = [trial for trial in folder.trials() if trial.trial_id == trial_id]
        if not found:
            raise ZooError(f"There is no trial {trial_id!r} in {str(path)!r}.")
        return found[0]
    if not done:
        raise ZooError(f"No trial of {str(path)!r} is completed yet.")
    bounds = {name: most for name, most in (bounds or {}).items() if most is not None}
    within = [t for t in done if all(getattr(t, n) <= most for n, most in bounds.items())]
    if not within:
        said = ", ".join(f"{name} <= {most:,.0f}" for name, most in bounds.items())
        raise ZooError(f"None of the {len(done)} completed trials has {said}.")
    return within[0]


def training_settings(path, trial: SearchTrial) -> dict:
    """Returns the arguments of `zoo.train` that train a trial's point in full.

    Args:
        path: the folder of the search.
        trial: `SearchTrial`.

    Raises:
        ZooError: If the search was not over a model of the zoo.
    """
    settings = SearchFolder.open(path).settings
    if settings["name"] is None or trial.overrides is None:
        raise ZooError("Only a search over a model of the zoo can be applied.")
    overrides = settings["overrides"] | trial.overrides
    return {
        "name": settings["name"],
        "data": settings["data"],
        "overrides": {name: as_setting(value) for name, value in overrides.items()},
        "skip_corrupt": settings["skip_corrupt"],
        **{"epochs": settings["epochs"], **trial.recipe},
    }


def run_folder(path, out=None) -> Path:
    """Returns where `apply` trains: `out`, or "best" in the folder of the search."""
    return Path(out) if out is not None else SearchFolder(path).path / "best"


def apply(path, out=None, trial_id=None, bounds=None, export=True, console=None, **settings):
    """Trains the best point of a search in full, on all training data, and exports the model.

    Called again after an interruption, with the same arguments, it goes on: a training from its
    last checkpoint, and one that is done is exported.

    Args:
        path: the folder of the search.
        out: the run folder; "best" in the folder of the search by default. It must not exist, or
            hold a run of the same point and settings.
        trial_id, bounds: see `chosen_trial`.
        export: bool, whether to write a SavedModel into the run folder.
        console: `rich.console.Console` for the progress.
        **settings: for `zoo.train`, such as `seed` or `epochs`.

    Returns:
        `(result, saved_model)`: `zoo.training.train.RunResult`, and the path of the SavedModel or
        None.

    Raises:
        ZooError: As of `zoo.train`, or if there is nothing to apply, or the run folder holds
            another run.
    """
    from tuning.same_run import check_same_run
    from zoo.serving.saved_model import export as export_model
    from zoo.serving.trained_runs import load_run
    from zoo.training.train import train

    trial = chosen_trial(path, trial_id, bounds)
    found = training_settings(path, trial)
    run = run_folder(path, out)
    name, wanted = found.pop("name"), {**found, **settings}
    begun = os.path.lexists(run)
    if begun:
        check_same_run(run, name, wanted)
    result = train(name, out=run, console=console, resume=begun, **wanted)
    if not export:
        return result, None
    saved_model = run / "saved_model"
    export_model(load_run(run)[0], saved_model, overwrite=begun)
    return result, saved_model
