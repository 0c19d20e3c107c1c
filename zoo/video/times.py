"""When the frames of a video are taken: of all of it, of evenly spread windows, or of one window.

Times are seconds from the start of the video.
"""

from dataclasses import dataclass

import numpy as np

# Of a video without a frame rate, which is seen as a whole, frames for so many windows are kept
# for training.
KEPT_WINDOWS = 4


@dataclass(frozen=True)
class VideoForm:
    """What a model needs of a video.

    Attributes:
        num_frames, frame_rate, frame_shape, num_windows: see `zoo.video.configs.VideoConfig`.
    """

    num_frames: int
    frame_rate: float | None
    frame_shape: tuple[int, int, int]
    num_windows: int


def evaluation_times(form, begin, end, count):
    """Returns when the frames are that the windows for evaluation have.

    `zoo.video.preprocess.VideoPreprocess` makes the same windows of these frames as of all.

    Args:
        form: `VideoForm`.
        begin, end: where the video, or the part of it that counts, begins and ends.
        count: int, frames that there are in it.

    Returns:
        float64 (n,), rising; n is at most `num_windows * num_frames`.
    """
    most = form.num_windows * form.num_frames
    if form.frame_rate is None:
        return _spread(begin, end, min(count, most))
    total = _frames_between(form, begin, end)
    rows = np.arange(total)
    if total > most:
        starts = (total - form.num_frames) // 2
        if form.num_windows > 1:
            spare = total - form.num_frames
            starts = np.arange(form.num_windows) * spare // (form.num_windows - 1)
        rows = (np.reshape(starts, (-1, 1)) + np.arange(form.num_frames)).ravel()
    return begin + rows / form.frame_rate


def training_times(form, begin, end, count, length=None, place=0.0):
    """Returns when the frames are that windows for training are drawn from.

    Args:
        form, begin, end, count: see `evaluation_times`.
        length: int, frames of one window, at the place that `place` tells; None: all frames.
            Without a frame rate it does not count: a window is the whole video.
        place: in [0, 1): 0 is the first place that the window may have, the last one is near 1.

    Returns:
        float64 (n,), rising.
    """
    if form.frame_rate is None:
        return _spread(begin, end, min(count, KEPT_WINDOWS * form.num_frames))
    total = _frames_between(form, begin, end)
    rows = np.arange(total)
    if length is not None and total > length:
        rows = int(place * (total - length + 1)) + np.arange(length)
    return begin + rows / form.frame_rate


def _spread(begin, end, count):
    """Returns the middles of `count` equal parts."""
    return begin + (np.arange(count) + 0.5) * (end - begin) / count


def _frames_between(form, begin, end):
    return max(int(np.ceil((end - begin) * form.frame_rate - 1e-3)), 1)
