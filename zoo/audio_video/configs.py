"""The named models of video with sound, or with another series of samples: one row each.

This module loads neither Keras nor TensorFlow.
"""

import math
from dataclasses import dataclass, field

from perceiver_tf.models.configs import PerceiverConfig
from zoo.audio.audioset_architecture import audioset_architecture
from zoo.config_checks import are_counts, is_count, require

STREAMS = ("video", "audio")
REPRESENTATIONS = ("waveform", "mel")


@dataclass(frozen=True)
class AudioVideoConfig:
    """What models of video with sound have: how both are cut, described and read.

    What is called sound may be any series of samples beside the video, such as an inertial
    sensor's, of one channel or several.

    Attributes:
        summary: one line for the list of models.
        source: paper and section, and what it does not print and was chosen here.
        parameters: number of trainable parameters as configured here.
        architecture: `PerceiverConfig`.
        num_classes: width of the logits.
        streams: which of `STREAMS` the model reads. A model of one of them has rows of the same
            width as that of both; what else the data holds is left alone.
        image_shape: (frames, height, width, channels) of the video, channels 1 or 3.
        frame_rate: frames of a second.
        depth_range: None, or for depth video, of 1 channel: see `zoo.video.configs.VideoConfig`.
        use_motion: whether every frame has its difference from the one before beside it, which
            is not in the paper.
        image_patch: (frames, rows, columns) that become one row of the inputs.
        num_image_bands, image_max_resolution: of the Fourier positions of the video's patches.
        num_audio_samples: length of the sound; of a longer one the middle is read, a shorter one
            is padded, and the rows of padding are masked.
        num_audio_channels: channels of a sample, 1 for sound.
        sample_rate: samples of a second.
        representation: "waveform", or "mel" for log-mel spectrograms of sound.
        audio_scale: of each channel what its samples are divided by; (): by the root mean square
            of the whole window, which takes loudness away.
        audio_patch: samples, or frames of the spectrogram, that become one row of the inputs.
        num_mels, mel_stride, mel_window, fft_length, lowest_frequency, highest_frequency,
            dynamic_range: of the spectrogram, see `zoo.audio.configs.AudioConfig`.
        num_audio_bands, audio_max_resolution: of the Fourier positions of the sound's patches.
        patch_widening_factor: of an MLP that every patch passes before the latents read it, which
            makes small models learn sooner; 0: none, as published.
        min_input_padding: width of the shortest of the two embeddings that tell the streams apart.
        video_dropout, audio_dropout: in training, the share of examples whose video or sound is
            masked as a whole, never both; the paper's is 0.3 of the video.
        crop_area, crop_aspect: of the random crop of training videos, see
            `zoo.video.configs.VideoConfig`.
        flips: whether half of the training videos are mirrored left to right.
        max_image_shift: pixels by which training videos are shifted at most, up, down and
            sideways; the border is repeated.
        max_image_zoom: in training, height and width are stretched or squeezed by at most this
            share, each by itself, about the middle.
        max_video_shift: frames by which training videos begin earlier or later at most; the first
            or last frame is repeated.
        max_video_speed_change: in training videos are played faster or slower by at most this
            share about their middle; the first and last frame are repeated.
        max_audio_shift: samples; in training a sound that is shorter than the window begins at a
            place up to so far into it, at evaluation in the middle of these places.
        max_rotation: degrees; in training the series of a sensor of three axes (channels in threes)
            is turned by at most this angle, as if the sensor had been worn so; 0: off.
        max_gain: in training every channel of the sound is louder or softer by at most this share.
        max_speed_change: in training the sound is played faster or slower by at most this share.
        max_noise: in training, most of the noise that is added to the sound, as a share of its
            root mean square.
        frequency_mask, time_mask, num_masks: SpecAugment of spectrograms in training, see
            `zoo.audio.configs.AudioConfig`.
        mix_up: in [0, 1], in training, alpha of MixUp's beta distribution: every example is mixed
            with another one, both streams and the labels by one share, before a stream is masked;
            0: off.
        dataset: where the pipeline reads by default, see `zoo.audio_video.pipeline`.
        recipe: name of the default training recipe.
    """

    summary: str
    source: str
    parameters: int
    architecture: PerceiverConfig = field(default_factory=audioset_architecture)
    num_classes: int = 527
    streams: tuple[str, ...] = STREAMS
    image_shape: tuple[int, int, int, int] = (32, 224, 224, 3)
    frame_rate: float = 25.0
    depth_range: float | None = None
    use_motion: bool = False
    image_patch: tuple[int, int, int] = (2, 8, 8)
    num_image_bands: int = 16
    image_max_resolution: tuple[int, int, int] = (16, 28, 28)
    num_audio_samples: int = 61440
    num_audio_channels: int = 1
    sample_rate: int = 48000
    representation: str = "waveform"
    audio_scale: tuple[float, ...] = ()
    audio_patch: int = 128
    num_mels: int = 80
    mel_stride: int = 1024
    mel_window: int = 2048
    fft_length: int = 2048
    lowest_frequency: float = 20.0
    highest_frequency: float = 20000.0
    dynamic_range: float = 80.0
    num_audio_bands: int = 64
    audio_max_resolution: int = 480
    patch_widening_factor: int = 0
    min_input_padding: int = 4
    video_dropout: float = 0.3
    audio_dropout: float = 0.0
    crop_area: tuple[float, float] | None = None
    crop_aspect: float = 1.0
    flips: bool = False
    max_image_shift: int = 0
    max_image_zoom: float = 0.0
    max_video_shift: int = 0
    max_video_speed_change: float = 0.0
    max_audio_shift: int = 0
    max_rotation: float = 0.0
    max_gain: float = 0.0
    max_speed_change: float = 0.0
    max_noise: float = 0.0
    frequency_mask: int = 0
    time_mask: int = 0
    num_masks: int = 2
    mix_up: float = 0.0
    dataset: str = "audioset/"
    recipe: str = "audioset"

    def __post_init__(self):
        for name in (
            *("num_classes", "num_image_bands", "num_audio_samples", "num_audio_channels"),
            *("sample_rate", "audio_patch", "num_mels", "mel_stride", "mel_window", "fft_length"),
            *("num_audio_bands", "audio_max_resolution", "min_input_padding", "num_masks"),
        ):
            require(self, name, "an integer of at least 1", is_count(getattr(self, name)))
        for name in (
            *("max_image_shift", "max_video_shift", "max_audio_shift", "frequency_mask"),
            *("time_mask", "patch_widening_factor"),
        ):
            value = getattr(self, name)
            require(self, name, "an integer of at least 0", is_count(value, 0))
        known = isinstance(self.streams, tuple) and self.streams in (STREAMS, *zip(STREAMS))
        require(self, "streams", f"{STREAMS}, or one of them", known)
        self._check_video()
        self._check_audio()
        for name in ("video_dropout", "audio_dropout"):
            require(self, name, "in [0, 1)", 0 <= getattr(self, name) < 1)
        together = self.video_dropout + self.audio_dropout <= 1
        most = f"at most 1 together with `video_dropout`={self.video_dropout}"
        require(self, "audio_dropout", most, together)
        for name in ("max_image_zoom", "max_video_speed_change", "max_speed_change", "max_gain"):
            require(self, name, "in [0, 0.5]", 0 <= getattr(self, name) <= 0.5)
        require(self, "max_noise", "at least 0", 0 <= self.max_noise < math.inf)
        rotation = self.max_rotation
        turns = rotation == 0 or (0 < rotation <= 180 and self.num_audio_channels % 3 == 0)
        require(self, "max_rotation", "0, or up to 180 degrees for channels in threes", turns)
        require(self, "mix_up", "in [0, 1]", 0 <= self.mix_up <= 1)

    def _check_video(self):
        shaped = are_counts(self.image_shape, 4) and self.image_shape[3] in (1, 3)
        form = "(frames, height, width, channels) with 1 or 3 channels"
        require(self, "image_shape", form, shaped)
        for name in ("image_patch", "image_max_resolution"):
            sized = are_counts(getattr(self, name), 3)
            require(self, name, "three integers of at least 1", sized)
        sizes = zip(self.image_shape[:3], self.image_patch, strict=True)
        divides = all(size % patch == 0 for size, patch in sizes)
        require(self, "image_patch", f"a divisor of `image_shape`={self.image_shape}", divides)
        require(self, "frame_rate", "greater than 0", self.frame_rate > 0)
        area = self.crop_area
        is_area = area is None or (len(area) == 2 and 0 < area[0] <= area[1])
        require(self, "crop_area", "None or two numbers above 0, the smaller first", is_area)
        require(self, "crop_aspect", "at least 1", self.crop_aspect >= 1)
        depth_range = self.depth_range
        fits = depth_range is None or (depth_range > 0 and self.image_shape[3] == 1)
        require(self, "depth_range", "None, or greater than 0 and for 1 channel", fits)

    def _check_audio(self):
        one_of = f"one of {REPRESENTATIONS}"
        require(self, "representation", one_of, self.representation in REPRESENTATIONS)
        length = self.audio_shape[0]
        of_what = "samples" if self.representation == "waveform" else "frames of the spectrogram"
        divisor = f"a divisor of the {length} {of_what}"
        require(self, "audio_patch", divisor, length % self.audio_patch == 0)
        scale = self.audio_scale
        fits = isinstance(scale, tuple) and len(scale) in (0, self.num_audio_channels)
        fits = fits and all(value > 0 for value in scale)
        form = f"() or {self.num_audio_channels} numbers greater than 0"
        require(self, "audio_scale", form, fits)
        if self.representation == "mel":
            mono = self.num_audio_channels == 1
            require(self, "num_audio_channels", "1 for spectrograms of sound", mono)
            fits = self.mel_window <= self.fft_length
            require(self, "mel_window", f"at most `fft_length`={self.fft_length}", fits)
            require(self, "dynamic_range", "greater than 0", self.dynamic_range > 0)
            in_order = 0 <= self.lowest_frequency < self.highest_frequency <= self.sample_rate / 2
            lowest = f"above `lowest_frequency`={self.lowest_frequency}"
            require(self, "highest_frequency", f"{lowest}, at most half the sample rate", in_order)

    @property
    def reads(self) -> str:
        """What an example is, for the list of models."""
        video = "x".join(map(str, self.image_shape))
        seconds = f"{self.num_audio_samples / self.sample_rate:g} s"
        channels = self.num_audio_channels
        audio = f"{seconds} of sound" if channels == 1 else f"{seconds} of {channels} channels"
        return " with ".join({"video": video, "audio": audio}[name] for name in self.streams)

    @property
    def num_frames(self) -> int:
        """Frames of the spectrogram, for `zoo.audio.features.LogMel`."""
        return -(-self.num_audio_samples // self.mel_stride)

    @property
    def seen_shape(self) -> tuple[int, int, int, int]:
        """(frames, height, width, channels) of the video that the model takes."""
        return self.image_shape if self.depth_range is None else (*self.image_shape[:3], 2)

    @property
    def audio_shape(self) -> tuple[int, int]:
        """(samples, channels) of the sound, or (frames, mels) of its spectrogram."""
        if self.representation == "waveform":
            return self.num_audio_samples, self.num_audio_channels
        return self.num_frames, self.num_mels

    @property
    def grids(self) -> dict[str, tuple[int, ...]]:
        """Of both streams how many rows there are along each axis."""
        sizes = zip(self.image_shape[:3], self.image_patch, strict=True)
        return {
            "video": tuple(size // patch for size, patch in sizes),
            "audio": (self.audio_shape[0] // self.audio_patch,),
        }

    @property
    def row_channels(self) -> int:
        """Width of the rows of both streams."""
        channels = self.seen_shape[3] * (2 if self.use_motion else 1)
        video = math.prod(self.image_patch) * channels + 3 * (2 * self.num_image_bands + 1)
        audio = self.audio_patch * self.audio_shape[1] + 2 * self.num_audio_bands + 1
        return max(video, audio) + self.min_input_padding


@dataclass(frozen=True)
class AudioVideoClassifierConfig(AudioVideoConfig):
    """A classifier of video with sound, with one label each."""

    num_classes: int = 10


@dataclass(frozen=True)
class AudioVideoTaggerConfig(AudioVideoConfig):
    """A tagger of video with sound, each with any number of labels."""


def _small(**changes):
    settings = {
        "num_latents": 16,
        "latent_channels": 128,
        "num_cross_attends": 1,
        "num_self_attends_per_block": 3,
        "num_cross_attention_heads": 4,
        "num_self_attention_heads": 4,
        "cross_attention_qk_channels": 128,
        "cross_attention_v_channels": 128,
        "latent_init_scale": 0.1,
        "dropout": 0.1,
    }
    return PerceiverConfig(**(settings | changes))


AUDIO_VIDEO_MODELS = {
    "perceiver_audioset_audio_video": AudioVideoTaggerConfig(
        summary="Original Perceiver on video with its raw sound, 13,024 patches, 527 labels",
        source="arXiv:2103.03206 section 4.2; chosen, not printed: 512 latent channels, bands",
        parameters=28_787_139,
        flips=True,
    ),
    "perceiver_audio_video_digits": AudioVideoClassifierConfig(
        summary="Bouncing digits with their names spoken, trains in minutes on one core",
        source="sized for MNIST's digits with the free spoken digits (FSDD)",
        parameters=382_802,
        architecture=_small(num_latents=12, cross_attention_qk_channels=64),
        image_shape=(16, 32, 32, 1),
        frame_rate=20.0,
        image_patch=(4, 4, 4),
        num_image_bands=4,
        image_max_resolution=(4, 8, 8),
        num_audio_samples=6144,
        sample_rate=8000,
        representation="mel",
        audio_patch=2,
        num_mels=40,
        mel_stride=128,
        mel_window=256,
        fft_length=512,
        lowest_frequency=60.0,
        highest_frequency=4000.0,
        dynamic_range=60.0,
        num_audio_bands=16,
        audio_max_resolution=24,
        video_dropout=0.15,
        audio_dropout=0.5,
        max_speed_change=0.15,
        frequency_mask=8,
        time_mask=10,
        dataset="mnist.npz+fsdd/",
        recipe="audio_video_digits",
    ),
    "perceiver_utd_depth_inertial": AudioVideoClassifierConfig(
        summary="27 actions by depth video and an inertial sensor, trains in minutes on one core",
        source="sized for UTD-MHAD, whose videos are 16 frames of the whole action, here 24 x 24; "
        "unlike the paper distances from the mean and differences of frames",
        parameters=495_747,
        architecture=_small(num_latents=32),
        num_classes=27,
        image_shape=(16, 24, 24, 1),
        frame_rate=5.0,
        depth_range=40.0,
        use_motion=True,
        image_patch=(2, 4, 4),
        num_image_bands=8,
        image_max_resolution=(8, 6, 6),
        num_audio_samples=256,
        num_audio_channels=6,
        sample_rate=50,
        audio_scale=(1.0, 1.0, 1.0, 100.0, 100.0, 100.0),
        audio_patch=8,
        num_audio_bands=16,
        audio_max_resolution=32,
        patch_widening_factor=2,
        video_dropout=0.1,
        audio_dropout=0.4,
        crop_area=(0.7, 1.3),
        crop_aspect=1.2,
        max_video_shift=1,
        max_video_speed_change=0.2,
        max_audio_shift=64,
        max_rotation=30.0,
        max_gain=0.2,
        max_speed_change=0.2,
        max_noise=0.1,
        dataset="depth16x48x48_crop.npz+inertial.npz",
        recipe="audio_video_actions",
    ),
}
