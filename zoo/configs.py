"""All named models, and how their configurations are changed.

To add a configuration, add a row to the table of its kind (`zoo.images.configs` and the like); a
test recounts the parameters of every row. This module loads neither Keras nor TensorFlow, so that
listing the models is instant.
"""

import dataclasses
import json

from zoo.audio.configs import AUDIO_MODELS
from zoo.audio_video.configs import AUDIO_VIDEO_MODELS
from zoo.baselines.configs import BASELINE_MODELS
from zoo.errors import ZooError
from zoo.graphs.configs import GRAPH_MODELS
from zoo.images.configs import IMAGE_MODELS
from zoo.multimodal.configs import MULTIMODAL_MODELS
from zoo.names import nearest
from zoo.optical_flow.configs import FLOW_MODELS
from zoo.point_clouds.configs import POINT_CLOUD_MODELS
from zoo.recipes.named import RECIPES
from zoo.sets.configs import SET_MODELS
from zoo.text.configs import TEXT_MODELS
from zoo.video.configs import VIDEO_MODELS

FIXED_FIELDS = {"summary", "source", "parameters", "architecture"}
NOT_OF_THE_MODEL = FIXED_FIELDS | {"recipe", "dataset"}
MODELS = {
    **IMAGE_MODELS,
    **AUDIO_MODELS,
    **VIDEO_MODELS,
    **AUDIO_VIDEO_MODELS,
    **MULTIMODAL_MODELS,
    **POINT_CLOUD_MODELS,
    **TEXT_MODELS,
    **FLOW_MODELS,
    **GRAPH_MODELS,
    **SET_MODELS,
    **BASELINE_MODELS,
}


def configuration(name, /, **overrides):
    """Return the configuration of a named model, with some fields replaced.

    Args:
        name: str, a row of `MODELS`.
        **overrides: fields of the configuration or of its `architecture`.

    Raises:
        ZooError: if there is no such model or field (the nearest is named), or a value is
            invalid.
    """
    if name not in MODELS:
        raise ZooError(f"There is no model named {name!r}.{_nearest(name, MODELS)}")
    config = MODELS[name]
    own = {row.name for row in dataclasses.fields(config)} - FIXED_FIELDS
    architectural = {row.name for row in dataclasses.fields(config.architecture)}
    for key in overrides:
        if key not in own | architectural:
            hint = _nearest(key, own | architectural, cutoff=0.6)
            raise ZooError(f"{name} has no setting {key!r}.{hint}")
    recipe = overrides.get("recipe", config.recipe)
    if recipe not in RECIPES:
        raise ZooError(f"There is no recipe named {recipe!r}.{_nearest(recipe, RECIPES)}")
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
    except (TypeError, ValueError) as error:
        raise ZooError(str(error)) from error


def plain_configuration(config) -> dict:
    """Returns the fields of a configuration and its `architecture` that decide what a model is.

    They are as JSON holds them, so that those of a run compare with those of a table.
    """
    fields = dataclasses.asdict(config)
    fields = fields["architecture"] | {
        name: value for name, value in fields.items() if name not in NOT_OF_THE_MODEL
    }
    return json.loads(json.dumps(fields))


def plain_defaults(config) -> dict:
    """Returns the defaults of the fields of `plain_configuration`, of those that have one."""
    fields = (*dataclasses.fields(config.architecture), *dataclasses.fields(config))
    defaults = {
        field.name: field.default for field in fields if field.default is not dataclasses.MISSING
    }
    return json.loads(json.dumps(defaults))


def check_prediction_fields(config, changes):
    """Raises a `ZooError` if fields are changed of a trained model that decided its training.

    Args:
        config: the configuration of a trained model.
        changes: names of fields.
    """
    own = getattr(config, "prediction_fields", ())
    for name in changes:
        if name not in own:
            known = f"can be changed: {', '.join(own)}" if own else "none can be changed"
            raise ZooError(
                "Of a trained model only what decides how it predicts may be changed. "
                f"Received: {name}; of this model {known}."
            )


def as_setting(value):
    """Returns a value of an override as it was before its way through JSON."""
    return tuple(value) if isinstance(value, list) else value


def fields_from_data(config):
    """Returns the fields of a configuration that a run's data decided.

    Args:
        config: dict, the contents of a run's config.json, or what a `.keras` file says of itself.
    """
    fields = {name: as_setting(value) for name, value in config.get("from_data", {}).items()}
    if config.get("num_classes") is not None:
        fields["num_classes"] = config["num_classes"]
    return fields


def _nearest(name, names, cutoff=0.4):
    """Returns the nearest name, or all; names of models are long, so a part of one is near."""
    return nearest(name, names, cutoff) or f" Known are {', '.join(sorted(names))}."
