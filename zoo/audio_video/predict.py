"""Classify and tag clip files by their video and sound through the endpoints of a model."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from rich.text import Text

from zoo.audio_video.clips import read_what_there_is
from zoo.errors import ZooError
from zoo.predictions.labels import served_class_names
from zoo.predictions.of_files import (
    check_settings,
    predictions_of,
    print_predictions,
    raise_first,
    report_of,
)


def predict_audio_video(
    endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=32
):
    """Prints a table of clip files and their best classes; see `zoo.task.Task.predict`.

    Of a clip its start counts, as long as the model reads; what a shorter one lacks is masked. One
    without a sound track is scored by its video alone, and a line says which these are.

    Args:
        endpoints: dict of callables with "classify_audio_video" or "tag_audio_video",
            "clip_format" and, if the names are known, "class_names", see
            `zoo.audio_video.served.ServedAudioVideo`.
        items: list of str, files of moving pictures.
        out: must be None: nothing is written.
        console: `rich.console.Console`.
        top: how many classes to name for each file.
        skip_corrupt: leave out files that cannot be read, and list them in "skipped".
        batch_size: files scored together.

    Returns:
        dict of "predictions" (of each file: "file", "label", "score" and "top", a list of labels
        and scores), "skipped", and "without_sound", a list of files, for JSON.

    Raises:
        ZooError: if a file cannot be read, a setting is wrong, `out` is given, or the model reads
            what no clip has.
    """
    if out is not None:
        raise ZooError(f"`--out` must be left out for these: nothing is written. Received: {out}")
    check_settings(top, batch_size)
    form = {name: value.numpy().item() for name, value in endpoints["clip_format"]().items()}
    if form["sees_audio"] and form["num_audio_channels"] != 1:
        raise ZooError(
            "The model must read sound of one channel to predict clip files; call its endpoints "
            f"with arrays instead. Received: a model of {form['num_audio_channels']} channels."
        )
    verb = "tag" if "tag_audio_video" in endpoints else "classify"
    scored, skipped, silent = [], {}, []
    for start in range(0, len(items), batch_size):
        clips = _read(items[start : start + batch_size], form, skipped, skip_corrupt)
        if clips:
            files, videos, sounds = zip(*clips, strict=True)
            silent += [file for file, sound in zip(files, sounds, strict=True) if sound is None]
            scores = _scores(endpoints[f"{verb}_audio_video"], videos, sounds, form)
            scored += zip(files, scores, strict=True)
    found = predictions_of(scored, skipped, served_class_names(endpoints), top)
    print_predictions(console, found)
    if form["sees_audio"] and silent:
        names = ", ".join(map(str, silent))
        console.print(Text(f"No sound track, scored by video alone: {names}"), soft_wrap=True)
    without = [str(file) for file in silent] if form["sees_audio"] else []
    return {**report_of(found), "without_sound": without}


def _read(files, form, skipped, skip_corrupt):
    """Returns a list of (path, frames, sound or None) of the files that can be read."""
    clips = []
    for file in map(Path, files):
        try:
            video, audio = read_what_there_is(
                file,
                num_frames=form["num_frames"],
                frame_rate=form["frame_rate"],
                side=(form["height"], form["width"]),
                num_samples=form["num_audio_samples"] if form["sees_audio"] else None,
                sample_rate=form["sample_rate"],
            )
            if audio is None and not form["sees_video"]:
                raise ZooError("no sound track, and the model reads sound alone")
        except ZooError as error:
            skipped[file] = str(error).removeprefix(f"{file.expanduser()} ").removesuffix(".")
            raise_first(skipped, skip_corrupt)
        else:
            clips.append((file, video, audio))
    return clips


def _scores(score, videos, sounds, form):
    """Returns the scores of clips; those with as many frames are scored together."""
    num_frames = np.array([len(video) if form["sees_video"] else 0 for video in videos])
    scores = {}
    for count in np.unique(num_frames):
        places = np.flatnonzero(num_frames == count)
        tensors = _tensors([videos[i] for i in places], [sounds[i] for i in places], form)
        scores |= zip(places, score(**tensors)["scores"].numpy(), strict=True)
    return [scores[place] for place in range(len(videos))]


def _tensors(videos, sounds, form):
    tensors = {}
    if form["sees_video"]:
        tensors["video"] = tf.constant(np.stack(videos))
    if form["sees_audio"]:
        lengths = [0 if sound is None else len(sound) for sound in sounds]
        audio = np.zeros((len(sounds), form["num_audio_samples"]), "float32")
        for row, sound, length in zip(audio, sounds, lengths, strict=True):
            row[:length] = 0.0 if sound is None else sound
        tensors |= {"audio": tf.constant(audio), "num_samples": tf.constant(lengths, tf.int32)}
    return tensors
