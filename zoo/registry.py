"""From the name of a model to its model and pipeline."""

import dataclasses
import difflib
import functools

from perceiver_tf.models.skeleton import count_parameters
from zoo.configs import MODELS, ImageClassifierConfig
from zoo.errors import ZooError
from zoo.image import image_pipeline
from zoo.image_models import image_classifier
from zoo.pipeline import Entry

BUILDERS = {ImageClassifierConfig: (image_classifier, image_pipeline)}


def list_models():
    """Return the names of all models, in the order of the table."""
    return tuple(MODELS)


def configuration(name, **overrides):
    """Return the configuration of a named model, with some fields replaced.

    Args:
        name: str, one of `list_models()`.
        **overrides: fields of the configuration or of its `architecture`.

    Raises:
        ZooError: if there is no such model or field (the nearest is named), or a value is
            invalid.
    """
    if name not in MODELS:
        raise ZooError(f"unknown model {name!r}{_nearest(name, MODELS)}")
    config = MODELS[name]
    own = {field.name for field in dataclasses.fields(config)} - {"architecture"}
    architectural = {field.name for field in dataclasses.fields(config.architecture)}
    for field in overrides:
        if field not in own | architectural:
            raise ZooError(f"{name} has no setting {field!r}{_nearest(field, own | architectural)}")
    try:
        architecture = dataclasses.replace(
            config.architecture,
            **{key: value for key, value in overrides.items() if key in architectural},
        )
        return dataclasses.replace(
            config,
            architecture=architecture,
            **{key: value for key, value in overrides.items() if key in own},
        )
    except ValueError as error:
        raise ZooError(str(error)) from error


def build(name, weights=None, data=None, skip_corrupt=False, **overrides):
    """Return the model of that name together with its pipeline.

    Args:
        name: str, one of `list_models()`.
        weights: path of weights to load (`.keras` or `.weights.h5`); None: random ones.
        data: where the pipeline reads: "digits", a `.npz` file, a folder of images by class,
            or the name of a TensorFlow dataset (see `zoo.image_sources.open_source`). The
            model gets as many outputs as the data has classes. None: the configuration's own
            data set, opened only when batches are asked for.
        skip_corrupt: bool, whether images that do not decode are left out (and counted)
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
    config = configuration(name, **overrides)
    build_model, build_pipeline = BUILDERS[type(config)]
    pipeline = build_pipeline(config, data or config.dataset, skip_corrupt=skip_corrupt)
    if data is not None and "num_classes" not in overrides:
        config = dataclasses.replace(config, num_classes=pipeline.source.num_classes)
        pipeline = build_pipeline(config, data, skip_corrupt=skip_corrupt)
    model = build_model(config, name)
    if weights is not None:
        model.load_weights(weights)
    return Entry(name=name, config=config, model=model, pipeline=pipeline)


def parameter_count(config):
    """Return the number of trainable parameters of a configuration without building it."""
    build_model, _ = BUILDERS[type(config)]
    return count_parameters(functools.partial(build_model, config))


def _nearest(name, names):
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    return (
        f"; did you mean {nearest[0]!r}?" if nearest else f"; known are {', '.join(sorted(names))}"
    )
