"""The named image classifiers: one row each, with its source and its pinned parameters.

This module loads neither Keras nor TensorFlow, so that listing the models is instant.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from perceiver_tf.models.configs import EncoderConfig, PerceiverConfig, PerceiverIOConfig
from zoo.config_checks import are_counts, is_count, require
from zoo.numerics import check_numerics

POSITIONS = ("fourier", "learned", "conv")
PERMUTATIONS = ("none", "pixels", "rows")


@dataclass(frozen=True)
class ImageClassifierConfig:
    """An image classifier: what it reads, how it is built, what it is trained on.

    Attributes:
        summary: one line for the list of models.
        source: paper and table, or why the configuration was chosen.
        parameters: number of trainable parameters as configured here.
        architecture: `PerceiverConfig` or `PerceiverIOConfig`; the latter decodes with one
            trained query of the latents' width.
        image_shape: (height, width, channels) that the pipeline delivers.
        num_classes: width of the logits.
        positions: adapter of the inputs: "fourier" (raw pixels and Fourier features),
            "learned" (1 x 1 convolution and learned positions) or "conv" (convolutional stem
            and Fourier features).
        num_frequency_bands: bands per axis, where the adapter has Fourier features.
        max_resolution: twice the highest frequency of each axis; None: the size of the grid.
        permutation: what one fixed random permutation moves (arXiv:2103.03206 section 4.1, table
            2): "none"; "pixels", among positions that stay; or "rows" of the byte array, pixels
            and their positions.
        permutation_seed: int that decides the permutation.
        mirrored_views: bool. Logits, except in training, are the mean over an image and its mirror
            image; predictions then cost twice as much.
        shifted_views: int from 0, pixels. Above 0, logits, except in training, are the mean over
            an image and the same moved by so many pixels to each of four sides; predictions then
            cost five times as much, ten times with `mirrored_views`.
        dataset: where the pipeline reads by default, see `zoo.images.sources.open_source`.
        recipe: name of the default training recipe.
        numerics: "deepmind" or "huggingface": whose code the model equals where the two differ,
            see `zoo.numerics`.
    """

    summary: str
    source: str
    parameters: int
    architecture: EncoderConfig = field(default_factory=PerceiverConfig)
    image_shape: tuple[int, int, int] = (224, 224, 3)
    num_classes: int = 1000
    positions: str = "fourier"
    num_frequency_bands: int = 64
    max_resolution: tuple[int, int] | None = None
    permutation: str = "none"
    permutation_seed: int = 0
    mirrored_views: bool = False
    shifted_views: int = 0
    dataset: str = "imagenet2012"
    recipe: str = "imagenet_perceiver"
    numerics: str = "deepmind"

    prediction_fields: ClassVar[tuple[str, ...]] = ("mirrored_views", "shifted_views")

    def __post_init__(self):
        check_numerics(self.numerics)
        require(self, "mirrored_views", "True or False", isinstance(self.mirrored_views, bool))
        if self.positions not in POSITIONS:
            raise ValueError(
                f"`positions` must be one of {POSITIONS}. Received: positions={self.positions!r}."
            )
        if self.permutation not in PERMUTATIONS:
            raise ValueError(
                f"`permutation` must be one of {PERMUTATIONS}. "
                f"Received: permutation={self.permutation!r}."
            )
        if not are_counts(self.image_shape, 3) or self.image_shape[2] not in (1, 3):
            raise ValueError(
                "`image_shape` must be (height, width, channels) with 1 or 3 channels. "
                f"Received: image_shape={self.image_shape}."
            )
        for name in ("num_classes", "num_frequency_bands"):
            if not is_count(getattr(self, name)):
                raise ValueError(
                    f"`{name}` must be at least 1, an integer. "
                    f"Received: {name}={getattr(self, name)!r}."
                )
        if self.max_resolution is not None and not are_counts(self.max_resolution, 2):
            raise ValueError(
                "`max_resolution` must be None or (height, width). "
                f"Received: max_resolution={self.max_resolution}."
            )

        shorter = min(self.image_shape[:2])
        form = f"an integer from 0, less than {shorter} pixels"
        is_shift = is_count(self.shifted_views, 0) and self.shifted_views < shorter
        require(self, "shifted_views", form, is_shift)

    @property
    def num_views(self):
        """Views of an image over which logits are averaged, itself included."""
        return (2 if self.mirrored_views else 1) * (5 if self.shifted_views else 1)

    @property
    def reads(self):
        """What an example is, for the list of models."""
        return "x".join(map(str, self.image_shape))

    @property
    def grid_shape(self):
        """Rows and columns of the byte array: pixels, or the conv stem's quarter of them.

        Hugging Face's stem pools without padding, which leaves out a row and a column.
        """
        if self.positions == "conv" and self.numerics == "huggingface":
            return tuple((-(-size // 2) - 1) // 2 for size in self.image_shape[:2])
        return self._padded_grid_shape

    @property
    def resolution(self):
        """`max_resolution`, or by default the grid as it is under DeepMind's numerics."""
        return self.max_resolution or self._padded_grid_shape

    @property
    def _padded_grid_shape(self):
        height, width, _ = self.image_shape
        if self.positions == "conv":
            return -(-height // 4), -(-width // 4)
        return height, width


IMAGE_MODELS = {
    "perceiver_imagenet": ImageClassifierConfig(
        summary="Original Perceiver, 8 cross-attends on raw pixels",
        source="arXiv:2103.03206 tables 1 and 7",
        parameters=44_912_254,
        architecture=PerceiverConfig(rematerialise=True),
    ),
    "perceiver_imagenet_one_cross_attend": ImageClassifierConfig(
        summary="Original Perceiver, 1 cross-attend and 8 passes of the latent transformer",
        source="arXiv:2103.03206 table 6",
        parameters=42_135_859,
        architecture=PerceiverConfig(num_cross_attends=1, num_blocks=8),
    ),
    "perceiver_imagenet_unshared": ImageClassifierConfig(
        summary="Original Perceiver without weight sharing",
        source="arXiv:2103.03206 table 7",
        parameters=326_241_856,
        architecture=PerceiverConfig(sharing="none"),
    ),
    "perceiver_imagenet_learned": ImageClassifierConfig(
        summary="Perceiver, 1 cross-attend, learned positions",
        source="arXiv:2107.14795 ImageNet table",
        parameters=55_951_080,
        architecture=PerceiverConfig(num_cross_attends=1, num_blocks=8),
        positions="learned",
    ),
    "perceiver_io_imagenet_fourier": ImageClassifierConfig(
        summary="Perceiver IO on raw pixels, Fourier positions",
        source="arXiv:2107.14795 ImageNet table, released code",
        parameters=48_440_627,
        architecture=PerceiverIOConfig(),
        recipe="imagenet_perceiver_io",
    ),
    "perceiver_io_imagenet_learned": ImageClassifierConfig(
        summary="Perceiver IO, learned positions",
        source="arXiv:2107.14795 ImageNet table, released code",
        parameters=62_255_848,
        architecture=PerceiverIOConfig(use_decoder_query_residual=False),
        positions="learned",
        recipe="imagenet_perceiver_io",
    ),
    "perceiver_io_imagenet_conv": ImageClassifierConfig(
        summary="Perceiver IO on a convolutional stem",
        source="arXiv:2107.14795 ImageNet table, released code",
        parameters=48_646_522,
        architecture=PerceiverIOConfig(),
        positions="conv",
        recipe="imagenet_perceiver_io",
    ),
    "perceiver_digits_tiny": ImageClassifierConfig(
        summary="8 x 8 digits, trains in two minutes on two cores",
        source="sized for the embedded digits",
        parameters=280_172,
        architecture=PerceiverConfig(
            num_latents=8,
            latent_channels=128,
            num_cross_attends=2,
            num_self_attends_per_block=2,
            num_self_attention_heads=4,
            dropout=0.2,
        ),
        image_shape=(8, 8, 1),
        num_classes=10,
        num_frequency_bands=4,
        dataset="digits",
        recipe="digits",
    ),
    "perceiver_mnist_small": ImageClassifierConfig(
        summary="28 x 28 raw pixels, trains in under half an hour on two cores",
        source="sized for MNIST, also with its pixels in another order",
        parameters=306_784,
        architecture=PerceiverConfig(
            num_latents=16,
            latent_channels=96,
            num_cross_attends=1,
            # By position, a head attends to a row profile times a column profile: arbitrary
            # sets of pixels take several.
            num_cross_attention_heads=8,
            cross_attention_qk_channels=128,
            cross_attention_v_channels=256,
            num_self_attends_per_block=4,
            num_self_attention_heads=4,
            dropout=0.05,
        ),
        image_shape=(28, 28, 1),
        num_classes=10,
        num_frequency_bands=14,
        dataset="mnist",
        recipe="mnist",
    ),
    "perceiver_cifar10_small": ImageClassifierConfig(
        summary="32 x 32 raw pixels, trains on 10,000 images in 46 minutes of one core",
        source="sized for CIFAR-10",
        parameters=501_332,
        architecture=PerceiverConfig(
            num_latents=32,
            latent_channels=128,
            num_cross_attends=1,
            # A head of a latent gives a mean of colours under one window: what is seen of an
            # image is as many of them.
            num_cross_attention_heads=8,
            cross_attention_qk_channels=128,
            cross_attention_v_channels=256,
            num_self_attends_per_block=4,
            num_self_attention_heads=4,
            dropout=0.05,
        ),
        image_shape=(32, 32, 3),
        num_classes=10,
        num_frequency_bands=8,
        # Half of the Nyquist frequency: windows of finer edges generalise worse from 10,000 images.
        max_resolution=(16, 16),
        dataset="cifar10",
        recipe="cifar10_small",
    ),
}
