"""The tiny models of sound that the tests share."""

import dataclasses

from perceiver_tf.models.configs import PerceiverConfig
from zoo.audio.configs import AudioClassifierConfig, AudioTaggerConfig

ARCHITECTURE = PerceiverConfig(
    num_latents=3,
    latent_channels=8,
    num_cross_attends=2,
    num_self_attends_per_block=1,
    num_self_attention_heads=2,
    sharing="none",
    latent_init_scale=1.0,
)
RAW = AudioClassifierConfig(
    "",
    "",
    1,
    architecture=ARCHITECTURE,
    num_classes=4,
    sample_rate=1000,
    num_samples=96,
    num_windows=3,
    audio_patch=12,
    num_frequency_bands=2,
    max_resolution=(8,),
)
MEL = dataclasses.replace(
    RAW,
    representation="mel",
    num_mels=6,
    mel_stride=16,
    mel_window=24,
    fft_length=32,
    lowest_frequency=20.0,
    highest_frequency=480.0,
    dynamic_range=40.0,
    mel_patch=(2, 3),
    max_resolution=(3, 2),
)
TAGGER = AudioTaggerConfig(**{f.name: getattr(RAW, f.name) for f in dataclasses.fields(RAW)})
