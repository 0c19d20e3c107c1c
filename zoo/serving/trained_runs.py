"""Trained runs as models of the zoo."""

from zoo import registry
from zoo.configs import (
    as_setting,
    check_prediction_fields,
    configuration,
    fields_from_data,
    plain_configuration,
    plain_defaults,
)
from zoo.errors import ZooError
from zoo.records.run_folder import RunFolder
from zoo.weights.starting import load_weights


def load_run(path, *, with_data: bool = True, changes: dict | None = None):
    """Builds the model of a run folder with its trained weights, in float32.

    Args:
        path: the run folder.
        with_data: bool. If False, the run's data is not opened, so it need not be there: the
            pipeline's `preprocess` and the class names in the configuration are those of the
            run, but its batches are not.
        changes: fields of the configuration that decide how the model predicts and leave its
            weights as they are, its `prediction_fields`, such as `{"shifted_views": 2}` of images
            or `{"num_windows": 4}` of sounds and videos.

    Returns:
        `(entry, config)`: a `zoo.entry.Entry` and the contents of config.json as a dict.

    Raises:
        ZooError: If `path` is not a run folder, nothing was trained in it yet, the data is
            missing, the named model is another one in this version, or `changes` has other
            fields.
    """
    folder = RunFolder.open(path)
    if not folder.model_path.exists():
        raise ZooError(
            f"The run folder {str(path)!r} must hold a trained model. "
            "Received: no model.keras, as no epoch was finished."
        )
    config = folder.config
    settings = {name: as_setting(value) for name, value in config["overrides"].items()}
    if with_data:
        settings |= {"data": config["data"], "skip_corrupt": config["skip_corrupt"]}
    else:
        settings |= fields_from_data(config)
    settings = _structure(config) | settings
    changes = changes or {}
    check_prediction_fields(configuration(config["name"]), changes)
    entry = registry.build(config["name"], **settings | changes)
    _check_unchanged(path, config, entry.config, changes)
    load_weights(entry.model, folder.model_path)
    return entry, config


def _structure(run):
    """Returns the fields of a run that change the layers of a model but none of its numbers."""
    usual = plain_configuration(configuration(run["name"]))
    if "configuration" not in run or "rematerialise" not in usual:
        return {}
    return {"rematerialise": run["configuration"].get("rematerialise", False)}


def _check_unchanged(path, run, config, changes):
    """Raises a `ZooError` if the model of a name was another one when the run was made."""
    now = plain_configuration(config)
    kept = run.get("configuration", now)
    # A field that is younger than the run: what its default does is what was done without it.
    defaults = plain_defaults(config)
    for name in [name for name in now | kept if name not in changes]:
        before = kept.get(name, defaults.get(name))
        if now.get(name) != before:
            raise ZooError(
                f"The run {str(path)!r} is of another {run['name']} than this version's: it has "
                f"{name}={before!r}, and {now.get(name)!r} here."
            )
