"""The tiny models of video that the tests share, and files for them."""

import dataclasses

import numpy as np

from perceiver_tf.models.configs import PerceiverConfig
from zoo.clips.codec import write_clip
from zoo.video.configs import VideoClassifierConfig, VideoTaggerConfig

ARCHITECTURE = PerceiverConfig(
    num_latents=3,
    latent_channels=8,
    num_cross_attends=2,
    num_self_attends_per_block=1,
    num_self_attention_heads=2,
    sharing="none",
    latent_init_scale=1.0,
)
# At ten frames of a second.
RATED = VideoClassifierConfig(
    "",
    "",
    1,
    architecture=ARCHITECTURE,
    num_classes=3,
    num_frames=4,
    frame_rate=10.0,
    frame_shape=(6, 9, 3),
    num_windows=2,
    patch=(2, 3, 3),
    num_frequency_bands=2,
    max_resolution=(2, 2, 3),
    crop_area=None,
    flip=False,
    max_brightness=0.0,
    max_contrast=0.0,
)
# Whole videos of grey frames.
WHOLE = dataclasses.replace(RATED, frame_rate=None, frame_shape=(6, 9, 1), num_windows=1)
TAGGER = VideoTaggerConfig(**{f.name: getattr(RATED, f.name) for f in dataclasses.fields(RATED)})


def numbered(count, height=12, width=18, channels=3, step=10):
    """Frames that are all of one grey, frame n of n * step."""
    greys = (np.arange(count) * step).astype("uint8")
    return np.broadcast_to(greys[:, None, None, None], (count, height, width, channels))


def greys_of(frames):
    """The mean of each frame."""
    return np.asarray(frames, "float64").mean(axis=(-3, -2, -1))


def write_numbered(path, count, frame_rate=10.0, **settings):
    """Writes an MP4 of such frames."""
    return write_clip(path, numbered(count, 32, 48, **settings), frame_rate)
