"""From a video file to its frames: by PyAV, and GIFs by TensorFlow's own operation."""

import contextlib
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.clips.codec import SUFFIXES as CLIP_SUFFIXES
from zoo.clips.codec import frame_interval, shown_at
from zoo.clips.frame_scaler import FrameScaler
from zoo.data.pyav import import_av
from zoo.errors import ZooError
from zoo.images.pipeline import GREY_WEIGHTS, PHOTO_CROP

SUFFIXES = (*CLIP_SUFFIXES, ".gif")
# Decoding starts at the last key frame before a part that begins later.
SEEK_FROM = 1.0


def read_video(path, form, choose_times, start=None, end=None, num_threads=1):
    """Returns frames of a video, or of a part of it, small enough to be kept.

    Of each time the frame that is shown then is taken, so that videos of any frame rate, also of a
    changing one, become such of the model's. Frames that are larger than the model needs are
    made smaller, and turned upright where the file says so. A GIF's frames are all taken, one for
    each of the model's: TensorFlow does not tell their times.

    Args:
        path: MP4, MKV, WebM, MOV, AVI or GIF.
        form: `zoo.video.times.VideoForm`.
        choose_times: callable from begin and end in seconds and the number of frames between to
            rising times: see `zoo.video.times`.
        start, end: seconds from the beginning, of a part; None: the file's own ends.
        num_threads: threads that decode, 0: as many as FFmpeg likes.

    Returns:
        uint8 (n, h, w, channels), n at least 1.

    Raises:
        ZooError: if there is no such file, it cannot be read or has no frames (in that part), or
            PyAV is needed and not installed.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise unreadable(path, "no such file" if not path.exists() else "it is no file")
    if path.suffix.lower() == ".gif":
        return _of_a_gif(path, form, start, end)
    av = import_av()
    try:
        frames = _decoded(av, path, form, choose_times, start or 0.0, end, num_threads)
    except (av.error.FFmpegError, OSError) as error:
        raise unreadable(path, (error.strerror or str(error)).lower()) from error
    if not frames:
        raise unreadable(path, f"it has no frames{f' from {start:g} s on' if start else ''}")
    return np.stack(frames)


def unreadable(path, reason) -> ZooError:
    """Returns the error about a video that cannot be read."""
    return ZooError(f"Cannot read the video {path}: {reason}.")


def _decoded(av, path, form, choose_times, start, end, num_threads):
    """Returns a list of uint8 (h, w, channels); empty if there are none in that part."""
    with _opened(av, path, num_threads) as (container, stream):
        origin = float((stream.start_time or 0) * stream.time_base)
        _seek(container, stream, origin + start)
        first, last, count = _extent(container, stream, origin, start, end)
    if not count:
        return []
    times = choose_times(first, last, count)
    with _opened(av, path, num_threads) as (container, stream):
        _seek(container, stream, origin + times[0])
        frames, interval = container.decode(stream), frame_interval(stream)
        return shown_at(frames, interval, times, _in_colours_of(form), origin)[0]


@contextlib.contextmanager
def _opened(av, path, num_threads):
    with av.open(str(path), metadata_errors="ignore") as container:
        if not container.streams.video:
            raise unreadable(path, "it has no video track")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise unreadable(path, "PyAV has no decoder for it")
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = num_threads
        yield container, stream


def _seek(container, stream, time):
    if time > SEEK_FROM:
        container.seek(int(time / stream.time_base), stream=stream)


def _extent(container, stream, origin, start, end):
    """Returns where the part begins and ends, and how many frames begin in it, undecoded."""
    interval, last, count = frame_interval(stream), None, 0
    for packet in container.demux(stream):
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None:
            continue
        time = float(stamp * stream.time_base) - origin
        if end is not None and packet.dts is not None and time > end + SEEK_FROM:
            break
        if start - 1e-6 <= time and (end is None or time < end):
            count += 1
        last = time if last is None else max(last, time)
    if last is None:
        return start, start, 0
    stop = last + interval if end is None else min(end, last + interval)
    # A frame that began before the part may be the only one that is shown in it.
    return start, stop, max(count, 1) if stop > start else 0


def _in_colours_of(form):
    """Returns the callable from a PyAV frame to uint8 (h, w, channels), not larger than needed."""
    *side, num_channels = form.frame_shape
    scaler = FrameScaler(side, margin=1 / PHOTO_CROP)

    def pixels_of(frame):
        pixels = scaler(frame)
        if num_channels == 1:
            pixels = np.round(pixels @ np.array(GREY_WEIGHTS))[..., None].astype(np.uint8)
        return pixels

    return pixels_of


def _of_a_gif(path, form, start, end):
    """Returns the frames of a GIF, uint8 (n, h, w, 3); of a part by the model's frame rate."""
    if form.frame_rate is None and (start is not None or end is not None):
        raise unreadable(path, "a GIF has no part, as the model knows no frame rate")
    try:
        frames = tf.io.decode_gif(path.read_bytes()).numpy()
    except (tf.errors.InvalidArgumentError, OSError) as error:
        raise unreadable(path, "it is no GIF, or only a part of one") from error
    first, last = (None if time is None else round(time * form.frame_rate) for time in (start, end))
    if not len(frames[first:last]):
        raise unreadable(path, f"it has no frames from {start or 0:g} s on")
    return frames[first:last]
