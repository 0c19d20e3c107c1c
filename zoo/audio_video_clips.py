"""Clips in folders, with sound or without, kept in memory."""

import logging

import numpy as np
import tensorflow as tf

from zoo.clip_files import MEMORY_LIMIT
from zoo.clips import read_clip
from zoo.errors import ZooError

_LOGGER = logging.getLogger("zoo")


def read_with_or_without_sound(path, **form):
    """Returns frames and sound of the start of a file, None for the sound if it has no track.

    Args:
        path: a file of moving pictures.
        **form: what `zoo.clips.read_clip` takes.

    Returns:
        (video, audio): uint8 (num_frames, height, width, 3) and float32 (num_samples,), or None.

    Raises:
        ZooError: as `zoo.clips.read_clip`, but for a missing sound track.
    """
    video, _ = read_clip(path, **{**form, "num_samples": None})
    if form.get("num_samples") is None or not _has_sound_track(path):
        return video, None
    return read_clip(path, **form)


def _has_sound_track(path):
    import av  # `read_clip` said so if it is missing

    with av.open(str(path)) as container:
        return bool(container.streams.audio)


class StoredAudioVideo:
    """The clips of a split, each cut to the model's length from its start, kept in memory.

    A clip without a sound track has a masked one; how many there are is told in a line of the log.

    Args:
        clips: list of (path, class name), as `zoo.clip_files.list_clips` gives them.
        label_numbers: callable from a path and its class name to a list of the labels' numbers.
        config: `zoo.audio_video_configs.AudioVideoConfig`.
        skip_corrupt: bool. Leave out clips that cannot be read or are too short.

    Attributes:
        skipped: tuple of str, why clips were left out.
        num_silent: int, how many clips have no sound track.

    Raises:
        ZooError: if a clip cannot be read, with `skip_corrupt` if none can, they take more than
            4 GiB, or none of them has a stream that the model reads.
    """

    def __init__(self, clips, label_numbers, config, skip_corrupt=False):
        self._length = config.num_audio_samples
        videos, sounds, labels, reasons = [], [], [], []
        for path, name in clips:
            try:
                video, audio = read_with_or_without_sound(path, **form_of(config))
            except ZooError as error:
                if not skip_corrupt:
                    raise
                reasons.append(str(error))
                continue
            videos.append(video)
            sounds.append(None if audio is None else np.round(audio * (2**15 - 1)).astype("int16"))
            labels.append(label_numbers(path, name))
            if len(videos) * (video.nbytes + 2 * self._length) > MEMORY_LIMIT:
                raise ZooError(
                    f"The clips take more than {MEMORY_LIMIT // 2**30} GiB of memory. "
                    f"Received: {len(clips)} clips of {config.image_shape}."
                )
        if not videos:
            raise ZooError(f"None of the clips can be read. {reasons[0]}")
        self.skipped, self.num_clips = tuple(reasons), len(videos)
        self.num_silent = sum(sound is None for sound in sounds)
        self._tell_silent(config)
        with tf.init_scope(), tf.device("CPU:0"):
            self._videos = tf.constant(np.stack(videos))
            silence = np.zeros(self._length, "int16")
            self._sounds = tf.constant(np.stack([silence if s is None else s for s in sounds]))
            self._has_sound = tf.constant([sound is not None for sound in sounds])
            self._bounds = tf.constant(np.cumsum([0, *map(len, labels)]), tf.int64)
            self._labels = tf.constant([number for row in labels for number in row], tf.int32)

    def clip(self, index, key):
        """Returns video uint8, sound float32 (n, 1), labels int32 (l,), whether there is sound."""
        del key
        audio = tf.cast(self._sounds[index], tf.float32)[:, None] / (2**15 - 1)
        labels = self._labels[self._bounds[index] : self._bounds[index + 1]]
        return self._videos[index], audio, labels, self._has_sound[index]

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
    """Returns the arguments of `zoo.clips.read_clip` that the model's clips are read by."""
    frames, *side, _ = config.image_shape
    return {
        "num_frames": frames,
        "frame_rate": config.frame_rate,
        "side": side,
        "num_samples": config.num_audio_samples if "audio" in config.streams else None,
        "sample_rate": config.sample_rate,
    }
