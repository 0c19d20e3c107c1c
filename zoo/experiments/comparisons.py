"""The Perceiver paper's own comparisons, as lists of trainings of this zoo's models.

This module loads neither Keras nor TensorFlow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.configs import configuration
from zoo.errors import ZooError
from zoo.images.configs import ImageClassifierConfig
from zoo.names import nearest

ORIGINAL, PERMUTED = "original", "permuted"


@dataclass(frozen=True)
class Variant:
    """One model of a comparison.

    Attributes:
        label: how it is called in the table.
        name: model of the zoo.
        overrides: dict of the fields of its configuration that are changed.
        condition: what else tells two variants of one label apart, or "".
    """

    label: str
    name: str
    overrides: dict[str, Any]
    condition: str = ""


@dataclass(frozen=True)
class Experiment:
    """A comparison.

    Attributes:
        summary: one line for the help.
        source: the paper's section and table.
        variants: callable from the name of a model, and its configuration, to a list of `Variant`.
        varied: what the labels of the variants are, for the head of a column.
    """

    summary: str
    source: str
    variants: Callable[[str, ImageClassifierConfig], list[Variant]]
    varied: str = "model"


def _permuted(name, config):
    """Returns pairs of equal models: on images as they are, and permuted.

    Fourier features move with their pixels, as in the paper; "places stay" is the harder task in
    which the pixels move among positions that stay. Learned positions are those of a place.
    """
    same = {
        field: getattr(config, field)
        for field in ("image_shape", "num_classes", "num_frequency_bands", "recipe")
    }
    # A mirror image, or a moved one, is one of a grid; and the others see none.
    alone = {"mirrored_views": False, "shifted_views": 0}
    patch = {"patch_size": 4 if min(config.image_shape[:2]) >= 16 else 2}
    models = (
        ("Perceiver, Fourier", name, alone, "rows"),
        ("Perceiver, Fourier, places stay", name, alone, "pixels"),
        ("Perceiver, learned positions", name, {**alone, "positions": "learned"}, "pixels"),
        ("ResNet, Fourier", "baseline_resnet_small", same, "rows"),
        ("ViT, Fourier", "baseline_vit_small", {**same, **patch}, "rows"),
    )
    pairs = []
    for label, model, overrides, permutation in models:
        if "stay" not in label:
            pairs.append(Variant(label, model, overrides, ORIGINAL))
        overrides = {**overrides, "permutation": permutation}
        pairs.append(Variant(label, model, overrides, PERMUTED))
    return pairs


def _cross_attends(name, config):
    """Returns models of the same depth whose cross-attends are more and more."""
    passes = max(4, config.architecture.num_cross_attends)
    return [
        Variant(str(n), name, {"num_cross_attends": n, "num_blocks": passes // n})
        for n in (1, 2, 4)
        if passes % n == 0
    ]


def _sharing(name, config):
    labels = {
        "none": "none",
        "all_but_first_cross_attend": "all but the first cross-attend",
        "all": "all",
    }
    several = {"num_cross_attends": max(4, config.architecture.num_cross_attends)}
    return [
        Variant(label, name, {**several, "sharing": sharing}) for sharing, label in labels.items()
    ]


def _latents(name, config):
    middle = config.architecture.num_latents
    counts = [max(1, middle // 4), max(2, middle // 2), middle, 2 * middle]
    return [Variant(str(n), name, {"num_latents": n}) for n in sorted(set(counts))]


EXPERIMENTS = {
    "permuted": Experiment(
        "the Perceiver, a ResNet and a ViT on images and on images with their pixels permuted",
        "arXiv:2103.03206 section 4.1, table 2",
        _permuted,
    ),
    "cross_attends": Experiment(
        "one to four cross-attends among the same number of self-attends",
        "arXiv:2103.03206 section 4.1, table 6",
        _cross_attends,
        "cross-attends",
    ),
    "sharing": Experiment(
        "which weights the iterations share",
        "arXiv:2103.03206 appendix, table 7",
        _sharing,
        "weights shared",
    ),
    "latents": Experiment(
        "a quarter of the model's latents to twice as many",
        "arXiv:2103.03206 appendix, figure 6",
        _latents,
        "latents",
    ),
}


def experiment_variants(experiment: str, name: str) -> list[Variant]:
    """Returns the models that an experiment compares.

    Args:
        experiment: one of `EXPERIMENTS`.
        name: an original Perceiver for images.

    Raises:
        ZooError: if there is no such experiment or model, or the model is of another kind.
    """
    if experiment not in EXPERIMENTS:
        hint = nearest(experiment, EXPERIMENTS) or f" Known are {', '.join(EXPERIMENTS)}."
        raise ZooError(f"There is no experiment named {experiment!r}.{hint}")
    config = configuration(name)
    is_image = isinstance(config, ImageClassifierConfig)
    if not is_image or not hasattr(config.architecture, "num_cross_attends"):
        raise ZooError(
            "An experiment must be given an original Perceiver for images, such as "
            f"perceiver_cifar10_small. Received: {name}."
        )
    return EXPERIMENTS[experiment].variants(name, config)
