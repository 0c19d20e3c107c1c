"""From the name of a model to its model and pipeline."""

import functools

from perceiver_tf.models.skeleton import count_parameters
from zoo.configs import MODELS, configuration
from zoo.entry import Entry
from zoo.errors import ZooError
from zoo.tasks import task_of
from zoo.weights.starting import cause_of, open_starting_weights


def list_models():
    """Return the names of all models, in the order of the table."""
    return tuple(MODELS)


def build(name, weights=None, data=None, skip_corrupt=False, **overrides):
    """Return the model of that name together with its pipeline.

    Args:
        name: str, one of `list_models()`.
        weights: what to start from; None: random weights. A `.keras` or `.weights.h5` file; a
            run folder; or published weights, converted: a folder of transformers', a pickle of
            DeepMind's, or a name on the hub, such as "deepmind/vision-perceiver-fourier" (see
            `zoo.weights.checkpoints`). Numerics and sizes are those of the weights where these tell
            them, unless `overrides` say otherwise; for another number of classes, of `data` or
            given by `num_classes`, the layer of the classes is new and all else is loaded.
        data: where the pipeline reads; for images: "digits", a `.npz` file, a folder of images
            by class, or the name of a TensorFlow dataset (see `zoo.images.sources.open_source`);
            for others see their pipelines, such as `zoo.point_clouds.sources.open_point_clouds`.
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
    start = None if weights is None else open_starting_weights(weights, name)
    if start is not None:
        overrides = start.overrides(data, overrides)
    config, pipeline = open_pipeline(name, data, skip_corrupt, **overrides)
    try:
        model = build_model(config, name)
    except (TypeError, ValueError) as error:
        raise ZooError(f"{name} cannot be built so: {cause_of(error)}") from error
    class_names = None
    if start is not None:
        start.load(model, config)
        if data is None or pipeline.class_names is None:  # names of the data go before
            class_names = start.names_for(config)
    return Entry(name, config, model, pipeline, class_names)


def open_pipeline(name, data=None, skip_corrupt=False, **overrides):
    """Return a model's configuration and its pipeline, without building the model.

    Args:
        name, data, skip_corrupt, **overrides: as in `build`.

    Raises:
        ZooError: if a name, field, value, path or file is wrong.
    """
    config = configuration(name, **overrides)
    task = task_of(config)
    pipeline = task.build_pipeline(config, data or config.dataset, skip_corrupt=skip_corrupt)
    if data is not None and "num_classes" not in overrides:
        config, pipeline = task.adapted(config, pipeline)
    return config, pipeline


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
