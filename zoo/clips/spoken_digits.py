"""Clips made of two data sets: a bouncing MNIST digit, and a voice that says it (FSDD)."""

import re
import wave
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.errors import ZooError
from zoo.images.arrays import open_npz

SAMPLE_RATE = 8000
HELD_OUT_IMAGES = 1000
DIGIT_SIDE = 28
# MNIST's digits have an empty border of four pixels, which may leave the frame.
BORDER = 4
SPEED = (0.4, 1.2)
# Of the recordings of a digit by a speaker, the official test ones are the first five.
RECORDINGS = {"test": range(5), "validation": range(5, 8), "train": range(8, 10**6)}
_FILE_NAME = re.compile(r"(\d)_(\w+)_(\d+)\.wav")


class SpokenDigits:
    """The digits and voices of a split, from which clips are made.

    Args:
        images: uint8 (n, 28, 28).
        labels: int (n,), 0 to 9.
        sounds: int16 (m, num_samples), sorted by digit.
        counts: int (10,), how many sounds each digit has.
        image_shape: (frames, height, width, channels) of the clips.
    """

    def __init__(self, images, labels, sounds, counts, image_shape):
        self.num_clips = len(images)
        self._image_shape = image_shape
        with tf.init_scope(), tf.device("CPU:0"):
            self._images, self._sounds = tf.constant(images), tf.constant(sounds)
            self._labels = tf.constant(labels, tf.int32)
            self._counts = tf.constant(counts, tf.int32)
            self._starts = tf.constant(np.cumsum(counts) - counts, tf.int32)

    def clip(self, index, key):
        """Returns a clip of the digit with that number.

        Args:
            index: scalar int64.
            key: int32 (2,), for the digit's way and the voice.

        Returns:
            video uint8 `image_shape`, audio float32 (num_samples,) in [-1, 1], label scalar int32.
        """
        keys = tf.random.split(key, 2)
        label = self._labels[index]
        sound = tf.random.stateless_uniform((), keys[0], 0, self._counts[label], tf.int32)
        audio = tf.cast(self._sounds[self._starts[label] + sound], tf.float32) / 2**15
        return bouncing(self._images[index], keys[1], self._image_shape), audio, label


def bouncing(digit, key, image_shape):
    """Returns frames on which a digit moves straight on and bounces off the borders.

    Args:
        digit: uint8 (28, 28).
        key: int32 (2,), for where it starts and its speed, `SPEED` pixels a frame.
        image_shape: (frames, height, width, channels).

    Returns:
        uint8 `image_shape`.
    """
    num_frames, *sides, num_channels = image_shape
    keys = tf.random.split(key, 3)
    room = tf.constant([side - DIGIT_SIDE + 2 * BORDER for side in sides], tf.float32)
    start = tf.random.stateless_uniform((2,), keys[0]) * 2.0 * room
    angle = tf.random.stateless_uniform((), keys[1]) * (2 * np.pi)
    speed = tf.random.stateless_uniform((), keys[2], *SPEED)
    way = tf.range(num_frames, dtype=tf.float32)[:, None] * speed * [tf.sin(angle), tf.cos(angle)]
    # A way to and fro inside the room is a straight way folded.
    places = room - tf.abs((start + way) % (2.0 * room) - room)
    offsets = tf.cast(tf.round(places), tf.int32) - BORDER
    margins = [[side, side] for side in sides]
    canvas = tf.pad(digit, margins)
    rows = sides[0] - offsets[:, :1] + tf.range(sides[0])
    columns = sides[1] - offsets[:, 1:] + tf.range(sides[1])
    frames = tf.gather(tf.gather(canvas, rows), columns, axis=2, batch_dims=1)
    return tf.ensure_shape(tf.repeat(frames[..., None], num_channels, axis=-1), image_shape)


def open_spoken_digits(images_path, sounds_path, config):
    """Returns a dict from "train", "validation" and "test" to `SpokenDigits`.

    The official splits of both data sets; for validation the last 1,000 training images, and the
    recordings 5 to 7 of each digit and speaker. Sounds are cut, or filled up with silence, to the
    model's length.

    Args:
        images_path: a `.npz` file with `x_train`, `y_train`, `x_test` and `y_test` of MNIST.
        sounds_path: folder of FSDD's `DIGIT_SPEAKER_NUMBER.wav`, 8 kHz, 16 bits, mono.
        config: `MultimodalAutoencoderConfig`.

    Raises:
        ZooError: if a path or file is not that, or the model takes other clips.
    """
    if config.sample_rate != SAMPLE_RATE or config.num_classes != 10:
        raise ZooError(
            "Clips of spoken digits have 8000 samples a second and 10 classes. Received: a model "
            f"of sample_rate={config.sample_rate}, num_classes={config.num_classes}."
        )
    if min(config.image_shape[1:3]) < DIGIT_SIDE - BORDER:
        raise ZooError(
            f"Frames of digits must have at least {DIGIT_SIDE - BORDER} pixels a side. "
            f"Received: image_shape={config.image_shape}."
        )
    images = _read_images(Path(images_path))
    sounds = _read_sounds(Path(sounds_path), config.num_audio_samples)
    return {
        split: SpokenDigits(*images[split], *sounds[split], config.image_shape)
        for split in ("train", "validation", "test")
    }


def _read_images(path):
    source = open_npz(path)
    splits = {split: source.arrays(split) for split in ("train", "test")}
    for images, _ in splits.values():
        if images.shape[1:] != (DIGIT_SIDE, DIGIT_SIDE, 1):
            raise ZooError(
                f"{path} must hold images of 28 x 28 grey pixels. Received: {images.shape[1:]}."
            )
    images, labels = (array.numpy() for array in splits["train"])
    held_out = min(HELD_OUT_IMAGES, len(images) // 6)
    splits = {
        "train": (images[:-held_out], labels[:-held_out]),
        "validation": (images[-held_out:], labels[-held_out:]),
        "test": tuple(array.numpy() for array in splits["test"]),
    }
    return {split: (images[..., 0], labels) for split, (images, labels) in splits.items()}


def _read_sounds(folder, num_samples):
    """Returns of each split the sounds, int16 (m, num_samples) by digit, and counts (10,)."""
    files = {split: [[] for _ in range(10)] for split in RECORDINGS}
    for path in sorted(folder.glob("*.wav")) if folder.is_dir() else []:
        name = _FILE_NAME.fullmatch(path.name)
        if name:
            digit, number = int(name[1]), int(name[3])
            split = next(split for split, numbers in RECORDINGS.items() if number in numbers)
            files[split][digit].append(path)
    for split, by_digit in files.items():
        missing = [digit for digit, paths in enumerate(by_digit) if not paths]
        if missing:
            raise ZooError(
                f"{folder} must be a folder of DIGIT_SPEAKER_NUMBER.wav with every digit in every "
                f"split. Received: no {split} recording of {missing[0]}."
            )
    return {
        split: (
            np.stack([_read_wav(path, num_samples) for paths in by_digit for path in paths]),
            [len(paths) for paths in by_digit],
        )
        for split, by_digit in files.items()
    }


def _read_wav(path, num_samples):
    try:
        with wave.open(str(path), "rb") as sound:
            form = sound.getnchannels(), sound.getsampwidth(), sound.getframerate()
            samples = np.frombuffer(sound.readframes(num_samples), "<i2") if form[1] == 2 else None
    except (OSError, EOFError, wave.Error, ValueError) as error:
        raise ZooError(f"{path} cannot be read as a WAV file: {error}") from error
    if form != (1, 2, SAMPLE_RATE):
        raise ZooError(
            f"{path} must be mono, of 16 bits and {SAMPLE_RATE} samples a second. Received: "
            f"{form[0]} channels, {8 * form[1]} bits, {form[2]} samples a second."
        )
    return np.pad(samples, (0, num_samples - len(samples)))
