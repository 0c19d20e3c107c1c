"""Other networks to hold a Perceiver against on the same images: a ResNet, a ViT, BoTNets.

This module loads neither Keras nor TensorFlow, so that listing the models is instant.
"""

import math
from dataclasses import dataclass

from perceiver_tf.models.configs import BoTNetConfig
from zoo.images.configs import PERMUTATIONS


@dataclass(frozen=True)
class ResNetConfig:
    """A residual network for small images (arXiv:1512.03385, section 4.2).

    Attributes:
        stage_channels: tuple of ints, widths of the stages; each after the first halves the grid.
        num_blocks_per_stage: int, residual blocks of two 3 x 3 convolutions.
    """

    stage_channels: tuple[int, ...] = (24, 48, 96)
    num_blocks_per_stage: int = 1


@dataclass(frozen=True)
class ViTConfig:
    """A vision transformer (arXiv:2010.11929), with pre-normalisation.

    Attributes:
        patch_size: int, side of the patches; divides the image's sides.
        channels: int, width of a token.
        num_layers, num_heads: ints.
        widening_factor: int, of the MLPs.
        dropout: float in [0, 1), after attention and MLP.
    """

    patch_size: int = 4
    channels: int = 96
    num_layers: int = 6
    num_heads: int = 4
    widening_factor: int = 2
    dropout: float = 0.1


@dataclass(frozen=True)
class BaselineConfig:
    """An image classifier that is no Perceiver.

    As in arXiv:2103.03206 (section 4.1, table 2), its channels may be a pixel's colours and
    Fourier features of the pixel's position, moved by a permutation together.

    Attributes:
        summary, source, parameters, image_shape, num_classes, dataset, recipe: as of
            `zoo.images.configs.ImageClassifierConfig`.
        architecture: `ResNetConfig`, `ViTConfig` or `BoTNetConfig`.
        num_frequency_bands: int, bands per axis of the position features; 0: colours alone.
        permutation: "none", or "rows": pixels and their positions are moved by one fixed random
            permutation.
        permutation_seed: int that decides the permutation.
    """

    summary: str
    source: str
    parameters: int
    architecture: ResNetConfig | ViTConfig | BoTNetConfig
    image_shape: tuple[int, int, int] = (32, 32, 3)
    num_classes: int = 10
    num_frequency_bands: int = 0
    permutation: str = "none"
    permutation_seed: int = 0
    dataset: str = "cifar10"
    recipe: str = "cifar10"

    def __post_init__(self):
        if self.permutation not in ("none", "rows"):
            raise ValueError(
                f'`permutation` must be "none" or "rows", of {PERMUTATIONS}, for a baseline. '
                f"Received: permutation={self.permutation!r}."
            )
        side = getattr(self.architecture, "patch_size", 1)
        if any(size % side for size in self.image_shape[:2]):
            raise ValueError(
                "`patch_size` must divide the image's sides. "
                f"Received: patch_size={side}, image_shape={self.image_shape}."
            )

    @property
    def reads(self):
        """What an example is, for the list of models."""
        return "x".join(map(str, self.image_shape))

    @property
    def num_patches(self):
        """Tokens of a ViT."""
        return math.prod(self.image_shape[:2]) // self.architecture.patch_size**2


BASELINE_MODELS = {
    "baseline_resnet_small": BaselineConfig(
        summary="A small ResNet, to compare with",
        source="arXiv:1512.03385 section 4.2, sized for small images",
        parameters=174_274,
        architecture=ResNetConfig(),
    ),
    "baseline_vit_small": BaselineConfig(
        summary="A small vision transformer, to compare with",
        source="arXiv:2010.11929, sized for small images",
        parameters=460_714,
        architecture=ViTConfig(),
    ),
    "baseline_botnet_small": BaselineConfig(
        summary="A small Bottleneck Transformer, to compare with",
        source="arXiv:2101.11605, sized for small images",
        parameters=150_362,
        architecture=BoTNetConfig(
            stem="small_images",
            stem_channels=16,
            bottleneck_channels=(16, 32, 64),
            num_blocks_per_stage=(1, 1, 2),
        ),
    ),
    "botnet_50": BaselineConfig(
        summary="BoTNet-50, a ResNet-50 that attends in its last stage",
        source="arXiv:2101.11605 table 1 (20.8 million, as here); 13,568 of them are positions",
        parameters=20_852_008,
        architecture=BoTNetConfig(),
        image_shape=(224, 224, 3),
        num_classes=1000,
        dataset="imagenet2012",
        recipe="imagenet_resnet",
    ),
}
