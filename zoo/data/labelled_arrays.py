"""What else an `.npz` file of examples may say: labels, which are for testing, class names."""

import numpy as np

from zoo.data.class_folders import TEST_SHARE
from zoo.data.held_out import unit_hash
from zoo.errors import ZooError


def checked_labels(path, labels, count, what):
    """Returns `label` of an `.npz` file, int64 (n,), or raises a `ZooError`.

    Args:
        path: the file, for messages.
        labels: numpy array.
        count: int, how many there must be.
        what: str, what the examples are, such as "clouds".
    """
    if labels.shape != (count,) or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise ZooError(
            f"`label` of {path} must be an integer from 0 for each of the {count} {what}. "
            f"Received: {labels.dtype} of shape {labels.shape}"
            f"{f' from {labels.min()}' if labels.dtype.kind in 'iu' and labels.size else ''}."
        )
    return labels.astype(np.int64)


def checked_test(path, is_test, count):
    """Returns which examples are held out, bool (n,): those of `test`, else a fixed fifth."""
    if is_test is None:
        return np.array([unit_hash(str(row)) < TEST_SHARE for row in range(count)])
    if is_test.shape != (count,) or is_test.dtype != bool:
        raise ZooError(
            f"`test` of {path} must be bool of shape ({count},). "
            f"Received: {is_test.dtype} of shape {is_test.shape}."
        )
    return is_test


def rows_by_split(path, is_test, what):
    """Returns a dict from the splits that there are, "train" first, to numbers of examples."""
    rows = {"train": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)}
    if not len(rows["train"]):
        raise ZooError(f"`test` of {path} must leave {what} to train on. Received: all True.")
    return {split: numbers for split, numbers in rows.items() if len(numbers)}


def checked_names(path, arrays, labels, what):
    """Returns the names of the classes, a tuple of str: by default the labels themselves."""
    names = arrays.get("class_names", arrays.get("names"))
    if names is None:
        return tuple(map(str, range(int(labels.max()) + 1)))
    if names.ndim != 1 or names.dtype.kind != "U":
        raise ZooError(
            f"The class names of {path} must be strings of shape (k,). "
            f"Received: {names.dtype} of shape {names.shape}."
        )
    if labels.max() >= len(names):
        raise ZooError(
            f"`label` of {path} must be less than {len(names)}, the number of class names. "
            f"Received: {labels.max()} of {what} {int(labels.argmax())}."
        )
    return tuple(map(str, names))
