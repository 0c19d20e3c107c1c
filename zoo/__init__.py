"""The model zoo: models paired with their data, from raw files to a served SavedModel.

Names load on first use, so that `import zoo` costs nothing.
"""

import importlib

_MODULE_OF = {
    "Entry": "zoo.entry",
    "Pipeline": "zoo.data.pipeline",
    "ZooError": "zoo.errors",
    "build": "zoo.registry",
    "build_model": "zoo.registry",
    "configuration": "zoo.configs",
    "endpoints_of": "zoo.serving.endpoints",
    "evaluate": "zoo.training.train",
    "export": "zoo.serving.saved_model",
    "list_models": "zoo.registry",
    "load_run": "zoo.serving.trained_runs",
    "parameter_count": "zoo.registry",
    "train": "zoo.training.train",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__():
    return [*globals(), *__all__]
