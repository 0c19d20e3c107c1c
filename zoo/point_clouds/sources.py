"""Data sets of point clouds: a NumPy file of them, or files in folders by class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.class_folders import list_classes
from zoo.data.labelled_arrays import checked_labels, checked_names, checked_test, rows_by_split
from zoo.data.npz_files import read_npz
from zoo.errors import ZooError
from zoo.point_clouds.files import SUFFIXES, centred, read_points


@dataclass(frozen=True)
class Clouds:
    """Point clouds of any sizes, one behind the other.

    Attributes:
        points: float32 numpy array (total, 3).
        starts: int64 numpy array (num_clouds + 1,), where each cloud begins, and the end.
        labels: int64 numpy array (num_clouds,).
    """

    points: np.ndarray
    starts: np.ndarray
    labels: np.ndarray

    @property
    def num_clouds(self):
        """How many clouds there are."""
        return len(self.labels)


class CloudSource:
    """Labelled point clouds by split. The base of all sources.

    Attributes:
        name: str, for messages.
        class_names: tuple of str, in the order of the labels, or None.
        num_classes: int.
        skipped: tuple of str, what was left out so far, and why.
    """

    def __init__(self, name, labels, class_names, num_classes, skip_corrupt):
        self.name, self.class_names, self.num_classes = name, class_names, num_classes
        self.skipped = ()
        self._labels, self._skip_corrupt = labels, skip_corrupt
        self._read = {}

    @property
    def splits(self):
        """Names of the splits, "train" first."""
        return tuple(self._labels)

    def clouds(self, split):
        """Returns the `Clouds` of a split, read once and kept in memory.

        Raises:
            ZooError: if one cannot be used, with `skip_corrupt` if none can.
        """
        if split not in self._read:
            self._read[split] = self._joined(split)
        return self._read[split]

    def cloud(self, split, index):
        """Returns one cloud, float32 (n, 3), or raises a `ZooError`."""
        raise NotImplementedError

    def _joined(self, split):
        clouds, labels, reasons = [], [], []
        for index, label in enumerate(self._labels[split]):
            try:
                clouds.append(self.cloud(split, index))
            except ZooError as error:
                if not self._skip_corrupt:
                    raise ZooError(f"{error} Leave such out with --skip-corrupt.") from error
                reasons.append(str(error))
                continue
            labels.append(label)
        if not clouds:
            raise ZooError(f"None of the point clouds in {self.name} ({split}) can be used.")
        self.skipped += tuple(reasons)
        starts = np.cumsum([0, *map(len, clouds)]).astype(np.int64)
        return Clouds(np.concatenate(clouds), starts, np.array(labels, np.int64))


class ArrayClouds(CloudSource):
    """The point clouds of a NumPy `.npz` file.

    The file holds `points`, numbers (n, p, 3), and `label`, integers (n,) from 0. Optional are
    `mask`, bool (n, p), False where a point is padding; `test`, bool (n,), True for the clouds of
    the test split (without it a fixed fifth); and `names` or `class_names`, strings (k,).

    Args:
        path: pathlib.Path of the file.
        skip_corrupt: bool. Leave out clouds that are empty or have NaNs.

    Raises:
        ZooError: if the file cannot be read or holds something else.
    """

    def __init__(self, path, skip_corrupt=False):
        arrays = read_npz(path)
        self._points, self._mask, labels = _checked(path, arrays)
        is_test = checked_test(path, arrays.get("test"), len(labels))
        self._rows = rows_by_split(path, is_test, "clouds")
        names = checked_names(path, arrays, labels, "cloud")
        by_split = {split: labels[rows] for split, rows in self._rows.items()}
        super().__init__(str(path), by_split, names, len(names), skip_corrupt)

    def cloud(self, split, index):
        row = self._rows[split][index]
        points = self._points[row]
        points = points if self._mask is None else points[self._mask[row]]
        return centred(points, f"cloud {row} of {self.name}")


class FolderClouds(CloudSource):
    """Files of point clouds and meshes in folders by class, see `class_folders.list_classes`.

    This is how ModelNet's authors distribute it: `CLASS/train/*.off` and `CLASS/test/*.off`.
    Opening lists the files only; a split is read when it is first used, on one core: a mesh of
    20,000 faces takes about 50 ms as `.off`, 10 ms as a binary `.ply`.

    Args:
        path: pathlib.Path of the folder.
        num_samples: int, points of a mesh.
        skip_corrupt: bool. Leave out files that cannot be read.

    Raises:
        ZooError: if there are no such files.
    """

    def __init__(self, path, num_samples, skip_corrupt=False):
        files, names = list_classes(path, "point clouds", SUFFIXES)
        self._num_samples = num_samples
        self._files = {split: paths for split, (paths, _) in files.items()}
        labels = {split: numbers for split, (_, numbers) in files.items()}
        super().__init__(str(path), labels, names, len(names), skip_corrupt)

    def files(self, split):
        """Returns the paths (list of str) of a split's files."""
        return self._files[split]

    def cloud(self, split, index):
        return read_points(self._files[split][index], self._num_samples)


def open_point_clouds(spec, num_samples, *, skip_corrupt=False):
    """Returns the `CloudSource` of a path.

    Args:
        spec: str or path of an `.npz` file, see `ArrayClouds`, or of a folder, see
            `FolderClouds`.
        num_samples: int, points of a mesh.
        skip_corrupt: bool. Leave out, and list in `skipped`, clouds that cannot be used.

    Raises:
        ZooError: if there is no such file or folder, or it has no point clouds.
    """
    path = Path(spec).expanduser()
    if path.is_dir():
        return FolderClouds(path, num_samples, skip_corrupt)
    if not path.is_file():
        raise ZooError(f"There is no such file or folder: {spec} (--data).")
    if path.suffix != ".npz":
        raise ZooError(
            "Point clouds must be an .npz file, or a folder of files by class. "
            f"Received: {spec} (--data)."
        )
    return ArrayClouds(path, skip_corrupt)


def _checked(path, arrays):
    """Returns points (n, p, 3), mask (n, p) or None, and labels int64 (n,), or raises."""
    if "points" not in arrays or "label" not in arrays:
        raise ZooError(
            f"{path} must hold the arrays `points` and `label`. "
            f"Received: {', '.join(sorted(arrays)) or 'an empty file'}."
        )
    points, labels, mask = arrays["points"], arrays["label"], arrays.get("mask")
    if points.ndim != 3 or points.shape[-1] != 3 or 0 in points.shape or points.dtype.kind != "f":
        raise ZooError(
            f"`points` of {path} must be floats (clouds, points, 3), at least one. "
            f"Received: {points.dtype} of shape {points.shape}."
        )
    labels = checked_labels(path, labels, len(points), "clouds")
    if mask is not None and (mask.shape != points.shape[:2] or mask.dtype != bool):
        raise ZooError(
            f"`mask` of {path} must be bool of shape {points.shape[:2]}. "
            f"Received: {mask.dtype} of shape {mask.shape}."
        )
    return points, mask, labels
