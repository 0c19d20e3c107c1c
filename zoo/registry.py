"""From the name of a model to its model and pipeline."""

import functools
import pathlib
import re
import warnings

from perceiver_tf.models.skeleton import count_parameters
from zoo import checkpoints
from zoo.configs import MODELS, configuration
from zoo.entry import Entry
from zoo.errors import ZooError
from zoo.tasks import task_of


def list_models():
    """Return the names of all models, in the order of the table."""
    return tuple(MODELS)


def build(name, weights=None, data=None, skip_corrupt=False, **overrides):
    """Return the model of that name together with its pipeline.

    Args:
        name: str, one of `list_models()`.
        weights: what to load; None: random weights. A `.keras` or `.weights.h5` file; or
            published weights, converted: a folder of transformers', a pickle of DeepMind's, or a
            name on the hub, such as "deepmind/vision-perceiver-fourier" (see
            `zoo.checkpoints`). Numerics and sizes are then those of the weights, unless
            `overrides` say otherwise.
        data: where the pipeline reads; for images: "digits", a `.npz` file, a folder of images
            by class, or the name of a TensorFlow dataset (see `zoo.image_sources.open_source`);
            for others see their pipelines, such as `zoo.point_cloud_sources.open_point_clouds`.
            A classifier gets as many outputs as the data has classes. None: the
            configuration's own data set, opened only when batches are asked for.
        skip_corrupt: bool, whether files that do not decode are left out (and counted)
            instead of ending the run.
        **overrides: fields of the configuration to replace, for instance `num_latents=64`.

    Returns:
        `Entry` of name, config, model and pipeline.

    Raises:
        ZooError: if a name, field, value, path or file is wrong.

    Example:

    >>> entry = build("perceiver_digits_tiny")
    >>> entry.model.fit(entry.pipeline.batches("train", 64, training=True))
    """
    converts = weights is not None and checkpoints.is_checkpoint(weights)
    if converts:
        weights = checkpoints.opened(weights)
        overrides = {**checkpoints.settings_of(weights, name), **overrides}
    config = configuration(name, **overrides)
    task = task_of(config)
    pipeline = task.build_pipeline(config, data or config.dataset, skip_corrupt=skip_corrupt)
    if data is not None and "num_classes" not in overrides:
        config, pipeline = task.adapted(config, pipeline)
    try:
        model = build_model(config, name)
    except (TypeError, ValueError) as error:
        raise ZooError(f"{name} cannot be built so: {_reason(error)}") from error
    class_names = None
    if converts:
        checkpoints.load_into(model, config, weights)
        class_names = checkpoints.class_names_of(weights)
    elif weights is not None:
        load_weights(model, weights)
    return Entry(name, config, model, pipeline, class_names)


def build_model(config, name="model"):
    """Return the model of a configuration, without a pipeline and with random weights.

    Args:
        config: what `configuration` returns.
        name: str, name of the model.

    Returns:
        functional `keras.Model`.
    """
    return task_of(config).build_model(config, name)


def parameter_count(config):
    """Return the number of trainable parameters of a configuration without building it."""
    return count_parameters(functools.partial(build_model, config))


def load_weights(model, path):
    """Give a model the weights of a file.

    Args:
        model: `keras.Model`.
        path: str or path of a `.keras` or `.weights.h5` file of the same architecture.

    Raises:
        ZooError: if there is no such file, or its weights are not those of this model.
    """
    if not pathlib.Path(path).is_file():
        raise ZooError(f"There are no weights at {path}.")
    try:
        with warnings.catch_warnings():
            # Keras warns of some weights that it leaves as they are.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except (ValueError, OSError, UserWarning) as error:
        raise ZooError(
            f"The weights at {path} are not those of {model.name}: {_reason(error)}"
        ) from error


def _reason(error):
    """Return the line of a Keras error that tells the cause, without colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    return next((line for line in lines if not line.startswith("Exception encountered")), "")
