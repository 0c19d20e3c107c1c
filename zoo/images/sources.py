"""From the words on a command line to a source of images."""

import os
import re
from pathlib import Path

from zoo.data.tfds import TFDS_PREFIX, check_known
from zoo.errors import ZooError
from zoo.images.arrays import ImageSource, open_digits, open_npz
from zoo.images.folder import FolderSource
from zoo.images.tfds import WELL_KNOWN, TfdsSource


def open_source(spec, *, skip_corrupt=False) -> ImageSource:
    """Returns the images that a specification names.

    Args:
        spec: str or path-like, one of:
            "digits": scikit-learn's handwritten digits, embedded in that package;
            a path ending in ".npz": see `zoo.images.arrays.open_npz`;
            a folder with one folder of images per class: see `zoo.images.folder.FolderSource`;
            "tfds:NAME", or NAME alone: a TensorFlow data set such as "mnist" or "cifar10",
            downloaded when it is first used. A path that exists comes before such a name.
        skip_corrupt: bool. Leave out, and count in `skipped`, image files that cannot be read.
            Applies to folders.

    Returns:
        An `ImageSource`.

    Raises:
        ZooError: If nothing of that name exists, or it has no usable images.

    Example:

    >>> source = open_source("digits")
    >>> source.num_examples("test")
    359
    """
    text = os.fspath(spec)
    if text == "digits":
        return open_digits()
    if text.startswith(TFDS_PREFIX):
        return _open_tfds(text.removeprefix(TFDS_PREFIX))
    path = Path(text).expanduser()
    if text and path.is_dir():
        return FolderSource(path, skip_corrupt=skip_corrupt)
    if path.is_file():
        if path.suffix != ".npz":
            raise ZooError(
                f"Data must be a folder of images, a .npz file or a data set. Received: {text}."
            )
        return open_npz(path)
    if path.suffix or len(path.parts) > 1 or text.endswith(os.sep):
        raise ZooError(f"There is no such file or folder: {text}.")
    return _open_tfds(text)


def _open_tfds(name):
    """Returns the source of a data set's name, checked without opening the data set."""
    if re.split("[/:]", name)[0] not in WELL_KNOWN:
        check_known(name, ("digits", *WELL_KNOWN))
    return TfdsSource(name)
