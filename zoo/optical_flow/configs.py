"""The named models of optical flow: one row each, with its source and pinned parameters.

This module loads neither Keras nor TensorFlow, so that listing the models is instant.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from perceiver_tf.choices import PATCH_INITIALIZERS
from perceiver_tf.models.configs import PerceiverIOConfig
from zoo.config_checks import are_counts, is_count, require
from zoo.numerics import check_numerics


@dataclass(frozen=True)
class OpticalFlowConfig:
    """A model of optical flow: what it reads, how it is built, what it is trained on.

    Attributes:
        summary: one line for the list of models.
        source: paper and table, or why the configuration was chosen.
        parameters: number of trainable parameters as configured here.
        architecture: `PerceiverIOConfig`.
        frame_shape: (height, width) of the frames that the model takes; larger frames are
            covered by tiles of this size.
        num_frequency_bands: bands per axis of the positions.
        max_resolution: twice the highest frequency of each axis; None: `frame_shape`.
        patch_size: rows and columns of the patch around a pixel, odd.
        content_channels: width of the projected patches.
        patch_initializer: of this projection, see `perceiver_tf.FlowInputs`.
        max_displacement: pixels of the model. More than 0: beside the patches stands where in the
            second frame they are found, up to so many pixels away, see `perceiver_tf.FlowInputs`.
        cost_volume_channels: width of that.
        downscale: by which whole factor frames are made smaller before the model sees them; the
            flow is enlarged again. 1 or even.
        mirrored_views: whether the flow is averaged over the frames and their three mirror images,
            except in training.
        views_per_pair: training examples of one epoch for each pair of frames.
        warp_share: share of the training examples that are warps with a known flow, made of
            the pairs' frames, instead of the pairs themselves.
        max_motion: pixels of the model, about the largest motion of these warps.
        dataset: where the pipeline reads by default, see
            `zoo.optical_flow.pipeline.open_flow_source`.
        recipe: name of the default training recipe.
        numerics: whose numbers the model computes, see `zoo.numerics`.
    """

    summary: str
    source: str
    parameters: int
    architecture: PerceiverIOConfig = field(default_factory=PerceiverIOConfig)
    frame_shape: tuple[int, int] = (368, 496)
    num_frequency_bands: int = 64
    max_resolution: tuple[int, int] | None = None
    patch_size: int = 3
    content_channels: int = 64
    patch_initializer: str = "random"
    max_displacement: int = 0
    cost_volume_channels: int = 48
    downscale: int = 1
    mirrored_views: bool = False
    views_per_pair: int = 1
    warp_share: float = 0.0
    max_motion: float = 40.0
    dataset: str = "FlyingChairs_release/data"
    recipe: str = "optical_flow"
    numerics: str = "deepmind"

    prediction_fields: ClassVar[tuple[str, ...]] = ("mirrored_views",)

    def __post_init__(self):
        counts = ("num_frequency_bands", "patch_size", "content_channels", "downscale")
        for name in (*counts, "cost_volume_channels", "views_per_pair"):
            require(self, name, "an integer of at least 1", is_count(getattr(self, name)))
        require(self, "patch_size", "odd", self.patch_size % 2 == 1)
        require(self, "downscale", "1 or even", self.downscale == 1 or self.downscale % 2 == 0)
        require(self, "frame_shape", "(height, width)", are_counts(self.frame_shape, 2))
        require(self, "mirrored_views", "True or False", isinstance(self.mirrored_views, bool))
        whole = is_count(self.max_displacement, 0)
        require(self, "max_displacement", "an integer of at least 0", whole)
        sized = self.max_resolution is None or are_counts(self.max_resolution, 2)
        require(self, "max_resolution", "None or (height, width)", sized)
        require(self, "warp_share", "in [0, 1]", 0 <= self.warp_share <= 1)
        require(self, "max_motion", "greater than 0", self.max_motion > 0)
        known = self.patch_initializer in PATCH_INITIALIZERS
        require(self, "patch_initializer", f"one of {PATCH_INITIALIZERS}", known)
        check_numerics(self.numerics)

    @property
    def num_views(self):
        """Views of a pair of frames over which the flow is averaged, itself included."""
        return 4 if self.mirrored_views else 1

    @property
    def reads(self):
        """What an example is, for the list of models."""
        return f"2x{self.frame_shape[0]}x{self.frame_shape[1]}x3"


FLOW_MODELS = {
    "perceiver_io_flow": OpticalFlowConfig(
        summary="Perceiver IO for optical flow between two frames",
        source="arXiv:2107.14795 section 4.2, released code",
        parameters=41_057_134,
        architecture=PerceiverIOConfig(
            num_latents=2048,
            latent_channels=512,
            num_blocks=1,
            num_self_attends_per_block=24,
            num_self_attention_heads=16,
            decoder_qk_channels=512,
            decoder_v_channels=512,
            use_decoder_query_residual=False,
            rematerialise=True,
        ),
    ),
    "perceiver_io_flow_tiny": OpticalFlowConfig(
        summary="Optical flow of frames a quarter as large, trains in about an hour on two cores",
        source="sized for a few pairs of FlyingChairs and warps of their frames",
        parameters=731_984,
        architecture=PerceiverIOConfig(
            num_latents=128,
            latent_channels=128,
            num_blocks=1,
            num_self_attends_per_block=4,
            # Each head of each latent finds its own kind of moving edge.
            num_cross_attention_heads=8,
            cross_attention_qk_channels=128,
            cross_attention_v_channels=128,
            num_self_attention_heads=4,
            num_decoder_heads=4,
            decoder_qk_channels=64,
            decoder_v_channels=64,
            decoder_widening_factor=4,
        ),
        frame_shape=(64, 96),
        num_frequency_bands=4,
        patch_size=7,
        content_channels=64,
        patch_initializer="spectral",
        max_displacement=8,
        downscale=4,
        mirrored_views=True,
        views_per_pair=100,
        warp_share=0.8,
        max_motion=8.0,
        dataset="samples",
        recipe="optical_flow_tiny",
    ),
}
