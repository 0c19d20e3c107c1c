"""Where videos and their labels are: folders by class, and manifests."""

from pathlib import Path

from zoo.data.class_folders import list_classes
from zoo.data.manifests import LabelledFile, list_manifest
from zoo.errors import ZooError
from zoo.video.decoding import SUFFIXES


def list_videos(source, num_classes=None):
    """Returns the videos that there are, without opening any.

    Args:
        source: path, one of: a folder with one folder of videos for each class, see
            `zoo.data.class_folders`; a manifest, see `zoo.data.manifests`.
        num_classes: how many classes there may be, or None.

    Returns:
        (dict from the name of a split, "train" first, to a list of `LabelledFile`; tuple of the
        classes' names).

    Raises:
        ZooError: if there is no such folder or file, no video in it, a column or a label is
            missing, or a label is outside the range.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        files, class_names = list_classes(path, "videos", SUFFIXES)
        splits = {
            split: [LabelledFile(file, (int(label),)) for file, label in zip(*listed, strict=True)]
            for split, listed in files.items()
        }
        return splits, class_names
    if path.is_file() and path.suffix.lower() == ".csv":
        return list_manifest(path, "videos", num_classes)
    found = "which is none of these" if path.exists() else "not found"
    raise ZooError(
        "Videos must be a folder of videos by class, a .csv manifest, or an .npz file of arrays. "
        f"Received: {source}, {found}."
    )
