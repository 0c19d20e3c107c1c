"""Videos with series of samples from two `.npz` files, such as depth video with a sensor's."""

import zipfile

import numpy as np
import tensorflow as tf

from zoo.errors import ZooError

LABELS = ("label", "action")
SERIES = ("audio", "series", "x")


class ArrayClips:
    """The videos and series of a split, in memory.

    Args:
        videos: uint8 (n, frames, height, width, channels).
        series: list of n float32 (samples, channels).
        labels: int (n,), from 0 on.
    """

    skipped = ()

    def __init__(self, videos, series, labels):
        self.num_clips = len(videos)
        with tf.init_scope(), tf.device("CPU:0"):
            self._videos, self._series = tf.constant(videos), tf.constant(np.concatenate(series))
            self._bounds = tf.constant(np.cumsum([0, *map(len, series)]), tf.int64)
            self._labels = tf.constant(labels, tf.int32)

    def clip(self, index, key):
        """Returns video uint8, samples float32 (n, channels), label int32 (1,), True: it has both.

        Args:
            index: scalar int64.
            key: not used.
        """
        del key
        samples = self._series[self._bounds[index] : self._bounds[index + 1]]
        return self._videos[index], samples, self._labels[index][None], tf.constant(True)


def open_array_clips(videos_path, series_path, num_channels, num_frames):
    """Returns the clips of two files.

    Args:
        videos_path: pathlib.Path of a `.npz` file with `video`, uint8 (n, frames, height, width) or
            with channels behind; `label` or `action`, int (n,); and what tells the split: `test`,
            bool (n,), or else `subject`, int (n,), whose even numbers are for testing (as is usual
            for UTD-MHAD).
        series_path: pathlib.Path of a `.npz` file with `audio`, `series` or `x`, float
            (N, channels), the series of all n videos one after the other, and `offsets`, int
            (n + 1,), where each begins and the last ends.
        num_channels: int, channels of the series that the model takes.
        num_frames: int, frames that the model takes: what time they stand for cannot be told from
            arrays, so others are refused.

    Returns:
        (dict from "train" and "test" to `ArrayClips`, tuple of class names: the labels in order).

    Raises:
        ZooError: if a file is not that.
    """
    arrays = _load(videos_path)
    videos, labels, is_test = _videos(videos_path, arrays)
    if videos.shape[1] != num_frames:
        raise ZooError(
            f"The videos in {videos_path} must have {num_frames} frames, as the model has. "
            f"Received: {videos.shape[1]}."
        )
    series = _series(series_path, _load(series_path), len(videos), num_channels)
    classes, numbers = np.unique(labels, return_inverse=True)
    splits = {}
    for split, chosen in (("train", ~is_test), ("test", is_test)):
        places = np.flatnonzero(chosen)
        if len(places):
            own = [series[place] for place in places]
            splits[split] = ArrayClips(videos[places], own, numbers[places])
    if "train" not in splits:
        raise ZooError(f"{videos_path} has no videos to train on: all are for testing.")
    return splits, tuple(map(str, classes))


def _load(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        reason = "no such file" if not path.exists() else str(error).splitlines()[0]
        raise ZooError(f"{path} cannot be read as a .npz file: {reason}.") from error


def _videos(path, arrays):
    """Returns the checked videos (n, f, h, w, c), labels (n,) and which are for testing (n,)."""
    videos = _first(path, arrays, ("video",))
    labels = _first(path, arrays, LABELS)
    if videos.ndim == 4:
        videos = videos[..., None]
    if videos.dtype != np.uint8 or videos.ndim != 5 or not len(videos):
        raise ZooError(
            f"`video` in {path} must be uint8 (n, frames, height, width) or with channels behind. "
            f"Received: {videos.dtype} {videos.shape}."
        )
    is_test = _first(path, arrays, ("test", "subject"))
    for name, values in (("label", labels), ("test", is_test)):
        if values.shape != (len(videos),) or values.dtype.kind not in "iub":
            raise ZooError(
                f"The {name} in {path} must be one integer for each of the {len(videos)} videos. "
                f"Received: {values.dtype} {values.shape}."
            )
    return videos, labels, is_test if is_test.dtype == bool else is_test % 2 == 0


def _series(path, arrays, num_videos, num_channels):
    """Returns a list of float32 (samples, channels), one for each video."""
    series, offsets = _first(path, arrays, SERIES), _first(path, arrays, ("offsets",))
    if series.ndim != 2 or series.dtype.kind != "f" or series.shape[1] != num_channels:
        raise ZooError(
            f"The series in {path} must be float (samples, {num_channels}), as the model has "
            f"`num_audio_channels`={num_channels}. Received: {series.dtype} {series.shape}."
        )
    if not np.isfinite(series).all():
        raise ZooError(f"The series in {path} must be finite. Received: NaN or infinity.")
    fits = offsets.shape == (num_videos + 1,) and offsets.dtype.kind in "iu"
    fits = fits and offsets[0] == 0 and offsets[-1] == len(series)
    if not fits or (np.diff(offsets.astype("int64")) < 1).any():
        raise ZooError(
            f"`offsets` in {path} must rise from 0 to the {len(series)} samples, one for each of "
            f"the {num_videos} videos and one more. Received: {offsets.dtype} {offsets.shape}."
        )
    return np.split(series.astype("float32"), offsets[1:-1])


def _first(path, arrays, names):
    for name in names:
        if name in arrays:
            return arrays[name]
    raise ZooError(
        f"{path} must have an array {' or '.join(map(repr, names))}. "
        f"Received: {', '.join(sorted(arrays)) or 'no arrays'}."
    )
