"""Classify and tag sound files through the endpoints of a model."""

import itertools
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.audio.decoding import read_sound, unreadable
from zoo.errors import ZooError
from zoo.predictions.labels import served_class_names
from zoo.predictions.of_files import (
    check_settings,
    predictions_of,
    print_predictions,
    raise_first,
    report_of,
)


def predict_sounds(endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=32):
    """Prints a table of sound files and their best classes; see `zoo.task.Task.predict`.

    Args:
        endpoints: dict of callables with "classify_sound" or "tag_sound" and, if the names are
            known, "class_names", see `zoo.audio.served.ServedAudioModel`.
        items: list of str, files as of `zoo.audio.decoding.read_sound`, of any length and rate.
        out: must be None: nothing is written.
        console: `rich.console.Console`.
        top: how many classes to name for each file.
        skip_corrupt: leave out files that cannot be read, and list them in "skipped".
        batch_size: files scored together, if they are of one sample rate.

    Returns:
        dict of "predictions" (of each file: "file", "label", "score" and "top", a list of labels
        and scores) and "skipped", for JSON.

    Raises:
        ZooError: if a file cannot be read, a setting is wrong, or `out` is given.
    """
    if out is not None:
        raise ZooError(f"`--out` must be left out for sounds: nothing is written. Received: {out}")
    check_settings(top, batch_size)
    score = endpoints["tag_sound" if "tag_sound" in endpoints else "classify_sound"]
    scored, skipped = [], {}
    for start in range(0, len(items), batch_size):
        sounds = _read(items[start : start + batch_size], skipped, skip_corrupt)
        for rate, group in itertools.groupby(sounds, key=lambda sound: sound[2]):
            files, waveforms, _ = zip(*group, strict=True)
            try:
                scored += zip(files, _scores(score, waveforms, rate), strict=True)
            except tf.errors.InvalidArgumentError:  # filters that are too many
                skipped |= dict.fromkeys(files, f"{rate} samples a second are not resampled")
                raise_first(skipped, skip_corrupt)
    found = predictions_of(scored, skipped, served_class_names(endpoints), top)
    print_predictions(console, found)
    return report_of(found)


def _read(files, skipped, skip_corrupt):
    """Returns a list of (path, waveform, sample rate) of the files that can be read."""
    sounds = []
    for file in map(Path, files):
        try:
            sounds.append((file, *read_sound(file)))
        except ZooError as error:
            prefix = str(unreadable(file.expanduser(), "")).removesuffix(".")
            skipped[file] = str(error).removeprefix(prefix).removesuffix(".")
            raise_first(skipped, skip_corrupt)
    return sounds


def _scores(score, waveforms, rate):
    lengths = [len(waveform) for waveform in waveforms]
    padded = np.zeros((len(waveforms), max(lengths)), np.float32)
    for row, waveform in zip(padded, waveforms, strict=True):
        row[: len(waveform)] = waveform
    outputs = score(
        waveform=tf.constant(padded),
        sample_rate=tf.constant(rate),
        num_samples=tf.constant(lengths, tf.int32),
    )
    return outputs["scores"].numpy()
