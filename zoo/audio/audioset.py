"""AudioSet as its authors distribute it: lists of segments, and sounds by the videos' names."""

import csv
import logging
import re

from zoo.audio.decoding import SUFFIXES
from zoo.errors import ZooError

LABEL_FILE = "class_labels_indices.csv"
_COMMENT = "#"
_TITLE = "YTID"
# YTID.wav or YYTID.wav, perhaps with the segment: YTID_30.000_40.000.wav, YTID_30000.flac.
_STEM = re.compile(r"(?P<name>.{11})(?P<segment>_\d+(?:\.\d+)?(?:_\d+(?:\.\d+)?)?)?")
_LOGGER = logging.getLogger("zoo")


def segment_files(source):
    """Returns the lists of segments of a source by split, {} if it is not AudioSet.

    Args:
        source: pathlib.Path of a folder with `*_train_segments.csv` and, if there is one,
            `*eval_segments.csv`; or of one such list, which is for training.
    """
    if source.is_file():
        return {"train": [source]} if _is_segment_file(source) else {}
    files = sorted(source.glob("*segments.csv")) if source.is_dir() else []
    train = [file for file in files if "train" in file.name]
    test = [file for file in files if "eval" in file.name]
    return {split: found for split, found in (("train", train), ("test", test)) if found}


def read_segments(source, files):
    """Returns the segments whose sounds are there.

    The sounds lie anywhere in the folder of the lists, named by the video (YTID.wav, .m4a, .mp4
    and so on, also with a Y before it or the segment's times behind it). If a video has several
    files, the first in the order of `zoo.audio.decoding.SUFFIXES` counts. Of a file that is named
    by the video alone and longer than the segment, the segment is cut. Segments without a file, of
    videos that are gone, are left out and counted in a line of the log.

    Args:
        source: pathlib.Path as of `segment_files`.
        files: what that returned.

    Returns:
        (dict from split to a list of (path, labels, start, end, where it is listed); names of the
        classes in their order if `class_labels_indices.csv` is there, else None). Labels are names
        if it is there, and else the identifiers in the lists.

    Raises:
        ZooError: if a list is not of AudioSet's form, has no segments to train on, or no sound is
            there.
    """
    folder = source if source.is_dir() else source.parent
    names = _read_names(folder / LABEL_FILE)
    sounds = _sounds_by_video(folder)
    splits, num_missing, num_segments = {}, 0, 0
    for split, lists in files.items():
        rows = [row for file in lists for row in _rows(file)]
        found = [_with_sound(row, sounds, names) for row in rows]
        splits[split] = [row for row in found if row is not None]
        num_segments += len(rows)
        num_missing += len(rows) - len(splits[split])
    if not splits.get("train"):
        raise ZooError(
            f"AudioSet must have sounds to train on in {folder}, named as YTID.wav or the like. "
            f"Received: none for the {num_segments} segments listed."
        )
    if num_missing:
        counts = f"{num_missing} of {num_segments}"
        _LOGGER.warning("Left out %s segments of AudioSet whose sounds are not there.", counts)
    return splits, None if names is None else tuple(names.values())


def _is_segment_file(path):
    if path.suffix.lower() != ".csv":
        return False
    with path.open("rb") as file:
        start = file.read(4096)
    return start.startswith(_COMMENT.encode()) and _TITLE.encode() in start


def _rows(path):
    """Yields (video, labels, start, end, where) of a list of segments."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ZooError(f"The list of segments {path} cannot be read: {error}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(_COMMENT):
            continue
        where = f"{path} line {number}"
        (fields,) = csv.reader([line], skipinitialspace=True)
        try:
            video, start, end, labels = fields
            start, end = float(start), float(end)
            if not 0 <= start < end < float("inf"):
                raise ValueError("times")
        except ValueError as error:
            raise ZooError(
                "A segment must be YTID, start, end (seconds) and a list of labels in quotes. "
                f"Received: {line[:60]!r} in {where}."
            ) from error
        yield video.strip(), [x.strip() for x in labels.split(",") if x.strip()], start, end, where


def _read_names(path):
    """Returns a dict from a label's identifier to its name, in the order of the classes."""
    if not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: int(row["index"]))
        return {row["mid"]: row["display_name"] for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise ZooError(
            f"{path} must have the columns index, mid and display_name. Received: {error!r}."
        ) from error


def _sounds_by_video(folder):
    """Returns a dict from (video, start in seconds or None) to the file of its sound."""
    found = {}
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    for path in sorted(paths, key=lambda path: (SUFFIXES.index(path.suffix.lower()), path)):
        for stem in (path.stem, path.stem.removeprefix("Y")):
            name = _STEM.fullmatch(stem)
            if name:
                start = name["segment"] and name["segment"].split("_")[1]
                found.setdefault((name["name"], start and _seconds(start)), str(path))
    return found


def _seconds(text):
    """Returns a time that is written in seconds, or without a point in milliseconds."""
    return float(text) if "." in text else float(text) / 1000


def _with_sound(row, sounds, names):
    """Returns (path, labels, start, end, where) of a segment, None if its sound is not there."""
    video, labels, start, end, where = row
    if names is not None:
        unknown = [label for label in labels if label not in names]
        if unknown:
            raise ZooError(
                f"A label must be one of the {len(names)} of {LABEL_FILE}. "
                f"Received: {unknown[0]!r} in {where}."
            )
        labels = [names[label] for label in labels]
    if (video, start) in sounds:
        return sounds[video, start], labels, None, None, where
    path = sounds.get((video, None))
    return None if path is None else (path, labels, start, end, where)
