"""Sound files and their labels: folders by class, numbered files, and manifests."""

import re
from pathlib import Path

from zoo.audio.audioset import read_segments, segment_files
from zoo.audio.decoding import SUFFIXES
from zoo.data.class_folders import list_classes
from zoo.data.manifests import (
    LabelledFile,
    list_manifest,
    numbering_of,
    numbers_of,
    sorted_labels,
    without_empty,
)
from zoo.errors import ZooError

# As the free spoken digits are named, whose recordings below 5 are the official test ones. Of the
# others the next three of each label and speaker are for validation.
_NUMBERED_FILE = re.compile(r"(.+)_([^_]+)_(\d+)\.\w+")
RECORDINGS = {"train": range(8, 10**9), "validation": range(5, 8), "test": range(5)}


def list_sounds(source, num_classes=None):
    """Returns the sounds that there are, without opening any.

    Args:
        source: path, one of:
            a folder with one folder of sounds for each class, see `zoo.data.class_folders`;
            a folder of files LABEL_SPEAKER_NUMBER.wav (or .flac, .m4a and so on), such as the free
            spoken digits: numbers below 5 are the test split, from 5 to 7 the validation split;
            a manifest: a `.csv` file with the columns `path` (relative to the manifest) and
            `label` (several labels have a semicolon between them) and, if wanted, `start` and
            `end` (seconds) and `split` (train, validation or test). Without a split about a fifth
            of the files, chosen by a hash of their names, is the test split. Labels that are all
            numbers are the numbers of the classes;
            AudioSet, as its authors distribute it: a folder with `*_train_segments.csv`,
            `eval_segments.csv`, `class_labels_indices.csv` and sounds by the names of the videos,
            see `zoo.audio.audioset`.
        num_classes: how many classes there may be, or None.

    Returns:
        (dict from the name of a split, "train" first, to a list of `LabelledFile`; tuple of the
        classes' names).

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
        return list_manifest(source, "sounds", num_classes)
    found = "which is neither" if source.exists() else "not found"
    raise ZooError(
        "Sounds must be a folder of sounds by class, a folder of LABEL_SPEAKER_NUMBER.wav, or a "
        f".csv manifest. Received: {source}, {found}."
    )


def _in_audioset(source, segments):
    splits, class_names = read_segments(source, segments)
    if class_names is None:
        class_names = sorted_labels({label for row in splits["train"] for label in row[1]})
    numbering = numbering_of(class_names)
    sounds = {
        split: [
            LabelledFile(path, numbers_of(labels, numbering, where), start, end, True)
            for path, labels, start, end, where in rows
        ]
        for split, rows in splits.items()
    }
    return without_empty(sounds), class_names


def _in_folder(folder):
    if any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir()):
        files, class_names = list_classes(folder, "sounds", SUFFIXES)
        splits = {
            split: [
                LabelledFile(path, (int(label),)) for path, label in zip(paths, labels, strict=True)
            ]
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
    class_names = sorted_labels({label for split, _, label in rows if split == "train"})
    if not class_names:
        raise ZooError(
            f"{folder} must hold sounds to train on, of numbers from {RECORDINGS['train'][0]} on. "
            "Received: none."
        )
    splits, numbering = {split: [] for split in RECORDINGS}, numbering_of(class_names)
    for split, path, label in rows:
        splits[split].append(LabelledFile(path, numbers_of([label], numbering, path)))
    return without_empty(splits), class_names
