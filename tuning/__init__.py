"""Hyperparameter search over the models of the zoo, on KerasTuner.

Names load on first use, so that `import tuning` costs nothing.
"""

import importlib

_MODULE_OF = {
    "SPACES": "tuning.spaces",
    "Budget": "tuning.budget",
    "FinishedSearch": "tuning.searching",
    "PerceiverHyperModel": "tuning.hypermodel",
    "Proposal": "tuning.spaces",
    "apply": "tuning.applying",
    "read_trials": "tuning.trials",
    "report": "tuning.reporting",
    "search": "tuning.searching",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'tuning' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__():
    return [*globals(), *__all__]
