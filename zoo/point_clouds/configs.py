"""The named classifiers of point clouds: one row each, with its source and pinned parameters.

This module loads neither Keras nor TensorFlow, so that listing the models is instant.
"""

import math
from dataclasses import dataclass, field

from perceiver_tf.models.configs import PerceiverConfig
from zoo.config_checks import is_count, require
from zoo.numerics import check_numerics

NUM_AXES = 3
AUGMENTATION = ("max_rotation", "mirror_axes", "max_stretch", "max_point_scale", "jitter")


def _two_cross_attends():
    return PerceiverConfig(num_cross_attends=2)


@dataclass(frozen=True)
class PointCloudClassifierConfig:
    """A classifier of point clouds: what it reads, how it is built, what it is trained on.

    Training clouds are changed at random in this order, centred in the cube [-1, 1]^3, and
    normalised again afterwards (see `zoo.point_clouds.augment`). The rotation is about the vertical
    axis; a change of size alone would be undone by the normalisation.

    Attributes:
        summary: one line for the list of models.
        source: paper and table, or why the configuration was chosen.
        parameters: number of trainable parameters as configured here.
        architecture: `PerceiverConfig`.
        num_points: points of an example that the pipeline delivers: chosen from larger clouds,
            smaller ones are padded and masked. The model itself takes any number.
        num_classes: width of the logits.
        num_frequency_bands: Fourier features' bands per axis.
        max_resolution: twice the highest frequency, the same for every axis.
        max_rotation: degrees in [0, 180], largest rotation to either side.
        mirror_axes: axes (0, 1, 2) along which half of the clouds are mirrored.
        max_stretch: in [0, 1), largest relative change of a cloud's extent, along each axis by
            itself.
        max_point_scale: in [0, 1), largest relative change of a point's coordinates, of every
            point by itself: the paper's "per-point scaling (between 0.99 and 1.01)".
        jitter: standard deviation of the noise on every coordinate, where the cube's sides are 2.
        vertical_axis: 0, 1 or 2.
        dataset: where the pipeline reads by default, see `zoo.point_clouds.sources`.
        recipe: name of the default training recipe.
        numerics: whose gelu the model computes, see `zoo.numerics`.
    """

    summary: str
    source: str
    parameters: int
    architecture: PerceiverConfig = field(default_factory=_two_cross_attends)
    num_points: int = 2048
    num_classes: int = 40
    num_frequency_bands: int = 64
    max_resolution: float = 2240
    max_rotation: float = 0.0
    mirror_axes: tuple[int, ...] = ()
    max_stretch: float = 0.0
    max_point_scale: float = 0.01
    jitter: float = 0.0
    vertical_axis: int = 2
    dataset: str = "ModelNet40/"
    recipe: str = "modelnet40"
    numerics: str = "deepmind"

    def __post_init__(self):
        check_numerics(self.numerics)
        for name in ("num_points", "num_classes", "num_frequency_bands"):
            value = getattr(self, name)
            require(self, name, "an integer of at least 1", is_count(value))
        for name in ("max_resolution", "max_rotation", "max_stretch", "max_point_scale", "jitter"):
            require(self, name, "a number", _is_number(getattr(self, name)))
        require(self, "max_resolution", "greater than 0", self.max_resolution > 0)
        require(self, "max_rotation", "degrees in [0, 180]", 0 <= self.max_rotation <= 180)
        require(self, "max_stretch", "in [0, 1)", 0 <= self.max_stretch < 1)
        require(self, "max_point_scale", "in [0, 1)", 0 <= self.max_point_scale < 1)
        require(self, "jitter", "at least 0", self.jitter >= 0)
        axes = f"of {tuple(range(NUM_AXES))}"
        require(self, "mirror_axes", f"a tuple {axes}, each once", _are_axes(self.mirror_axes))
        require(self, "vertical_axis", f"one {axes}", _are_axes((self.vertical_axis,)))

    @property
    def reads(self):
        """What an example is, for the list of models."""
        return f"{self.num_points} points"

    @property
    def augmentation(self):
        """What is done to training clouds: a dict from the names of fields to their values."""
        return {name: getattr(self, name) for name in AUGMENTATION}

    @property
    def row_channels(self):
        """Width of a row of the byte array: the coordinates, their sines and cosines."""
        return NUM_AXES * (2 * self.num_frequency_bands + 1)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _are_axes(values):
    """Whether a tuple holds numbers of axes, none twice."""
    return (
        isinstance(values, tuple)
        and all(type(axis) is int and 0 <= axis < NUM_AXES for axis in values)
        and len(set(values)) == len(values)
    )


POINT_CLOUD_MODELS = {
    "perceiver_modelnet40": PointCloudClassifierConfig(
        summary="Original Perceiver on point clouds, 2 cross-attends",
        source="arXiv:2103.03206 section 4.3; sharing, heads and 2,048 points chosen",
        parameters=44_772_202,
    ),
    "perceiver_modelnet10_small": PointCloudClassifierConfig(
        summary="Point clouds of ten classes, trains in minutes on two cores",
        source="sized for a few hundred clouds of ModelNet10",
        parameters=364_502,
        architecture=PerceiverConfig(
            num_latents=32,
            latent_channels=128,
            num_cross_attends=2,
            num_cross_attention_heads=4,
            cross_attention_qk_channels=128,
            cross_attention_v_channels=128,
            num_self_attends_per_block=2,
            num_self_attention_heads=4,
            dropout=0.2,
        ),
        num_points=512,
        num_classes=10,
        # Higher frequencies tell the training clouds apart, and generalise less.
        num_frequency_bands=8,
        max_resolution=16,
        max_rotation=15.0,
        max_stretch=0.3,
        jitter=0.03,
        dataset="modelnet10_points1024.npz",
        recipe="modelnet10_small",
    ),
}
