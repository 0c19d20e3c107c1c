"""Manifests: CSV files that list files, or parts of them, with their labels."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from zoo.data.class_folders import SPLIT_FOLDERS, TEST_SHARE
from zoo.data.held_out import unit_hash
from zoo.errors import ZooError

MOST_CLASSES = 100_000


@dataclass(frozen=True)
class LabelledFile:
    """A sound or a video, or a part of one, and what it is of.

    Attributes:
        path: str, the file.
        labels: tuple of ints, numbers of classes.
        start, end: seconds from the beginning of the file, None: its own ends.
        may_be_cut: whether the file may hold this part alone: a file that is not longer than the
            part is taken as it is.
    """

    path: str
    labels: tuple[int, ...]
    start: float | None = None
    end: float | None = None
    may_be_cut: bool = False


def list_manifest(path, what, num_classes=None):
    """Returns the parts of files that a manifest lists, without opening any of the files.

    A manifest is a `.csv` file with the columns `path` (relative to the manifest) and `label`
    (several labels have a semicolon between them) and, if wanted, `start` and `end` (seconds) and
    `split` (train, validation or test). Without a split about a fifth of the files, chosen by a
    hash of their names, is the test split. Labels that are all numbers are the numbers of the
    classes.

    Args:
        path: pathlib.Path of the manifest.
        what: str, what the files are, for messages, such as "sounds".
        num_classes: how many classes there may be, or None.

    Returns:
        (dict from the name of a split, "train" first, to a list of `LabelledFile`; tuple of the
        classes' names).

    Raises:
        ZooError: if it cannot be read, has nothing to train on, a column or a label is missing, or
            a label is outside the range.
    """
    rows = _rows(path)
    if not any(row["split"] == "train" for row in rows):
        raise ZooError(f"The manifest must hold {what} to train on. Received: {path}, none.")
    labels = {label for row in rows for label in row["labels"]}
    numbered = bool(labels) and all(re.fullmatch(r"[+-]?\d+", label) for label in labels)
    if numbered:
        highest = min(max(map(int, labels)), (num_classes or MOST_CLASSES) - 1)
        class_names = tuple(map(str, range(num_classes or highest + 1)))
    else:
        class_names = sorted_labels(
            {label for row in rows if row["split"] == "train" for label in row["labels"]}
        )
    splits, numbering = {split: [] for split in SPLIT_FOLDERS}, numbering_of(class_names)
    for row in rows:
        numbers = numbers_of(row["labels"], numbering, f"{path} line {row['line']}")
        file = str(path.parent / Path(row["path"]).expanduser())
        splits[row["split"]].append(LabelledFile(file, numbers, row["start"], row["end"]))
    return without_empty(splits), class_names


def _rows(path):
    """Returns a list of dicts of line, path, labels, start, end and split."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or ()]
            missing = [name for name in ("path", "label") if name not in columns]
            if missing:
                raise ZooError(
                    "The manifest must have the columns path and label, and may have start, end "
                    f"and split. Received: {path} with {', '.join(columns) or 'no line'}, without "
                    f"{' and '.join(missing)}."
                )
            reader.fieldnames = columns
            rows = [_row(row, f"{path} line {reader.line_num}", reader.line_num) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ZooError(f"The manifest {path} cannot be read: {error}.") from error
    held_out = {row["path"] for row in rows if unit_hash(row["path"]) < TEST_SHARE}
    if held_out == {row["path"] for row in rows}:
        held_out = set()
    for row in rows:
        row["split"] = row["split"] or ("test" if row["path"] in held_out else "train")
    return rows


def _row(row, where, line):
    values = {name: (row.get(name) or "").strip() for name in ("path", "label", "split")}
    if not values["path"]:
        raise ZooError(f"A row of a manifest must have a path. Received: {where}, without.")
    if values["split"] and values["split"] not in SPLIT_FOLDERS:
        raise ZooError(
            f"A split must be one of {', '.join(SPLIT_FOLDERS)}. "
            f"Received: {values['split']!r} in {where}."
        )
    start, end = (_seconds(row.get(name), where) for name in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise ZooError(
            f"The end of a part must be behind its start. Received: {start} to {end} in {where}."
        )
    labels = [label.strip() for label in values["label"].split(";") if label.strip()]
    return {**values, "labels": labels, "start": start, "end": end, "line": line}


def _seconds(text, where):
    if text is None or not text.strip():
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ZooError(
            f"Start and end must be seconds of at least 0. Received: {text.strip()!r} in {where}."
        )
    return seconds


def numbering_of(class_names):
    """Returns a dict from the names of classes to their numbers."""
    return {name: number for number, name in enumerate(class_names)}


def numbers_of(labels, numbering, where):
    """Returns the numbers of labels, a tuple of ints.

    Args:
        labels: list of str.
        numbering: see `numbering_of`.
        where: str, file and line, for messages.

    Raises:
        ZooError: if a label is none of the classes.
    """
    numbers = []
    for label in labels:
        # Numbers are names too: 07 is the class 7.
        name = label if label in numbering or not label.isdecimal() else str(int(label))
        if name not in numbering:
            names = list(numbering)
            known = ", ".join(names if len(names) <= 10 else [*names[:8], "...", names[-1]])
            raise ZooError(
                f"A label must be one of the {len(names)} classes {known}. "
                f"Received: {label!r} in {where}."
            )
        numbers.append(numbering[name])
    return tuple(numbers)


def sorted_labels(labels):
    """Returns a tuple of labels in order, numbers before words."""
    return tuple(sorted(labels, key=lambda x: (0, int(x), x) if x.isdecimal() else (1, 0, x)))


def without_empty(splits):
    """Returns the splits that hold something."""
    return {split: files for split, files in splits.items() if files}
