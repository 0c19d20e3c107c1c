"""The named models of video: one row each, with its source and its pinned number of parameters.

This module loads neither Keras nor TensorFlow.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from perceiver_tf.models.configs import PerceiverConfig
from zoo.audio.audioset_architecture import audioset_architecture
from zoo.config_checks import are_counts, is_count, require

AUGMENTATION = (
    *("max_speed_change", "crop_area", "crop_aspect", "flip"),
    *("max_brightness", "max_contrast", "mix_up"),
)


@dataclass(frozen=True)
class VideoConfig:
    """What all models of video have: how a video is cut, described and read.

    A window is what the model sees at once. With a `frame_rate` it is `num_frames` frames at
    that rate. Without one it is the whole video, `num_frames` of its frames evenly spread: for
    short videos of one action each. A video of fewer frames than a window is padded, and the
    padding masked.

    Attributes:
        summary: one line for the list of models.
        source: paper and section, and what it does not print and was chosen here.
        parameters: number of trainable parameters as configured here.
        architecture: `PerceiverConfig`.
        num_classes: width of the logits.
        num_frames: frames of a window.
        frame_rate: frames of a second, or None, see above. Arrays and GIFs, which do not know
            their rate, are taken to have this one.
        frame_shape: (height, width, channels) of what the model sees; 1 channel: grey.
        num_windows: into how many windows, evenly spread, a video is cut when it is evaluated or
            served; their logits are averaged. Without a `frame_rate` all of them are of the whole
            video, each between the frames of the others.
        patch: (frames, rows, columns) of a row of the inputs; (1, 1, 1): raw pixels.
        patch_widening_factor: of an MLP that every patch passes before the latents read it;
            0: none, as published.
        use_motion: whether every frame has its difference from the one before beside it, which
            is not in the paper.
        depth_range: None, or for depth video, of 1 channel: how many of its 255 levels from the
            mean are told apart. The model then sees two channels,
            `zoo.video.depth.described_depth`: where anything was measured (not 0), and how much
                nearer or farther than the mean.
        num_frequency_bands: of the Fourier positions of the patches, per axis.
        max_resolution: of these positions, for time, height and width.
        max_speed_change: in [0, 0.5]. In training frames follow one another faster or slower by
            at most this share; without a `frame_rate` the window is a part of the video that
            leaves out at most this share of it.
        crop_area: in training, (least, most) area of the crop as a share of the largest window of
            the model's shape that fits into the frames; beyond 1 the crop has black borders.
            None: that window, in the middle, as at evaluation.
        crop_aspect: in training, how much the crop is stretched: a factor of at least 1, of the
            ratio of its sides to either side.
        flip: whether half of the training videos are mirrored left to right. Off where left and
            right are told apart.
        max_brightness: in training, most that is added to or taken from all pixels, as a share of
            the range of pixels.
        max_contrast: in [0, 1), in training, most relative change of the pixels' distance from
            their mean.
        mix_up: in [0, 1], in training, alpha of MixUp's beta distribution: every video is mixed
            with another one, and so are their labels; 0: off.
        dataset: where the pipeline reads by default.
        recipe: name of the default training recipe.
    """

    summary: str
    source: str
    parameters: int
    architecture: PerceiverConfig = field(default_factory=audioset_architecture)
    num_classes: int = 527
    num_frames: int = 32
    frame_rate: float | None = 25.0
    frame_shape: tuple[int, int, int] = (224, 224, 3)
    num_windows: int = 16
    patch: tuple[int, int, int] = (2, 8, 8)
    patch_widening_factor: int = 0
    use_motion: bool = False
    depth_range: float | None = None
    num_frequency_bands: int = 16
    max_resolution: tuple[int, ...] = (16, 28, 28)
    max_speed_change: float = 0.0
    crop_area: tuple[float, float] | None = (0.08, 1.0)
    crop_aspect: float = 4 / 3
    flip: bool = True
    max_brightness: float = 0.125
    max_contrast: float = 0.5
    mix_up: float = 0.0
    dataset: str = "audioset.csv"
    recipe: str = "audioset"

    prediction_fields: ClassVar[tuple[str, ...]] = ("num_windows",)

    def __post_init__(self):
        for name in ("num_classes", "num_frames", "num_windows", "num_frequency_bands"):
            value = getattr(self, name)
            require(self, name, "an integer of at least 1", is_count(value))
        widening = self.patch_widening_factor
        is_widening = type(widening) is int and widening >= 0
        require(self, "patch_widening_factor", "an integer of at least 0", is_widening)
        rate = self.frame_rate
        require(self, "frame_rate", "greater than 0, or None", rate is None or rate > 0)
        for name in ("frame_shape", "patch"):
            form = "a tuple of three integers of at least 1"
            value = getattr(self, name)
            require(self, name, form, are_counts(value, 3))
        channels = self.frame_shape[2]
        require(self, "frame_shape", "of 1 or 3 channels", channels in (1, 3))
        depth_range = self.depth_range
        fits = depth_range is None or (depth_range > 0 and channels == 1)
        require(self, "depth_range", "None, or greater than 0 and for 1 channel", fits)
        sizes = (self.num_frames, *self.frame_shape[:2])
        divides = all(size % part == 0 for size, part in zip(sizes, self.patch, strict=True))
        divisors = f"divisors of {sizes[0]} frames of {sizes[1]} x {sizes[2]}"
        require(self, "patch", divisors, divides)
        form = "a tuple of three numbers greater than 0"
        resolution = self.max_resolution
        require(
            self, "max_resolution", form, _is_triple(resolution) and all(r > 0 for r in resolution)
        )
        self._check_augmentation()

    def _check_augmentation(self):
        require(self, "max_speed_change", "in [0, 0.5]", 0 <= self.max_speed_change <= 0.5)
        area = self.crop_area
        is_area = area is None or (len(area) == 2 and 0 < area[0] <= area[1])
        require(self, "crop_area", "None or two numbers above 0, the smaller first", is_area)
        require(self, "crop_aspect", "at least 1", self.crop_aspect >= 1)
        require(self, "max_brightness", "in [0, 1]", 0 <= self.max_brightness <= 1)
        require(self, "max_contrast", "in [0, 1)", 0 <= self.max_contrast < 1)
        if self.depth_range is not None:
            for name in ("max_brightness", "max_contrast"):
                require(self, name, "0 for depth", not getattr(self, name))
        require(self, "mix_up", "in [0, 1]", 0 <= self.mix_up <= 1)

    @property
    def reads(self) -> str:
        """What an example is, for the list of models."""
        height, width, channels = self.frame_shape
        return f"{self.num_frames}x{height}x{width}x{channels}"

    @property
    def seen_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the frames that the model takes."""
        return self.frame_shape if self.depth_range is None else (*self.frame_shape[:2], 2)

    @property
    def grid(self) -> tuple[int, int, int]:
        """How many patches there are along time, height and width."""
        sizes = (self.num_frames, *self.frame_shape[:2])
        return tuple(size // part for size, part in zip(sizes, self.patch, strict=True))

    @property
    def augmentation(self):
        """What is done to training videos: a dict from the names of fields to their values."""
        return {name: getattr(self, name) for name in AUGMENTATION}


@dataclass(frozen=True)
class VideoClassifierConfig(VideoConfig):
    """A classifier of videos with one label each."""


@dataclass(frozen=True)
class VideoTaggerConfig(VideoConfig):
    """A tagger of videos, each with any number of labels."""


def _is_triple(value):
    return isinstance(value, tuple) and len(value) == 3


# The whole of a short video; left and right are told apart.
_ACTIONS = {
    "num_frames": 16,
    "frame_rate": None,
    "num_frequency_bands": 8,
    "max_speed_change": 0.2,
    "crop_aspect": 1.2,
    "flip": False,
}
_SMALL = PerceiverConfig(
    num_latents=32,
    latent_channels=128,
    num_cross_attends=2,
    num_self_attends_per_block=2,
    num_cross_attention_heads=4,
    num_self_attention_heads=4,
    cross_attention_qk_channels=128,
    cross_attention_v_channels=128,
    dropout=0.2,
)

VIDEO_MODELS = {
    "perceiver_audioset_video": VideoTaggerConfig(
        summary="Original Perceiver on video, 12,544 patches of 2 x 8 x 8, 527 labels",
        source="arXiv:2103.03206 section 4.2; 16 bands from its widths; chosen, not printed: 512 "
        "latent channels, sizes of the colour changes",
        parameters=28_763_153,
    ),
    "perceiver_depth_actions_small": VideoClassifierConfig(
        summary="Actions in 16 frames of depth and their motion, trains in minutes on two cores",
        source="sized for the depth videos of UTD-MHAD, here 24 x 24; unlike the paper distances "
        "from the mean and differences of frames",
        parameters=352_769,
        architecture=dataclasses.replace(
            _SMALL, num_cross_attends=1, latent_init_scale=0.1, dropout=0.1
        ),
        num_classes=27,
        frame_shape=(24, 24, 1),
        patch=(2, 4, 4),
        patch_widening_factor=1,
        use_motion=True,
        depth_range=40.0,
        num_windows=1,
        max_resolution=(8, 6, 6),
        crop_area=(0.7, 1.3),
        max_brightness=0.0,
        max_contrast=0.0,
        dataset="depth16x48x48_crop.npz:label=action:test=subject=2,4,6,8",
        recipe="depth_actions_small",
        **_ACTIONS,
    ),
    "perceiver_actions_small": VideoClassifierConfig(
        summary="Actions in 16 grey frames and their motion, trains in minutes on two cores",
        source="sized for a few videos of UTD-MHAD; unlike the paper differences of frames",
        parameters=510_417,
        architecture=dataclasses.replace(
            _SMALL, num_latents=16, latent_init_scale=0.1, dropout=0.1
        ),
        num_classes=5,
        frame_shape=(36, 48, 1),
        patch=(2, 9, 8),
        num_windows=2,
        use_motion=True,
        max_resolution=(8, 4, 6),
        crop_area=(0.7, 1.1),
        max_brightness=0.1,
        max_contrast=0.3,
        dataset="utd_rgb.csv",
        recipe="actions_small",
        **_ACTIONS,
    ),
}
