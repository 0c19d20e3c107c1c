"""Trained runs as models of the zoo."""

from zoo import registry
from zoo.configs import as_setting, fields_from_data
from zoo.errors import ZooError
from zoo.records.run_folder import RunFolder


def load_run(path, *, with_data: bool = True):
    """Builds the model of a run folder with its trained weights, in float32.

    Args:
        path: the run folder.
        with_data: bool. If False, the run's data is not opened, so it need not be there: the
            pipeline's `preprocess` and the class names in the configuration are those of the
            run, but its batches are not.

    Returns:
        `(entry, config)`: a `zoo.entry.Entry` and the contents of config.json as a dict.

    Raises:
        ZooError: If `path` is not a run folder, nothing was trained in it yet, or the data is
            missing.
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
    entry = registry.build(config["name"], **settings)
    entry.model.load_weights(folder.model_path)
    return entry, config
