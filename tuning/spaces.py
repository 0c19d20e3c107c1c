"""The search spaces: what may be drawn for a model, and the configuration that it makes.

A space is a function of `(hp, config, recipe)` to a `Proposal`: it asks `hp`, KerasTuner's
`HyperParameters`, for values and turns them into changes of the model's configuration and of its
recipe. The defaults are the model's own, so that the first point of every space is the model as
it is in the zoo. Every point is a valid model: widths are multiples of all numbers of heads.

Spaces load neither Keras nor TensorFlow.
"""

import itertools
import math
from dataclasses import dataclass, field

from perceiver_tf.choices import SHARING_SCHEMES
from perceiver_tf.models.configs import BoTNetConfig, PerceiverConfig, PerceiverIOConfig
from tuning.draws import choice, scaled
from tuning.recipe_space import image_recipe_settings, recipe_settings
from zoo.audio.configs import AudioConfig
from zoo.baselines.configs import BaselineConfig
from zoo.costs import rows_of
from zoo.errors import ZooError
from zoo.images.configs import ImageClassifierConfig
from zoo.optical_flow.configs import OpticalFlowConfig
from zoo.point_clouds.configs import PointCloudClassifierConfig
from zoo.text.configs import MaskedLanguageConfig, TextClassifierConfig
from zoo.video.configs import VideoConfig

_LEAST_CHANNELS_PER_HEAD = 8


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
    return Proposal(overrides | _positions(hp, config), image_recipe_settings(hp, recipe))


def point_clouds(hp, config, recipe) -> Proposal:
    """The original Perceiver as a classifier of point clouds (arXiv:2103.03206, section 4.3)."""
    overrides = _encoder(hp, config) | _iterations(hp, config.architecture)
    overrides |= _bands(hp, config)
    factor = choice(hp, "max_frequency_factor", (0.5, 1.0, 2.0), 1.0)
    if factor != 1.0:
        overrides["max_resolution"] = factor * config.max_resolution
    overrides["num_points"] = scaled(hp, "num_points", config.num_points, (0.5, 1))
    return Proposal(overrides, recipe_settings(hp, recipe))


def recordings(hp, config, recipe) -> Proposal:
    """The original Perceiver on sounds, or on videos (arXiv:2103.03206, section 4.2)."""
    overrides = _encoder(hp, config) | _iterations(hp, config.architecture)
    overrides |= _bands(hp, config)
    overrides["patch_widening_factor"] = choice(
        hp, "patch_widening_factor", (0, 1, 2, 4), config.patch_widening_factor
    )
    return Proposal(overrides, recipe_settings(hp, recipe))


def optical_flow(hp, config, recipe) -> Proposal:
    """Perceiver IO for optical flow (arXiv:2107.14795, section 4.2)."""
    overrides = _encoder(hp, config) | _bands(hp, config)
    overrides["content_channels"] = scaled(
        hp, "content_channels", config.content_channels, (0.5, 1, 1.5, 2), 8
    )
    return Proposal(overrides, recipe_settings(hp, recipe, has_labels=False))


def perceiver_io(hp, config, recipe) -> Proposal:
    """Perceiver IO as a classifier of images (arXiv:2107.14795)."""
    overrides = _encoder(hp, config) | {
        "num_blocks": choice(hp, "num_blocks", (1, 2, 4, 8), config.architecture.num_blocks)
    }
    return Proposal(overrides | _positions(hp, config), image_recipe_settings(hp, recipe))


def language(hp, config, recipe) -> Proposal:
    """Perceiver IO on bytes or tokens: masked language models and classifiers of texts."""
    overrides = _encoder(hp, config) | {
        "token_channels": scaled(
            hp, "token_channels", config.token_channels, (0.5, 1, 1.5), _heads_unit(config)
        ),
    }
    return Proposal(overrides, recipe_settings(hp, recipe))


def botnet(hp, config, recipe) -> Proposal:
    """Bottleneck Transformers as classifiers of images (arXiv:2101.11605).

    The values of `num_attention_stages` reach from none, which is a ResNet, to one more than the
    model has; all stages are wider or narrower by the same factor.
    """
    architecture = config.architecture
    widths, heads = architecture.bottleneck_channels, _botnet_heads(architecture)
    most = min(len(_attending(architecture)), architecture.num_attention_stages + 1)
    factor = choice(hp, "width_factor", (0.5, 0.75, 1.0, 1.5, 2.0), 1.0)
    unit = math.lcm(*heads)
    if factor != 1.0:
        widths = tuple(max(1, round(factor * width / unit)) * unit for width in widths)
    overrides = {
        "bottleneck_channels": widths,
        "expansion": choice(hp, "expansion", (2, 4), architecture.expansion),
        "num_blocks_per_stage": tuple(
            scaled(hp, f"num_blocks_in_stage_{stage}", number, (0.5, 1, 1.5, 2))
            for stage, number in enumerate(architecture.num_blocks_per_stage)
        ),
        "num_attention_stages": choice(
            hp, "num_attention_stages", range(most + 1), architecture.num_attention_stages
        ),
        "num_heads": choice(hp, "num_heads", heads, architecture.num_heads),
        "last_strides": choice(hp, "last_strides", (1, 2), architecture.last_strides),
        "attention_dropout": choice(
            hp, "attention_dropout", (0.0, 0.1, 0.2), architecture.attention_dropout
        ),
        "dropout": choice(hp, "dropout", (0.0, 0.1, 0.2, 0.3, 0.5), architecture.dropout),
    }  # fmt: skip
    return Proposal(overrides, image_recipe_settings(hp, recipe))


SPACES = {
    space.__name__: space
    for space in (
        perceiver, perceiver_io, language, point_clouds, recordings, optical_flow, botnet
    )
}  # fmt: skip


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
    if isinstance(config, AudioConfig | VideoConfig):
        return recordings
    if isinstance(config, OpticalFlowConfig):
        return optical_flow
    if isinstance(config.architecture, BoTNetConfig):
        return botnet
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
        recordings: ((AudioConfig, VideoConfig), PerceiverConfig),
        optical_flow: (OpticalFlowConfig, PerceiverIOConfig),
        botnet: (BaselineConfig, BoTNetConfig),
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
    channels = scaled(
        hp,
        "latent_channels",
        architecture.latent_channels,
        (0.5, 0.75, 1, 1.5, 2),
        math.lcm(*heads),
    )
    return {
        "num_latents": scaled(hp, "num_latents", architecture.num_latents, (0.5, 1, 2, 4)),
        "latent_channels": channels,
        "num_self_attends_per_block": choice(
            hp, "num_self_attends_per_block", (1, 2, 3, 4, 6, 8),
            architecture.num_self_attends_per_block,
        ),
        "num_self_attention_heads": choice(
            hp, "num_self_attention_heads", heads, architecture.num_self_attention_heads
        ),
        **_cross_attention_heads(hp, config, channels),
        "self_attention_widening_factor": choice(
            hp, "self_attention_widening_factor", (1, 2, 4),
            architecture.self_attention_widening_factor,
        ),
        "cross_attention_widening_factor": choice(
            hp, "cross_attention_widening_factor", (1, 2, 4),
            architecture.cross_attention_widening_factor,
        ),
        "dropout": choice(
            hp, "dropout", (0.0, 0.05, 0.1, 0.2, 0.3, 0.4), architecture.dropout
        ),
    }  # fmt: skip


def _iterations(hp, architecture):
    """Returns what the original Perceiver may change besides: cross-attends and sharing."""
    numbers = (1, 2, 3, 4, 8)
    return {
        "num_cross_attends": choice(
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


def _botnet_heads(architecture):
    """Returns numbers of heads that divide the widths of all stages.

    They leave each head enough in the last two stages, at half their widths.
    """
    widths = architecture.bottleneck_channels
    least = max(1, min(widths[-2:]) // 2 // _LEAST_CHANNELS_PER_HEAD)
    heads = {
        number
        for number in (1, 2, 4, 8)
        if number <= least and all(width % number == 0 for width in widths)
    }
    return tuple(sorted(heads | {architecture.num_heads}))


def _attending(architecture):
    """Returns the widths of the last stages that the model's own heads divide."""
    widths = reversed(architecture.bottleneck_channels)
    return list(itertools.takewhile(lambda w: w % architecture.num_heads == 0, widths))


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
    number = choice(hp, name, heads, architecture.num_cross_attention_heads)
    if widths or number == 1:
        return {name: number}
    width = min(latent_channels, rows_of(config).channels)
    return {name: number, "cross_attention_qk_channels": -(-width // number) * number}


def _bands(hp, config):
    """Returns the number of the Fourier features' bands."""
    name = "num_frequency_bands"
    return {name: scaled(hp, name, getattr(config, name), (0.5, 1, 1.5, 2))}


def _positions(hp, config):
    """Returns the Fourier features: bands, and the highest frequency as a share of the model's."""
    if config.positions == "learned":
        return {}
    overrides = _bands(hp, config)
    factor = choice(hp, "max_frequency_factor", (0.5, 1.0, 2.0), 1.0)
    if factor != 1.0:
        resolution = tuple(max(1, round(factor * side)) for side in config.resolution)
        overrides["max_resolution"] = resolution
    return overrides
