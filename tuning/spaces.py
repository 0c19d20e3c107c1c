"""The search spaces: what may be drawn for a model, and the configuration that it makes.

A space is a function of `(hp, config, recipe)` to a `Proposal`: it asks `hp`, KerasTuner's
`HyperParameters`, for values and turns them into changes of the model's configuration and of its
recipe. The defaults are the model's own, so that the first point of every space is the model as
it is in the zoo. Every point is a valid model: widths are multiples of all numbers of heads.

Spaces load neither Keras nor TensorFlow.
"""

import dataclasses
import math
from dataclasses import dataclass, field

from perceiver_tf.choices import SHARING_SCHEMES
from perceiver_tf.models.configs import PerceiverConfig, PerceiverIOConfig
from zoo.augment import Augmentation
from zoo.costs import rows_of
from zoo.errors import ZooError
from zoo.image_configs import ImageClassifierConfig
from zoo.point_cloud_configs import PointCloudClassifierConfig
from zoo.text_configs import MaskedLanguageConfig, TextClassifierConfig

_LEAST_CHANNELS_PER_HEAD = 8
_STRENGTHS = (0.0, 0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Proposal:
    """A point of a search space.

    Attributes:
        overrides: dict of changed fields of the model's configuration, as `zoo.build` takes them.
        recipe: dict of changed fields of its recipe, as `Recipe.replace` takes them.
    """

    overrides: dict = field(default_factory=dict)
    recipe: dict = field(default_factory=dict)


def perceiver(hp, config, recipe) -> Proposal:
    """The original Perceiver as a classifier of images (arXiv:2103.03206)."""
    overrides = _encoder(hp, config) | _iterations(hp, config.architecture)
    return Proposal(overrides | _positions(hp, config), _image_recipe(hp, recipe))


def point_clouds(hp, config, recipe) -> Proposal:
    """The original Perceiver as a classifier of point clouds (arXiv:2103.03206, section 4.3)."""
    overrides = _encoder(hp, config) | _iterations(hp, config.architecture)
    overrides["num_frequency_bands"] = _scaled(
        hp, "num_frequency_bands", config.num_frequency_bands, (0.5, 1, 1.5, 2)
    )
    factor = _choice(hp, "max_frequency_factor", (0.5, 1.0, 2.0), 1.0)
    if factor != 1.0:
        overrides["max_resolution"] = factor * config.max_resolution
    overrides["num_points"] = _scaled(hp, "num_points", config.num_points, (0.5, 1))
    return Proposal(overrides, _recipe(hp, recipe))


def perceiver_io(hp, config, recipe) -> Proposal:
    """Perceiver IO as a classifier of images (arXiv:2107.14795)."""
    overrides = _encoder(hp, config) | {
        "num_blocks": _choice(hp, "num_blocks", (1, 2, 4, 8), config.architecture.num_blocks)
    }
    return Proposal(overrides | _positions(hp, config), _image_recipe(hp, recipe))


def language(hp, config, recipe) -> Proposal:
    """Perceiver IO on bytes or tokens: masked language models and classifiers of texts."""
    overrides = _encoder(hp, config) | {
        "token_channels": _scaled(
            hp, "token_channels", config.token_channels, (0.5, 1, 1.5), _heads_unit(config)
        ),
    }
    return Proposal(overrides, _recipe(hp, recipe))


SPACES = {space.__name__: space for space in (perceiver, perceiver_io, language, point_clouds)}


def space_of(config):
    """Returns the space that fits a configuration.

    Raises:
        ZooError: if there is none.
    """
    if isinstance(config, ImageClassifierConfig):
        is_original = isinstance(config.architecture, PerceiverConfig)
        return perceiver if is_original else perceiver_io
    if isinstance(config, MaskedLanguageConfig | TextClassifierConfig):
        return language
    if isinstance(config, PointCloudClassifierConfig):
        return point_clouds
    raise ZooError(
        "A search over a model of this kind must be given a space of your own, a function from "
        f"(hp, config, recipe) to a Proposal. Received: {type(config).__name__} and no space."
    )


def check_fits(space, config):
    """Raises a `ZooError` if a space of this module is for another kind of model."""
    kinds = {
        perceiver: (ImageClassifierConfig, PerceiverConfig),
        perceiver_io: (ImageClassifierConfig, PerceiverIOConfig),
        language: ((MaskedLanguageConfig, TextClassifierConfig), PerceiverIOConfig),
        point_clouds: (PointCloudClassifierConfig, PerceiverConfig),
    }
    if space not in kinds:
        return
    task, architecture = kinds[space]
    if not (isinstance(config, task) and isinstance(config.architecture, architecture)):
        raise ZooError(
            f"The space {space.__name__!r} must be given a model of its kind. Received: "
            f"{type(config).__name__} with {type(config.architecture).__name__}; "
            f"its own space is {space_of(config).__name__!r}."
        )


def _encoder(hp, config):
    """Returns what any encoder may change: latents, their transformer, heads, dropout."""
    architecture = config.architecture
    heads = _self_attention_heads(architecture)
    channels = _scaled(
        hp,
        "latent_channels",
        architecture.latent_channels,
        (0.5, 0.75, 1, 1.5, 2),
        math.lcm(*heads),
    )
    return {
        "num_latents": _scaled(hp, "num_latents", architecture.num_latents, (0.5, 1, 2, 4)),
        "latent_channels": channels,
        "num_self_attends_per_block": _choice(
            hp, "num_self_attends_per_block", (1, 2, 3, 4, 6, 8),
            architecture.num_self_attends_per_block,
        ),
        "num_self_attention_heads": _choice(
            hp, "num_self_attention_heads", heads, architecture.num_self_attention_heads
        ),
        **_cross_attention_heads(hp, config, channels),
        "self_attention_widening_factor": _choice(
            hp, "self_attention_widening_factor", (1, 2, 4),
            architecture.self_attention_widening_factor,
        ),
        "cross_attention_widening_factor": _choice(
            hp, "cross_attention_widening_factor", (1, 2, 4),
            architecture.cross_attention_widening_factor,
        ),
        "dropout": _choice(
            hp, "dropout", (0.0, 0.05, 0.1, 0.2, 0.3, 0.4), architecture.dropout
        ),
    }  # fmt: skip


def _iterations(hp, architecture):
    """Returns what the original Perceiver may change besides: cross-attends and sharing."""
    numbers = (1, 2, 3, 4, 8)
    return {
        "num_cross_attends": _choice(
            hp, "num_cross_attends", numbers, architecture.num_cross_attends
        ),
        "sharing": hp.Choice("sharing", list(SHARING_SCHEMES), default=architecture.sharing),
    }


def _self_attention_heads(architecture):
    """Returns numbers of heads that divide every width in question and leave each head enough."""
    widths = [
        architecture.latent_channels,
        architecture.self_attention_qk_channels,
        architecture.self_attention_v_channels,
    ]
    least = architecture.latent_channels // 2 // _LEAST_CHANNELS_PER_HEAD
    heads = {
        number
        for number in (1, 2, 4, 8, 16)
        if number <= least and all(width is None or width % number == 0 for width in widths)
    }
    return tuple(sorted(heads | {architecture.num_self_attention_heads}))


def _heads_unit(config):
    """Returns the number that the width of what the latents read must be a multiple of."""
    return math.lcm(8, config.architecture.num_cross_attention_heads)


def _cross_attention_heads(hp, config, latent_channels):
    """Returns heads of the cross-attend, with widths that they divide.

    Widths that the configuration leaves open are those of one head, rounded up to a multiple of
    the heads.
    """
    architecture = config.architecture
    name = "num_cross_attention_heads"
    given = (architecture.cross_attention_qk_channels, architecture.cross_attention_v_channels)
    widths = [width for width in given if width is not None]
    heads = [n for n in (1, 2, 4, 8) if all(width % n == 0 for width in widths)]
    number = _choice(hp, name, heads, architecture.num_cross_attention_heads)
    if widths or number == 1:
        return {name: number}
    width = min(latent_channels, rows_of(config).channels)
    return {name: number, "cross_attention_qk_channels": -(-width // number) * number}


def _positions(hp, config):
    """Returns the Fourier features: bands, and the highest frequency as a share of the model's."""
    if config.positions == "learned":
        return {}
    overrides = {
        "num_frequency_bands": _scaled(
            hp, "num_frequency_bands", config.num_frequency_bands, (0.5, 1, 1.5, 2)
        )
    }
    factor = _choice(hp, "max_frequency_factor", (0.5, 1.0, 2.0), 1.0)
    if factor != 1.0:
        resolution = tuple(max(1, round(factor * side)) for side in config.resolution)
        overrides["max_resolution"] = resolution
    return overrides


def _recipe(hp, recipe):
    """Returns how to train: optimiser, rate and its schedule, decay, batch, smoothing."""
    schedule = _choice(hp, "schedule", ("cosine", "flat_cosine", "constant"), recipe.schedule)
    settings = {
        "optimizer": _choice(hp, "optimizer", ("adamw", "lamb", "muon"), recipe.optimizer),
        "learning_rate": _logarithmic(hp, "learning_rate", recipe.learning_rate, 5.0),
        "schedule": schedule,
        "warmup_share": _choice(hp, "warmup_share", (0.0, 0.02, 0.05, 0.1), recipe.warmup_share),
        "weight_decay": _choice(
            hp, "weight_decay", (0.0, 0.01, 0.05, 0.1, 0.2), recipe.weight_decay
        ),
        "batch_size": _scaled(hp, "batch_size", recipe.batch_size, (0.5, 1, 2)),
        "label_smoothing": _choice(
            hp, "label_smoothing", (0.0, 0.05, 0.1), recipe.label_smoothing
        ),
    }  # fmt: skip
    if schedule == "flat_cosine" and not recipe.constant_fraction:
        settings["constant_fraction"] = 0.5
    return settings


def _image_recipe(hp, recipe):
    """Returns how to train on images, with augmentation of another strength."""
    strength = _choice(hp, "augmentation_strength", _STRENGTHS, 1.0)
    return _recipe(hp, recipe) | {"augmentation": strengthened(recipe.augmentation, strength)}


def strengthened(augmentation: Augmentation, strength: float) -> dict:
    """Returns an augmentation whose changes are `strength` times as large, each up to its limit.

    Args:
        augmentation: `zoo.augment.Augmentation`.
        strength: float >= 0; 0 turns everything off, 1 changes nothing. What can only be on or
            off (mirroring) is on for any other strength.

    Returns:
        dict of the fields of `Augmentation`.
    """
    if strength == 1:
        return dataclasses.asdict(augmentation)
    if strength == 0:
        return dataclasses.asdict(Augmentation(fill=augmentation.fill))
    limits = {"max_shift": 1.0, "max_rotation": 180.0, "max_zoom": 0.9, "mix_up": 1.0}
    limits |= {"cut_mix": 1.0, "erase": 1.0}
    settings = dataclasses.asdict(augmentation)
    for name, limit in limits.items():
        settings[name] = min(strength * settings[name], limit)
    if augmentation.rand_augment is not None:
        num_layers, magnitude = augmentation.rand_augment
        settings["rand_augment"] = (num_layers, min(strength * magnitude, 10.0))
    if augmentation.random_resized_crop is not None:
        least, most = augmentation.random_resized_crop
        settings["random_resized_crop"] = (max(most - strength * (most - least), 0.01), most)
    return settings


def _choice(hp, name, values, default):
    """Asks for one of some values, the model's own among them."""
    return hp.Choice(name, sorted({*values, default}), default=default)


def _scaled(hp, name, default, factors, multiple=1):
    """Asks for an int: the model's own times one of the factors, rounded to a multiple."""
    scaled = {max(multiple, round(default * factor / multiple) * multiple) for factor in factors}
    return _choice(hp, name, scaled, default)


def _logarithmic(hp, name, default, factor):
    """Asks for a float between a `factor`-th and `factor` times the model's own."""
    return hp.Float(name, default / factor, default * factor, sampling="log", default=default)
