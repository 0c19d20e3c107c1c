"""Sound files and their labels: folders by class, numbered files, and manifests."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from zoo.audio_decoding import SUFFIXES
from zoo.audioset import read_segments, segment_files
from zoo.class_folders import SPLIT_FOLDERS, TEST_SHARE, list_classes
from zoo.errors import ZooError
from zoo.held_out import unit_hash

# As the free spoken digits are named, whose recordings below 5 are the official test ones. Of the
# others the next three of each label and speaker are for validation.
_NUMBERED_FILE = re.compile(r"(.+)_([^_]+)_(\d+)\.\w+")
RECORDINGS = {"train": range(8, 10**9), "validation": range(5, 8), "test": range(5)}
MOST_CLASSES = 100_000


@dataclass(frozen=True)
class Sound:
    """A sound, or a part of one, and what is heard in it.

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


def list_sounds(source, num_classes=None):
    """Returns the sounds that there are, without opening any.

    Args:
        source: path, one of:
            a folder with one folder of sounds for each class, see `zoo.class_folders`;
            a folder of files LABEL_SPEAKER_NUMBER.wav (or .flac, .ogg, .mp3), such as the free
            spoken digits: numbers below 5 are the test split, from 5 to 7 the validation split;
            a manifest: a `.csv` file with the columns `path` (relative to the manifest) and
            `label` (several labels have a semicolon between them) and, if wanted, `start` and
            `end` (seconds) and `split` (train, validation or test). Without a split about a fifth
            of the files, chosen by a hash of their names, is the test split. Labels that are all
            numbers are the numbers of the classes;
            AudioSet, as its authors distribute it: a folder with `*_train_segments.csv`,
            `eval_segments.csv`, `class_labels_indices.csv` and sounds by the names of the videos,
            see `zoo.audioset`.
        num_classes: how many classes there may be, or None.

    Returns:
        (dict from the name of a split, "train" first, to a list of `Sound`; tuple of the classes'
        names).

    Raises:
        ZooError: if there is no such folder or file, no sound in it, a column or a label is
            missing, or a label is outside the range.
    """
    source = Path(source).expanduser()
    segments = segment_files(source)
    if segments:
        return _in_audioset(source, segments)
    if source.is_dir():
        return _in_folder(source)
    if source.is_file() and source.suffix.lower() == ".csv":
        return _in_manifest(source, num_classes)
    found = "which is neither" if source.exists() else "not found"
    raise ZooError(
        "Sounds must be a folder of sounds by class, a folder of LABEL_SPEAKER_NUMBER.wav, or a "
        f".csv manifest. Received: {source}, {found}."
    )


def _in_audioset(source, segments):
    splits, class_names = read_segments(source, segments)
    if class_names is None:
        class_names = _sorted({label for row in splits["train"] for label in row[1]})
    numbering = _numbering(class_names)
    sounds = {
        split: [
            Sound(path, _numbers_of(labels, numbering, where), start, end, True)
            for path, labels, start, end, where in rows
        ]
        for split, rows in splits.items()
    }
    return _without_empty(sounds), class_names


def _in_folder(folder):
    if any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir()):
        files, class_names = list_classes(folder, "sounds", SUFFIXES)
        splits = {
            split: [Sound(path, (int(label),)) for path, label in zip(paths, labels, strict=True)]
            for split, (paths, labels) in files.items()
        }
        return splits, class_names
    return _numbered_files(folder)


def _numbered_files(folder):
    """Returns splits and class names of a folder of LABEL_SPEAKER_NUMBER.wav."""
    names = sorted(p.name for p in folder.iterdir() if p.name.lower().endswith(SUFFIXES))
    if not names:
        found = "none" if any(folder.iterdir()) else "an empty folder"
        raise ZooError(f"{folder} must hold sounds ({', '.join(SUFFIXES)}). Received: {found}.")
    rows = []
    for name in names:
        parts = _NUMBERED_FILE.fullmatch(name)
        if not parts:
            raise ZooError(
                f"The sounds in {folder} must be in one folder for each class, or be named "
                f"LABEL_SPEAKER_NUMBER.wav. Received: {name}."
            )
        split = next(name for name, numbers in RECORDINGS.items() if int(parts[3]) in numbers)
        rows.append((split, str(folder / name), parts[1]))
    class_names = _sorted({label for split, _, label in rows if split == "train"})
    if not class_names:
        raise ZooError(
            f"{folder} must hold sounds to train on, of numbers from {RECORDINGS['train'][0]} on. "
            "Received: none."
        )
    splits, numbering = {split: [] for split in RECORDINGS}, _numbering(class_names)
    for split, path, label in rows:
        splits[split].append(Sound(path, _numbers_of([label], numbering, path)))
    return _without_empty(splits), class_names


def _in_manifest(path, num_classes):
    rows = _rows(path)
    if not any(row["split"] == "train" for row in rows):
        raise ZooError(f"The manifest must hold sounds to train on. Received: {path}, none.")
    labels = {label for row in rows for label in row["labels"]}
    numbered = bool(labels) and all(re.fullmatch(r"[+-]?\d+", label) for label in labels)
    if numbered:
        highest = min(max(map(int, labels)), (num_classes or MOST_CLASSES) - 1)
        class_names = tuple(map(str, range(num_classes or highest + 1)))
    else:
        class_names = _sorted(
            {label for row in rows if row["split"] == "train" for label in row["labels"]}
        )
    splits, numbering = {split: [] for split in SPLIT_FOLDERS}, _numbering(class_names)
    for row in rows:
        numbers = _numbers_of(row["labels"], numbering, f"{path} line {row['line']}")
        file = str(path.parent / Path(row["path"]).expanduser())
        splits[row["split"]].append(Sound(file, numbers, row["start"], row["end"]))
    return _without_empty(splits), class_names


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


def _numbering(class_names):
    return {name: number for number, name in enumerate(class_names)}


def _numbers_of(labels, numbering, where):
    """Returns the numbers of labels, a tuple of ints."""
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


def _sorted(labels):
    return tuple(sorted(labels, key=lambda x: (0, int(x), x) if x.isdecimal() else (1, 0, x)))


def _without_empty(splits):
    return {split: sounds for split, sounds in splits.items() if sounds}
