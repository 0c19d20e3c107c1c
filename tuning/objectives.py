"""What a search maximises or minimises."""

import keras
import keras_tuner

from tuning.tuner import no_such_objective
from zoo.errors import ZooError
from zoo.recipes.named import RECIPES
from zoo.tasks import task_of

_MAXIMISED = ("accuracy", "psnr", "precision", "recall", "auc")


def build_objective(text, hypermodel=None) -> keras_tuner.Objective:
    """Returns the objective of a search.

    Args:
        text: the name of a metric, with "val_" for the held-out examples; "max:NAME" or
            "min:NAME" says the direction. None: the headline of the hypermodel's task, held out.
        hypermodel: `PerceiverHyperModel`, whose metrics are known; None for another.

    Raises:
        ZooError: If the model does not report it, or the direction is unknown.
    """
    if text is None:
        if hypermodel is None:
            raise ZooError("`objective` must be given with a hypermodel of your own.")
        text = f"val_{hypermodel.headline}"
    direction, separator, name = text.rpartition(":")
    if separator and direction not in ("max", "min"):
        raise ZooError(f"`objective` must be NAME, max:NAME or min:NAME. Received: {text!r}.")
    if hypermodel is not None:
        reported = _reported(hypermodel)
        if name not in reported:
            raise ZooError(no_such_objective(name, reported))
    return keras_tuner.Objective(name, direction or _direction(name))


def _direction(name):
    return "max" if name.endswith(_MAXIMISED) else "min"


def _reported(hypermodel):
    """Returns what a model reports after an epoch, from its task's loss and metrics."""
    config = hypermodel.config
    compiled = task_of(config).compiled(config, RECIPES[config.recipe])
    metrics = compiled.get("metrics") or []
    names = {"loss"}
    if isinstance(metrics, dict):
        # Keras puts the output's name before the metrics of a model with several.
        for output, of_output in metrics.items():
            listed = of_output if isinstance(of_output, list | tuple) else [of_output]
            names |= {f"{output}_{_name_of(metric)}" for metric in listed}
            names |= {f"{output}_loss"}
    else:
        names |= {_name_of(metric) for metric in metrics}
    return names | {f"val_{name}" for name in names}


def _name_of(metric):
    return metric if isinstance(metric, str) else keras.metrics.get(metric).name
