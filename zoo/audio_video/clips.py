"""Clips in folders, with sound or without, kept in memory."""

import logging

import numpy as np
import tensorflow as tf

from zoo.clips.codec import read_clip
from zoo.clips.files import in_16_bits
from zoo.clips.reading import read_clips
from zoo.errors import ZooError

_LOGGER = logging.getLogger("zoo")


def read_what_there_is(path, **form):
    """Returns frames and sound of the start of a file, None for the sound if it has no track.

    Args:
        path: a file of moving pictures.
        **form: what `zoo.clips.codec.read_clip` takes.

    Returns:
        (video, audio): uint8 (up to num_frames, height, width, 3) and float32 (up to
        num_samples,), or None: what there is of a clip that ends early.

    Raises:
        ZooError: as `zoo.clips.codec.read_clip`, but not for a missing sound track.
    """
    return read_clip(path, **form, may_end_early=True, may_be_silent=True)


class StoredAudioVideo:
    """The clips of a split, each cut to the model's length from its start, kept in memory.

    A clip that ends before has fewer frames and samples. One without a sound track has a masked
    one; how many there are is told in a line of the log.

    Args:
        clips: list of (path, class name), as `zoo.clips.files.list_clips` gives them.
        label_numbers: callable from a path and its class name to a list of the labels' numbers.
        config: `zoo.audio_video.configs.AudioVideoConfig`.
        skip_corrupt: bool. Leave out clips that cannot be read.

    Attributes:
        skipped: tuple of str, why clips were left out.
        num_silent: int, how many clips have no sound track.

    Raises:
        ZooError: as `zoo.clips.reading.read_clips`, or if none of the clips has a stream that the
            model reads.
    """

    def __init__(self, clips, label_numbers, config, skip_corrupt=False):
        form = form_of(config)

        def read_one(path):
            video, audio = read_what_there_is(path, **form)
            return video, None if audio is None else in_16_bits(audio)

        labels = [label_numbers(path, name) for path, name in clips]
        read, reasons = read_clips([path for path, _ in clips], read_one, skip_corrupt)
        labels = [labels[number] for number, _, _ in read]
        videos = [video for _, video, _ in read]
        sounds = [np.zeros(0, "int16") if audio is None else audio for _, _, audio in read]
        self.skipped, self.num_clips = tuple(reasons), len(read)
        self.num_silent = sum(audio is None for _, _, audio in read)
        self._tell_silent(config)
        with tf.init_scope(), tf.device("CPU:0"):
            self._frames, self._frame_bounds = tf.constant(np.concatenate(videos)), _bounds(videos)
            self._samples, self._sound_bounds = tf.constant(np.concatenate(sounds)), _bounds(sounds)
            self._labels = tf.constant([number for row in labels for number in row], tf.int32)
            self._label_bounds = _bounds(labels)

    def clip(self, index, key):
        """Returns video uint8, sound float32 (n, 1), labels int32 (l,), whether there is sound."""
        del key
        video = _row(self._frames, self._frame_bounds, index)
        audio = tf.cast(_row(self._samples, self._sound_bounds, index), tf.float32) / (2**15 - 1)
        labels = _row(self._labels, self._label_bounds, index)
        return video, audio[:, None], labels, tf.size(audio) > 0

    def _tell_silent(self, config):
        if "audio" not in config.streams or not self.num_silent:
            return
        if config.streams == ("audio",):
            raise ZooError(
                "A model of sound alone must have sound in every clip. Received: "
                f"{self.num_silent} of {self.num_clips} clips without a sound track."
            )
        counts = self.num_silent, self.num_clips
        _LOGGER.warning("%d of %d clips have no sound track: their sound is masked.", *counts)


def form_of(config):
    """Returns the arguments of `zoo.clips.codec.read_clip` that the model's clips are read by."""
    frames, *side, _ = config.image_shape
    return {
        "num_frames": frames,
        "frame_rate": config.frame_rate,
        "side": side,
        "num_samples": config.num_audio_samples if "audio" in config.streams else None,
        "sample_rate": config.sample_rate,
    }


def _bounds(parts):
    """Returns where each of some sequences begins in a row of all of them, and the last ends."""
    return tf.constant(np.cumsum([0, *map(len, parts)]), tf.int64)


def _row(values, bounds, index):
    return values[bounds[index] : bounds[index + 1]]
