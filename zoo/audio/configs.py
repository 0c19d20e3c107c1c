"""The named models of sound: one row each, with its source and its pinned number of parameters.

This module loads neither Keras nor TensorFlow.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from perceiver_tf.models.configs import PerceiverConfig
from zoo.audio.audioset_architecture import audioset_architecture
from zoo.config_checks import is_count, require

REPRESENTATIONS = ("waveform", "mel")


@dataclass(frozen=True)
class AudioConfig:
    """What all models of sound have: how a sound is cut, described and read.

    Attributes:
        summary: one line for the list of models.
        source: paper and section, and what it does not print and was chosen here.
        parameters: number of trainable parameters as configured here.
        architecture: `PerceiverConfig`.
        num_classes: width of the logits.
        representation: "waveform", whose patches are the rows of the inputs, or "mel", whose rows
            are patches of a log-mel spectrogram.
        sample_rate: samples of a second; sounds of other rates are resampled.
        num_samples: length of a window, what the model hears at once.
        num_windows: into how many windows, evenly spread, a longer recording is cut when it is
            evaluated or served; their logits are averaged. They overlap if the recording is
            shorter than all of them together, and leave gaps if it is longer.
        audio_patch: samples of a row, for "waveform".
        num_mels, mel_stride, mel_window, fft_length: of the spectrogram: bins of the mel scale,
            samples between frames and in one, and length of the Fourier transform.
        lowest_frequency, highest_frequency: Hz, of the mel scale.
        dynamic_range: decibels below the loudest point that the spectrogram still tells apart.
        mel_patch: (frames, mel bins) of a row, for "mel".
        patch_widening_factor: of an MLP that every patch passes before the latents read it, which
            makes a small model of waveforms learn much sooner; 0: none, as published.
        num_frequency_bands: of the Fourier positions of the rows, per axis of `grid`.
        max_resolution: of these positions, one number per axis of `grid`.
        max_speed_change: in training sounds are played faster or slower by at most this share.
        max_noise: in training, most of the noise that is added, as a share of the sound's root
            mean square.
        flips_polarity: whether in training half of the sounds change their sign.
        max_shift: samples; in training a sound that is shorter than the window begins at a place
            up to so far into it, at evaluation in the middle of these places.
        frequency_mask, time_mask: SpecAugment (arXiv:1904.08779) of spectrograms in training:
            masks are narrower than so many mel bins and frames; 0: none.
        num_masks: of either kind.
        dataset: where the pipeline reads by default.
        recipe: name of the default training recipe.
    """

    summary: str
    source: str
    parameters: int
    architecture: PerceiverConfig = field(default_factory=audioset_architecture)
    num_classes: int = 527
    representation: str = "waveform"
    sample_rate: int = 48000
    num_samples: int = 61440
    num_windows: int = 16
    audio_patch: int = 128
    num_mels: int = 80
    mel_stride: int = 1024
    mel_window: int = 2048
    fft_length: int = 2048
    lowest_frequency: float = 20.0
    highest_frequency: float = 20000.0
    dynamic_range: float = 80.0
    mel_patch: tuple[int, int] = (1, 1)
    patch_widening_factor: int = 0
    num_frequency_bands: int = 64
    max_resolution: tuple[int, ...] = (480,)
    max_speed_change: float = 0.0
    max_noise: float = 0.0
    flips_polarity: bool = False
    max_shift: int = 0
    frequency_mask: int = 0
    time_mask: int = 0
    num_masks: int = 2
    dataset: str = "audioset.csv"
    recipe: str = "audioset"

    prediction_fields: ClassVar[tuple[str, ...]] = ("num_windows",)

    def __post_init__(self):
        for name in (
            *("num_classes", "sample_rate", "num_samples", "num_windows", "audio_patch"),
            *("num_mels", "mel_stride", "mel_window", "fft_length", "num_frequency_bands"),
            "num_masks",
        ):
            value = getattr(self, name)
            require(self, name, "an integer of at least 1", is_count(value))
        for name in ("max_shift", "frequency_mask", "time_mask", "patch_widening_factor"):
            value = getattr(self, name)
            require(self, name, "an integer of at least 0", is_count(value, 0))
        one_of = f"one of {REPRESENTATIONS}"
        require(self, "representation", one_of, self.representation in REPRESENTATIONS)
        if self.representation == "waveform":
            divisor = f"a divisor of `num_samples`={self.num_samples}"
            require(self, "audio_patch", divisor, self.num_samples % self.audio_patch == 0)
        else:
            self._check_mel()
        require(self, "max_speed_change", "in [0, 0.5]", 0 <= self.max_speed_change <= 0.5)
        require(self, "max_noise", "at least 0", 0 <= self.max_noise < float("inf"))
        sized = isinstance(self.max_resolution, tuple) and len(self.max_resolution) == len(
            self.grid
        )
        form = f"a tuple of one number for each axis of the grid of rows, {self.grid}"
        require(self, "max_resolution", form, sized)

    def _check_mel(self):
        patch = self.mel_patch
        is_pair = isinstance(patch, tuple) and len(patch) == 2 and min(patch) >= 1
        divides = is_pair and self.num_frames % patch[0] == 0 and self.num_mels % patch[1] == 0
        divisors = f"divisors of {self.num_frames} frames and {self.num_mels} mel bins"
        require(self, "mel_patch", divisors, divides)
        fits = self.mel_window <= self.fft_length
        require(self, "mel_window", f"at most `fft_length`={self.fft_length}", fits)
        require(self, "dynamic_range", "greater than 0", self.dynamic_range > 0)
        in_order = 0 <= self.lowest_frequency < self.highest_frequency <= self.sample_rate / 2
        limits = f"above `lowest_frequency`={self.lowest_frequency}, at most half the sample rate"
        require(self, "highest_frequency", limits, in_order)

    @property
    def reads(self) -> str:
        """What an example is, for the list of models."""
        seconds = f"{self.num_samples / self.sample_rate:g} s of sound"
        kind = "samples" if self.representation == "waveform" else "mel"
        return f"{seconds}, {kind}"

    @property
    def num_frames(self) -> int:
        """Frames of a window's spectrogram."""
        return -(-self.num_samples // self.mel_stride)

    @property
    def patch(self) -> tuple[int, ...]:
        """What becomes one row: samples, or frames and mel bins."""
        return (self.audio_patch,) if self.representation == "waveform" else self.mel_patch

    @property
    def grid(self) -> tuple[int, ...]:
        """How many rows there are along time, and along frequency if there are several."""
        if self.representation == "waveform":
            return (self.num_samples // self.audio_patch,)
        frames, bins = self.num_frames // self.mel_patch[0], self.num_mels // self.mel_patch[1]
        return (frames,) if bins == 1 else (frames, bins)


@dataclass(frozen=True)
class AudioClassifierConfig(AudioConfig):
    """A classifier of sounds with one label each."""

    num_classes: int = 10


@dataclass(frozen=True)
class AudioTaggerConfig(AudioConfig):
    """A tagger of sounds, each with any number of labels."""


_AUDIOSET = "arXiv:2103.03206 section 4.2; chosen, not printed: 512 latent channels, 64 bands"
_DIGITS = {
    "sample_rate": 8000,
    "num_samples": 6144,
    "num_windows": 2,
    "dataset": "fsdd/",
}

AUDIO_MODELS = {
    "perceiver_audioset_raw": AudioTaggerConfig(
        summary="Original Perceiver on the raw waveform, 480 patches of 128 samples, 527 labels",
        source=_AUDIOSET,
        parameters=27_629_085,
    ),
    "perceiver_audioset_mel": AudioTaggerConfig(
        summary="Original Perceiver on a mel spectrogram, 4,800 points, 527 labels",
        source=f"{_AUDIOSET}, 60 frames x 80 mel bins",
        parameters=27_637_329,
        representation="mel",
        max_resolution=(60, 80),
        frequency_mask=16,
        time_mask=12,
    ),
    "perceiver_spoken_digits_mel": AudioClassifierConfig(
        summary="Spoken digits by log-mel spectrogram, trains in minutes on two cores",
        source="sized for the free spoken digits (FSDD)",
        parameters=346_798,
        architecture=PerceiverConfig(
            num_latents=8,
            latent_channels=128,
            num_cross_attends=2,
            num_self_attends_per_block=2,
            num_cross_attention_heads=4,
            num_self_attention_heads=4,
            cross_attention_qk_channels=64,
            cross_attention_v_channels=128,
            latent_init_scale=0.1,
            dropout=0.1,
        ),
        representation="mel",
        num_mels=40,
        mel_stride=128,
        mel_window=256,
        fft_length=512,
        lowest_frequency=60.0,
        highest_frequency=4000.0,
        dynamic_range=60.0,
        mel_patch=(1, 40),
        num_frequency_bands=16,
        max_resolution=(48,),
        max_speed_change=0.15,
        max_shift=1024,
        frequency_mask=8,
        time_mask=10,
        recipe="spoken_digits_mel",
        **_DIGITS,
    ),
    "perceiver_spoken_digits_raw": AudioClassifierConfig(
        summary="Spoken digits by raw waveform, trains in minutes on two cores",
        source="sized for the free spoken digits (FSDD); unlike the paper an MLP on every patch",
        parameters=419_278,
        architecture=PerceiverConfig(
            num_latents=16,
            latent_channels=128,
            num_cross_attends=2,
            num_self_attends_per_block=2,
            num_cross_attention_heads=8,
            num_self_attention_heads=4,
            cross_attention_qk_channels=128,
            cross_attention_v_channels=128,
            latent_init_scale=0.1,
            dropout=0.1,
        ),
        audio_patch=64,
        patch_widening_factor=4,
        num_frequency_bands=16,
        max_resolution=(96,),
        max_speed_change=0.15,
        flips_polarity=True,
        max_noise=0.05,
        max_shift=1024,
        recipe="spoken_digits_raw",
        **_DIGITS,
    ),
}
