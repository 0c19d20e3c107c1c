"""The named autoencoders of clips: one row each, with its source and pinned parameters.

This module loads neither Keras nor TensorFlow, so that listing the models is instant.
"""

import math
from dataclasses import dataclass, field

from perceiver_tf.models.configs import PerceiverIOConfig
from zoo.config_checks import are_counts, is_count, require
from zoo.numerics import check_numerics

MODALITIES = ("audio", "image", "label")
IMAGE_LOSSES = ("l1", "l2")


@dataclass(frozen=True)
class MultimodalAutoencoderConfig:
    """An autoencoder of clips, video with sound and a label: what it reads and how it is built.

    Attributes:
        summary: one line for the list of models.
        source: paper and table, or why the configuration was chosen.
        parameters: number of trainable parameters as configured here.
        architecture: `PerceiverIOConfig`.
        image_shape: (frames, height, width, channels) of the video, channels 1 or 3.
        num_audio_samples: length of the sound, mono.
        num_classes: number of labels.
        frame_rate: frames of a second.
        sample_rate: samples of a second.
        image_patch: (frames, rows, columns) that become one row of the inputs.
        audio_patch: samples that become one row of the inputs, and that one query decodes.
        image_output_patch: (frames, rows, columns) that one query decodes.
        num_image_bands, image_max_resolution: of the Fourier positions of the video's patches.
        num_audio_bands, audio_max_resolution: of those of the sound's patches.
        min_input_padding, min_query_padding: width of the shortest padding of a row.
        label_query_channels: width of the trained query of the label.
        output_channels: width of what is decoded, under the heads.
        masked: modalities that the model does not see, always decoded all the same. The label in
            the published model; add "audio" or "image" to reconstruct clips that lack them.
        num_image_points, num_audio_points: how many patches an example decodes, chosen at random,
            which training at full size needs; None: all of them.
        image_loss: "l1" (the published model's), or "l2", with which the tiny model leaves the
            all-black frame that is the best constant under L1.
        image_loss_weight, audio_loss_weight, label_loss_weight: of the three losses.
        dataset: where the pipeline reads by default, see
            `zoo.multimodal.pipeline.multimodal_pipeline`.
        recipe: name of the default training recipe.
        numerics: whose numbers the model computes, see `zoo.numerics`.
    """

    summary: str
    source: str
    parameters: int
    architecture: PerceiverIOConfig = field(default_factory=PerceiverIOConfig)
    image_shape: tuple[int, int, int, int] = (16, 224, 224, 3)
    num_audio_samples: int = 30720
    num_classes: int = 700
    frame_rate: float = 25.0
    sample_rate: int = 48000
    image_patch: tuple[int, int, int] = (1, 4, 4)
    audio_patch: int = 16
    image_output_patch: tuple[int, int, int] = (1, 1, 1)
    num_image_bands: int = 32
    image_max_resolution: tuple[int, int, int] = (16, 56, 56)
    num_audio_bands: int = 192
    audio_max_resolution: int = 30720
    min_input_padding: int = 4
    min_query_padding: int = 2
    label_query_channels: int = 1024
    output_channels: int = 512
    masked: tuple[str, ...] = ("label",)
    num_image_points: int | None = None
    num_audio_points: int | None = None
    image_loss: str = "l1"
    image_loss_weight: float = 0.03
    audio_loss_weight: float = 1.0
    label_loss_weight: float = 1e-4
    dataset: str = "kinetics700/"
    recipe: str = "multimodal"
    numerics: str = "deepmind"

    def __post_init__(self):
        for name in (
            *("num_audio_samples", "num_classes", "sample_rate", "audio_patch"),
            *("num_image_bands", "num_audio_bands", "audio_max_resolution", "output_channels"),
            *("min_input_padding", "min_query_padding", "label_query_channels"),
        ):
            require(self, name, "an integer of at least 1", is_count(getattr(self, name)))
        for name in ("image_patch", "image_output_patch", "image_max_resolution"):
            sized = are_counts(getattr(self, name), 3)
            require(self, name, "three integers of at least 1", sized)
        shaped = are_counts(self.image_shape, 4) and self.image_shape[3] in (1, 3)
        form = "(frames, height, width, channels) with 1 or 3 channels"
        require(self, "image_shape", form, shaped)
        divisible = f"a divisor of `num_audio_samples`={self.num_audio_samples}"
        require(self, "audio_patch", divisible, self.num_audio_samples % self.audio_patch == 0)
        for name in ("image_patch", "image_output_patch"):
            sizes = zip(self.image_shape[:3], getattr(self, name), strict=True)
            divides = all(size % patch == 0 for size, patch in sizes)
            require(self, name, f"a divisor of `image_shape`={self.image_shape}", divides)
        require(self, "frame_rate", "greater than 0", self.frame_rate > 0)
        known = isinstance(self.masked, tuple) and set(self.masked) < set(MODALITIES)
        require(self, "masked", f"some of {MODALITIES}, not all", known)
        for name, most in (
            ("num_image_points", self.num_image_patches),
            ("num_audio_points", self.num_audio_samples // self.audio_patch),
        ):
            value = getattr(self, name)
            fits = value is None or (is_count(value) and value <= most)
            require(self, name, f"None or from 1 to {most}", fits)
        one_of = f"one of {IMAGE_LOSSES}"
        require(self, "image_loss", one_of, self.image_loss in IMAGE_LOSSES)
        for name in ("image_loss_weight", "audio_loss_weight", "label_loss_weight"):
            require(self, name, "at least 0", getattr(self, name) >= 0)
        check_numerics(self.numerics)

    @property
    def reads(self):
        """What an example is, for the list of models."""
        return f"{'x'.join(map(str, self.image_shape))} with sound"

    @property
    def num_image_patches(self):
        """How many queries decode all of the video."""
        sizes = zip(self.image_shape[:3], self.image_output_patch, strict=True)
        return math.prod(size // patch for size, patch in sizes)


MULTIMODAL_MODELS = {
    "perceiver_io_multimodal": MultimodalAutoencoderConfig(
        summary="Perceiver IO that reconstructs video and sound, and labels the clip",
        source="arXiv:2107.14795 section 4.3, released code",
        parameters=19_858_855,
        architecture=PerceiverIOConfig(
            num_latents=784,
            latent_channels=512,
            num_blocks=1,
            num_self_attends_per_block=8,
            cross_attention_qk_channels=704,
            decoder_qk_channels=512,
            use_decoder_query_residual=False,
        ),
    ),
    "perceiver_io_multimodal_tiny": MultimodalAutoencoderConfig(
        summary="8 frames of 32 x 32 and half a second of sound, trains in minutes on two cores",
        source="sized for bouncing digits with their names spoken",
        parameters=413_860,
        architecture=PerceiverIOConfig(
            num_latents=32,
            latent_channels=128,
            num_blocks=1,
            num_self_attends_per_block=2,
            num_self_attention_heads=4,
            num_cross_attention_heads=4,
            cross_attention_qk_channels=128,
            cross_attention_v_channels=128,
            num_decoder_heads=4,
            decoder_qk_channels=128,
            decoder_v_channels=128,
            use_decoder_query_residual=False,
            # Latents that differ from the start learn sooner where to look.
            latent_init_scale=1.0,
        ),
        image_shape=(8, 32, 32, 1),
        num_audio_samples=4096,
        num_classes=10,
        frame_rate=15.625,
        sample_rate=8000,
        image_patch=(2, 4, 4),
        audio_patch=128,
        image_output_patch=(2, 4, 4),
        num_image_bands=8,
        image_max_resolution=(4, 8, 8),
        num_audio_bands=32,
        audio_max_resolution=32,
        min_query_padding=4,
        label_query_channels=64,
        output_channels=128,
        image_loss="l2",
        image_loss_weight=10.0,
        label_loss_weight=0.02,
        dataset="mnist.npz+fsdd/",
        recipe="multimodal_tiny",
    ),
}
