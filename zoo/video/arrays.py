"""Videos in a NumPy `.npz` file, and how a specification says which of its arrays are what."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.data.class_folders import SPLIT_FOLDERS, TEST_SHARE
from zoo.data.held_out import unit_hash
from zoo.data.npz_files import read_npz
from zoo.errors import ZooError

_SPEC = re.compile(r"(.+\.npz)((?::[^:]+)*)")
_OPTION = re.compile(r"(label)=(\w+)|(test|validation)=(\w+)=([^:=]+)")


@dataclass(frozen=True)
class ArraySpec:
    """Which arrays of a file are the labels, and which of its videos are held out.

    Attributes:
        path: pathlib.Path of the `.npz` file.
        label: name of the array of labels.
        held_out: dict from "test" and "validation" to (name of an array, tuple of str): the
            videos that have one of these values there.
    """

    path: Path
    label: str
    held_out: dict[str, tuple[str, tuple[str, ...]]]


def parse_array_spec(spec):
    """Returns the `ArraySpec` of "FILE.npz" or "FILE.npz:OPTION:OPTION", None for anything else.

    An option is `label=NAME`, the array of labels if it is not called `label`, or
    `test=NAME=VALUE,VALUE` or `validation=NAME=VALUE,VALUE`: videos whose value in the array NAME
    is one of these are that split. So "utd.npz:label=action:test=subject=2,4,6,8" are actions,
    tested on the subjects of even number.

    Raises:
        ZooError: if an option is none of these.
    """
    parts = _SPEC.fullmatch(str(spec))
    if parts is None:
        return None
    label, held_out = "label", {}
    for option in parts[2].split(":")[1:]:
        found = _OPTION.fullmatch(option)
        if found is None:
            raise ZooError(
                "What follows the file must be label=NAME, test=NAME=VALUES or "
                f"validation=NAME=VALUES, with colons between. Received: {option!r} in {spec}."
            )
        if found[1]:
            label = found[2]
        else:
            held_out[found[3]] = found[4], tuple(found[5].split(","))
    return ArraySpec(Path(parts[1]).expanduser(), label, held_out)


class ArrayVideos:
    """The videos of a `.npz` file, by split.

    The file holds `video`, uint8 (n, frames, height, width) or (n, frames, height, width, 1 or
    3), and labels, integers or strings (n,). The classes are the labels that there are, in order;
    if there is `names` or `class_names`, strings (k,), labels are the numbers of these. What is
    held out the specification says, or else `test`, bool (n,), or `split`, strings (n,); without
    any of them it is a fixed fifth. Optional is `num_frames`, integers (n,): the frames of each
    video that are no padding.

    Args:
        spec: `ArraySpec`.

    Attributes:
        class_names: tuple of str, in the order of the labels.
        rows: dict from the name of a split, "train" first, to the numbers of its videos.

    Raises:
        ZooError: if the file cannot be read, or holds something else.
    """

    def __init__(self, spec):
        if not spec.path.is_file():
            raise ZooError(f"There is no such file: {spec.path} (--data).")
        self._spec, self._arrays = spec, read_npz(spec.path)
        self._video = self._checked_video()
        self.class_names, self._numbers = self._checked_labels()
        self._counts = self._checked_counts()
        self.rows = self._rows()

    def split(self, name):
        """Returns the `StoredVideos` of a split."""
        rows = self.rows[name]
        return StoredVideos(self._video[rows], self._counts[rows], self._numbers[rows])

    def _array(self, name):
        """Returns an array with one value for each video."""
        if name not in self._arrays:
            known = ", ".join(sorted(self._arrays)) or "nothing"
            raise ZooError(f"{self._spec.path} must hold the array `{name}`. Received: {known}.")
        array = self._arrays[name]
        if array.shape != (len(self._video),):
            raise ZooError(
                f"`{name}` of {self._spec.path} must have one value for each of the "
                f"{len(self._video)} videos. Received: {array.dtype} of shape {array.shape}."
            )
        return array

    def _checked_video(self):
        video = self._arrays.get("video")
        if video is None:
            known = ", ".join(sorted(self._arrays)) or "nothing"
            raise ZooError(f"{self._spec.path} must hold the array `video`. Received: {known}.")
        shape = video.shape
        video = video[..., None] if video.ndim == 4 else video
        if video.ndim != 5 or video.dtype != np.uint8 or video.shape[-1] not in (1, 3):
            video = video[:0]
        if 0 in video.shape:
            raise ZooError(
                f"`video` of {self._spec.path} must be uint8 (videos, frames, height, width) or "
                "(videos, frames, height, width, 1 or 3), at least one. "
                f"Received: {self._arrays['video'].dtype} of shape {shape}."
            )
        return video

    def _checked_labels(self):
        labels = self._array(self._spec.label)
        if labels.dtype.kind not in "iuU":
            raise ZooError(
                f"`{self._spec.label}` of {self._spec.path} must be integers or strings. "
                f"Received: {labels.dtype}."
            )
        names = self._arrays.get("class_names", self._arrays.get("names"))
        if names is None:
            names, numbers = np.unique(labels, return_inverse=True)
            return tuple(map(str, names)), numbers.reshape(labels.shape)
        if labels.dtype.kind == "U" or labels.min() < 0 or labels.max() >= len(names):
            raise ZooError(
                f"`{self._spec.label}` of {self._spec.path} must be integers from 0 to "
                f"{len(names) - 1}, numbers of the class names. "
                f"Received: {labels.min()} to {labels.max()}."
            )
        return tuple(map(str, names)), labels.astype(np.int64)

    def _checked_counts(self):
        most = self._video.shape[1]
        if "num_frames" not in self._arrays:
            return np.full(len(self._video), most)
        counts = self._array("num_frames")
        if counts.dtype.kind not in "iu" or counts.min() < 1 or counts.max() > most:
            raise ZooError(
                f"`num_frames` of {self._spec.path} must be integers from 1 to {most}. "
                f"Received: {counts.dtype} from {counts.min()} to {counts.max()}."
            )
        return counts.astype(np.int64)

    def _rows(self):
        """Returns which videos each split has."""
        held_out = {}
        for split, (name, values) in self._spec.held_out.items():
            held_out[split] = np.isin(self._array(name).astype(str), values)
        if not held_out:
            held_out = self._own_splits()
        splits = np.full(len(self._video), "train", dtype="<U10")
        for split, is_in in held_out.items():
            splits[is_in] = split
        rows = {split: np.flatnonzero(splits == split) for split in SPLIT_FOLDERS}
        for split in ("train", *held_out):
            if not len(rows[split]):
                raise ZooError(f"{self._spec.path} must hold videos for {split}. Received: none.")
        return {split: numbers for split, numbers in rows.items() if len(numbers)}

    def _own_splits(self):
        if "test" in self._arrays:
            is_test = self._array("test")
            if is_test.dtype != bool:
                raise ZooError(
                    f"`test` of {self._spec.path} must be bool. Received: {is_test.dtype}."
                )
            return {"test": is_test} if is_test.any() else {}
        if "split" not in self._arrays:
            numbers = range(len(self._video))
            return {"test": np.array([unit_hash(str(row)) < TEST_SHARE for row in numbers])}
        splits = self._array("split")
        unknown = sorted(set(splits.tolist()) - set(SPLIT_FOLDERS))
        if unknown:
            raise ZooError(
                f"`split` of {self._spec.path} must be one of {', '.join(SPLIT_FOLDERS)}. "
                f"Received: {unknown[0]!r}."
            )
        return {split: splits == split for split in ("validation", "test") if split in splits}


class StoredVideos:
    """Videos of one size in memory; see `zoo.video.videos.Videos`.

    Args:
        video: uint8 numpy array (n, frames, h, w, channels).
        counts: integers (n,), how many of the frames are no padding.
        labels: integers (n,).
    """

    skipped = ()

    def __init__(self, video, counts, labels):
        self.labels = [(int(label),) for label in labels]
        with tf.init_scope(), tf.device("CPU:0"):
            self._video, self._counts = tf.constant(video), tf.constant(counts, tf.int64)

    def frames(self, index, place):
        """Returns the frames of a video, uint8 (n, h, w, channels)."""
        return self._video[index, : self._counts[index]]
