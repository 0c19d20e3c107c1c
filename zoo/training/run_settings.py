"""What determines the weights of a training run, new or resumed."""

import dataclasses
import platform
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo.configs import as_setting, configuration, plain_configuration
from zoo.errors import ZooError
from zoo.recipes.named import RECIPES
from zoo.recipes.recipe import Recipe
from zoo.tasks import task_of
from zoo.weights.starting import open_starting_weights

PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class RunSettings:
    """Everything that two runs must share to end with the same weights.

    Attributes:
        name: name of the model.
        data: what it is trained on; None for the configuration's own.
        weights: what the model starts from, see `zoo.build`; None: random weights.
        overrides: dict of changed fields of the configuration, those of `weights` among them.
        seed: int from 0 to 2^31 - 1.
        precision: one of `PRECISIONS`.
        skip_corrupt: bool.
        recipe: `zoo.recipes.recipe.Recipe`.
    """

    name: str
    data: str | None
    weights: str | None
    overrides: dict
    seed: int
    precision: str
    skip_corrupt: bool
    recipe: Recipe

    def __post_init__(self):
        if self.precision not in PRECISIONS:
            raise ZooError(
                f"`precision` must be one of {', '.join(PRECISIONS)}. "
                f"Received: precision={self.precision!r}."
            )
        if not 0 <= self.seed < 2**31:
            raise ZooError(f"`seed` must be from 0 to 2^31 - 1. Received: seed={self.seed}.")


def new_settings(name: str, given: dict, recipe_settings: dict) -> RunSettings:
    """Completes the settings of a new run.

    Args:
        name: name of the model.
        given: dict of the other fields of `RunSettings` but the recipe; None: the default.
        recipe_settings: dict of changed fields of the model's recipe.

    Raises:
        ZooError: If a name or a value is wrong.
    """
    overrides, weights = given["overrides"] or {}, _path(given["weights"])
    if weights is not None:
        overrides = open_starting_weights(weights, name).overrides(given["data"], overrides)
    config = configuration(name, **overrides)
    return RunSettings(
        name=name,
        data=_data(given["data"], config),
        weights=weights,
        overrides=overrides,
        seed=given["seed"] or 0,
        precision=given["precision"] or "float32",
        skip_corrupt=given["skip_corrupt"] or False,
        recipe=RECIPES[config.recipe].replace(**recipe_settings),
    )


def resumed_settings(folder, name: str, given: dict, recipe_settings: dict) -> RunSettings:
    """Returns the settings of a run folder, if those that are given agree with them.

    Args:
        folder: `zoo.records.run_folder.RunFolder`.
        name: name of the model.
        given: as in `new_settings`; None: as in the run.
        recipe_settings: as in `new_settings`.

    Raises:
        ZooError: If a setting differs from the run's; the message has both.
    """
    stored = {"weights": None, **folder.config}  # runs of earlier versions have none
    stored["overrides"] = {key: as_setting(v) for key, v in stored["overrides"].items()}
    recipe = Recipe.from_dict(stored["recipe"])
    if given["overrides"]:
        given = {**given, "overrides": {**stored["overrides"], **given["overrides"]}}
    config = configuration(name, **(given["overrides"] or stored["overrides"]))
    now = {"name": name, **given, "data": _data(given["data"], config)}
    now["weights"] = _path(given["weights"])
    wanted = recipe.replace(**recipe_settings)
    changes = [(key, stored[key], value) for key, value in now.items() if value is not None]
    changes += [(key, getattr(recipe, key), getattr(wanted, key)) for key in recipe_settings]
    differing = [f"{key} was {old!r}, now {new!r}" for key, old, new in changes if old != new]
    if differing:
        raise ZooError(
            f"A run is resumed with its own settings. In {str(folder.path)!r} "
            f"{'; '.join(differing)}. Leave them out, or start a new run."
        )
    return RunSettings(name=name, **{key: stored[key] for key in given}, recipe=recipe)


def run_config(settings: RunSettings, entry) -> dict:
    """Returns the contents of a run's config.json."""
    class_names = entry.pipeline.class_names
    return {
        "name": settings.name,
        "data": settings.data,
        "weights": settings.weights,
        "overrides": settings.overrides,
        "seed": settings.seed,
        "precision": settings.precision,
        "skip_corrupt": settings.skip_corrupt,
        "recipe": settings.recipe.to_dict(),
        "headline": task_of(entry.config).headline,
        "num_classes": getattr(entry.config, "num_classes", None),
        "from_data": _from_data(settings, entry.config),
        "configuration": plain_configuration(entry.config),
        "class_names": None if class_names is None else list(class_names),
        "parameters": entry.parameters,
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }


def _from_data(settings, config):
    """Returns the fields of a configuration that the data decided, such as its classes."""
    before = configuration(settings.name, **settings.overrides)
    names = [field.name for field in dataclasses.fields(config)]
    return {k: getattr(config, k) for k in names if getattr(config, k) != getattr(before, k)}


def _data(data, config):
    """Returns where the data is, valid in any working folder; None for the model's own."""
    if data is None or data == config.dataset:
        return None
    return _path(data)


def _path(text):
    """Returns a path, valid in any working folder; another name or None as it is."""
    if text is None or Path(text).exists():
        return None if text is None else str(Path(text).absolute())
    # Options may follow a file, as in "videos.npz:label=action".
    file, ending, options = str(text).partition(".npz:")
    file = Path(file + ".npz")
    return f"{file.absolute()}:{options}" if ending and file.exists() else text
