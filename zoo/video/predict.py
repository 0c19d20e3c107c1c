"""Classify and tag video files through the endpoints of a model."""

import functools
from pathlib import Path

import tensorflow as tf
from rich.text import Text

from zoo.errors import ZooError
from zoo.predictions.labels import served_class_names
from zoo.predictions.of_files import (
    check_settings,
    predictions_of,
    print_predictions,
    raise_first,
    report_of,
)
from zoo.video.decoding import read_video, unreadable
from zoo.video.pictures import COLUMNS, video_sheet
from zoo.video.times import VideoForm, evaluation_times

VIDEOS_ON_A_SHEET = 12


def predict_videos(endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=1):
    """Prints a table of video files and their best classes; see `zoo.task.Task.predict`.

    Args:
        endpoints: dict of callables with "classify_video" or "tag_video", "video_format" and, if
            the names are known, "class_names", see `zoo.video.served.ServedVideoModel`.
        items: list of str, MP4, MKV, WebM, MOV, AVI or GIF files of any length, size and frame
            rate.
        out: folder for pictures of some frames of each video with its best class, `videos.png` (if
            there are more than 12, `videos_1.png` and so on), made if it is missing; None:
            nothing is written.
        console: `rich.console.Console`.
        top: how many classes to name for each file.
        skip_corrupt: leave out files that cannot be read, and list them in "skipped".
        batch_size: not used; videos go one by one, as they are of different sizes.

    Returns:
        dict of "predictions" (of each file: "file", "label", "score" and "top", a list of labels
        and scores), "skipped" and "pictures" (list of str), for JSON.

    Raises:
        ZooError: if a file cannot be read, with `skip_corrupt` if none can, a setting is below 1,
            or the disk is full.
    """
    check_settings(top, batch_size)
    score = endpoints["tag_video" if "tag_video" in endpoints else "classify_video"]
    form = _form_of(endpoints["video_format"]())
    scored, skipped, shown = [], {}, []
    for file in map(Path, items):
        frames = _read(file, form, skipped, skip_corrupt)
        if frames is None:
            continue
        scores = score(video=tf.constant(frames[None]))["scores"].numpy()[0]
        scored.append((file, scores))
        if out is not None:
            shown.append(frames[:: max(len(frames) // COLUMNS, 1)])
    found = predictions_of(scored, skipped, served_class_names(endpoints), top)
    print_predictions(console, found)
    pictures = [] if out is None else _draw(Path(out), shown, found.predictions)
    for picture in pictures:
        console.print(Text(f"Wrote {picture}"), soft_wrap=True)
    return {**report_of(found), "pictures": [str(picture) for picture in pictures]}


def _form_of(served):
    """Returns the `VideoForm` of what the endpoint "video_format" gives."""
    form = {name: value.numpy().item() for name, value in served.items()}
    return VideoForm(
        form["num_frames"],
        form["frame_rate"] or None,
        (form["height"], form["width"], form["channels"]),
        form["num_windows"],
    )


def _read(file, form, skipped, skip_corrupt):
    """Returns the frames of a file, None for one that may be left out."""
    times = functools.partial(evaluation_times, form)
    try:
        return read_video(file, form, times, num_threads=0)
    except ZooError as error:
        prefix = str(unreadable(file.expanduser(), "")).removesuffix(".")
        skipped[file] = str(error).removeprefix(prefix).removesuffix(".")
        raise_first(skipped, skip_corrupt)
    return None


def _draw(folder, videos, predictions):
    """Writes the sheets of all videos and returns their files."""
    titles = [f"{one.file.name}: {one.labels[0]} {one.scores[0]:.0%}" for one in predictions]
    starts = range(0, len(videos), VIDEOS_ON_A_SHEET)
    sheets = []
    for number, start in enumerate(starts, 1):
        name = "videos.png" if len(starts) == 1 else f"videos_{number}.png"
        share = slice(start, start + VIDEOS_ON_A_SHEET)
        sheets.append(video_sheet(folder / name, videos[share], titles[share]))
    return sheets
