"""The tiny models of video with sound that the tests share, and their data."""

import dataclasses

import numpy as np

from perceiver_tf.models.configs import PerceiverConfig
from zoo.audio_video.configs import AudioVideoClassifierConfig, AudioVideoTaggerConfig
from zoo.configs import FIXED_FIELDS

ARCHITECTURE = PerceiverConfig(
    num_latents=3,
    latent_channels=8,
    num_cross_attends=2,
    num_self_attends_per_block=1,
    num_self_attention_heads=2,
    sharing="none",
    latent_init_scale=1.0,
)
# Sound at 8,000 samples a second, 5 rows of 16.
RAW = AudioVideoClassifierConfig(
    "",
    "",
    1,
    architecture=ARCHITECTURE,
    num_classes=10,
    image_shape=(2, 24, 28, 1),
    frame_rate=4.0,
    image_patch=(1, 12, 14),
    num_image_bands=2,
    image_max_resolution=(2, 4, 4),
    num_audio_samples=80,
    sample_rate=8000,
    audio_patch=16,
    num_audio_bands=3,
    audio_max_resolution=5,
)
MEL = dataclasses.replace(
    RAW,
    representation="mel",
    num_audio_samples=96,
    audio_patch=2,
    num_mels=6,
    mel_stride=16,
    mel_window=24,
    fft_length=32,
    highest_frequency=4000.0,
    frequency_mask=3,
    time_mask=2,
)
# Two channels, 4 rows of 3 samples.
SERIES = dataclasses.replace(
    RAW,
    num_classes=3,
    num_audio_samples=12,
    num_audio_channels=2,
    audio_scale=(1.0, 10.0),
    audio_patch=3,
    audio_max_resolution=4,
    max_image_shift=2,
    max_speed_change=0.2,
    max_noise=0.1,
)
TAGGER = AudioVideoTaggerConfig(**{f.name: getattr(RAW, f.name) for f in dataclasses.fields(RAW)})


def inputs_of(random, config, batch_size=2):
    """Returns random inputs of a model of both streams, all of whose rows are there."""
    rows = {name: int(np.prod(grid)) for name, grid in config.grids.items()}
    return {
        "video": random.random((batch_size, *config.seen_shape)).astype("float32"),
        "video_mask": np.ones((batch_size, rows["video"]), bool),
        "audio": random.normal(size=(batch_size, *config.audio_shape)).astype("float32"),
        "audio_mask": np.ones((batch_size, rows["audio"]), bool),
    }


def overrides_of(config):
    """Returns the settings that make such a configuration of a named one."""
    settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    for name in FIXED_FIELDS:
        del settings[name]
    return settings | dataclasses.asdict(config.architecture)


def write_arrays(folder, num_videos=12, **changes):
    """Writes two files of videos whose pixels, and series whose samples, tell the class.

    Class k of 3 has pixels of 50 + 60 k, and in channel 0 samples of 2 k - 2; videos come from
    subjects 1 to 4, and series have 5 to 16 samples.

    Returns:
        the source's name.
    """
    labels = np.arange(num_videos) % 3
    lengths = 5 + np.arange(num_videos) % 12
    samples = np.repeat(2.0 * labels - 2.0, lengths)
    videos = np.broadcast_to(50 + 60 * labels[:, None, None, None], (num_videos, 2, 24, 28))
    arrays = {
        "video": videos.astype("uint8"),
        "action": labels + 7,
        "subject": 1 + np.arange(num_videos) // 3,
        "x": np.stack([samples, -10 * samples], axis=1).astype("float32"),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
        **changes,
    }
    arrays = {name: value for name, value in arrays.items() if value is not None}
    of_series = {"x", "offsets"}
    np.savez(folder / "videos.npz", **{k: v for k, v in arrays.items() if k not in of_series})
    np.savez(folder / "series.npz", **{k: v for k, v in arrays.items() if k in of_series})
    return f"{folder}/videos.npz+{folder}/series.npz"
