"""Files in folders, one folder for each class: which there are, and which are held out."""

import os

import numpy as np

from zoo.data.held_out import unit_hash
from zoo.errors import ZooError

SPLIT_FOLDERS = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}
TEST_SHARE = 0.2


def list_classes(path, what, suffixes):
    """Returns the files of a folder that holds one folder for each class, by split.

    The folder holds `train/CLASS/` and, if there are such, `test/CLASS/` and `validation/CLASS/`
    (or `val`); or the same the other way round, `CLASS/train/` and `CLASS/test/`. A folder with
    `CLASS/` alone is split in a fixed way: about a fifth of the files, chosen by a hash of their
    names, is the test split, so that a file stays on its side when others are added.

    Args:
        path: pathlib.Path of the folder.
        what: str, what the files are, for messages, such as "images".
        suffixes: tuple of str, lower-case endings of the files that count.

    Returns:
        `(files, class_names)`: a dict from the name of a split, "train" first, to a list of paths
        (str) and their labels (int64 (n,)); and a tuple of str, in sorted order.

    Raises:
        ZooError: if the folder has no classes, one alone, one without files, or a split has a
            class that "train" has not.
    """
    folders = _split_folders(path)
    if folders:
        by_class = {
            split: _files_by_class(folder, what, suffixes) for split, folder in folders.items()
        }
        _check_same_classes(folders, by_class)
    elif _is_split_by_class(path):
        by_class = _split_inside_classes(path, what, suffixes)
    else:
        by_class = _split_by_name(path, _files_by_class(path, what, suffixes))
    class_names = tuple(by_class["train"])
    files = {split: _with_labels(files, class_names) for split, files in by_class.items()}
    return files, class_names


def _split_folders(path):
    """Returns the folder of each split, in order; empty if `path` holds classes itself."""
    folders = _splits_inside(path)
    if "train" not in folders:
        return {}
    # A class may be called "train": alone and without folders inside it is one.
    is_split = len(folders) > 1 or any(entry.is_dir() for entry in folders["train"].iterdir())
    return folders if is_split else {}


def _splits_inside(folder):
    """Returns the folders inside of one that are called as splits are, "train" first."""
    found = {}
    for split, names in SPLIT_FOLDERS.items():
        inside = [folder / name for name in names if (folder / name).is_dir()]
        if inside:
            found[split] = inside[0]
    return found


def _is_split_by_class(path):
    """Whether every class folder is divided into splits."""
    folders = [path / name for name in _folder_names(path)]
    return bool(folders) and all("train" in _splits_inside(folder) for folder in folders)


def _split_inside_classes(path, what, suffixes):
    """Returns the files of `CLASS/train/`, `CLASS/test/` and so on by split and class."""
    by_class = {split: {} for split in SPLIT_FOLDERS}
    for name in _folder_names(path):
        for split, folder in _splits_inside(path / name).items():
            by_class[split][name] = _files_inside(folder, what, suffixes)
    _check_two_classes(path, list(by_class["train"]))
    return {split: files for split, files in by_class.items() if files}


def _folder_names(folder):
    """Returns the sorted names of the folders inside a folder, hidden ones left out."""
    try:
        return sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        )
    except OSError as error:
        raise _unreadable(error) from error


def _files_by_class(folder, what, suffixes):
    """Returns the sorted files of each class folder, as str, classes in sorted order."""
    names = _folder_names(folder)
    if not names:
        found = "files only" if any(folder.iterdir()) else "an empty folder"
        raise ZooError(
            f"{folder} must hold one folder of {what} for each class (or train/CLASS/ and "
            f"test/CLASS/). Received: {found}."
        )
    files = {name: _files_inside(folder / name, what, suffixes) for name in names}
    _check_two_classes(folder, names)
    return files


def _files_inside(folder, what, suffixes):
    """Returns the sorted paths of all files in a folder and the folders inside it."""

    def stop(error):
        raise error

    try:
        files = sorted(
            os.path.join(parent, name)
            for parent, _, names in os.walk(folder, onerror=stop, followlinks=True)
            for name in names
            if name.lower().endswith(suffixes) and not name.startswith(".")
        )
    except OSError as error:
        raise _unreadable(error) from error
    if not files:
        raise ZooError(
            f"The class folder {folder} must hold {what} ({', '.join(suffixes)}). Received: none."
        )
    return files


def _unreadable(error):
    return ZooError(f"Cannot read the folder {error.filename}: {error.strerror}.")


def _check_two_classes(folder, names):
    if len(names) < 2:
        raise ZooError(
            f"{folder} must hold at least two class folders. Received: {names[0]!r} only."
        )


def _check_same_classes(folders, by_class):
    known = set(by_class["train"])
    for split, files in by_class.items():
        unknown = sorted(set(files) - known)
        if unknown:
            raise ZooError(
                f"Every class of {folders[split]} must be one of {folders['train']}. "
                f"Received: {', '.join(unknown)}."
            )


def _split_by_name(path, files_by_class):
    """Returns train and test files of each class by a hash of the files' relative names.

    Each class with two files or more has at least one in either split.
    """
    by_class = {"train": {}, "test": {}}
    for name, files in files_by_class.items():
        ranked = sorted((unit_hash(os.path.relpath(file, path)), file) for file in files)
        num_test = sum(value < TEST_SHARE for value, _ in ranked)
        num_test = min(max(num_test, 1), len(ranked) - 1)
        by_class["test"][name] = sorted(file for _, file in ranked[:num_test])
        by_class["train"][name] = sorted(file for _, file in ranked[num_test:])
    return by_class


def _with_labels(files_by_class, class_names):
    """Returns all paths, and the label of each as int64 (n,)."""
    labels = {name: label for label, name in enumerate(class_names)}
    paths = [path for files in files_by_class.values() for path in files]
    numbers = [labels[name] for name, files in files_by_class.items() for _ in files]
    return paths, np.array(numbers, np.int64)
