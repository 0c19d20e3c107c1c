"""Clips with sound: files to arrays and back, by PyAV."""

import fractions
import math
from pathlib import Path

import numpy as np

from zoo.atomic_files import replaced_atomically
from zoo.clips.frame_scaler import FrameScaler
from zoo.clips.sound_frames import read_part
from zoo.data.pyav import import_av
from zoo.errors import ZooError

SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v")
# Encoders of sound stop short of the last frame, and clocks of the two streams differ a little.
MISSING_SOUND = 0.1
VIDEO_CODECS = ("libx264", "mpeg4")
# FFmpeg decodes the beginning of each track to learn what it holds, as long as this many bytes
# have not been read; the header of these files says it.
TELLING_HEADERS = (".mp4", ".mov", ".m4v")
LEAST_PROBE = "32"


def read_clip(
    path,
    *,
    num_frames,
    frame_rate,
    side,
    num_samples=None,
    sample_rate=None,
    start=0.0,
    may_end_early=False,
    may_be_silent=False,
):
    """Returns frames and sound of a part of a file.

    Frames are picked at even times (of each time the frame that is shown then), cut to the largest
    centred window of the wanted aspect ratio and resized; sound is mixed down to one channel and
    resampled. Of several streams the first ones count.

    Args:
        path: a file of moving pictures, such as MP4, WebM or AVI.
        num_frames: int.
        frame_rate: frames of a second.
        side: (height, width).
        num_samples: int, length of the sound; None: the sound is left alone.
        sample_rate: samples of a second.
        start: seconds from the first frame on.
        may_end_early: bool. Of a clip that ends before, return the frames and samples that there
            are, at least one frame; otherwise that is an error.
        may_be_silent: bool. None is returned as the sound of a clip that has none; otherwise that
            is an error.

    Returns:
        (video, audio): uint8 (num_frames, height, width, 3) and float32 (num_samples,) in
        [-1, 1], or None for the sound; with `may_end_early` perhaps fewer frames and samples.

    Raises:
        ZooError: if there is no such file, it cannot be read, has no video or no sound track, or
            ends too early; or PyAV is not installed.
    """
    av = import_av()
    path = Path(path).expanduser()
    if not path.is_file():
        raise ZooError(f"There is no file {path}.")
    try:
        with _opened(av, path) as container:
            wants_sound = num_samples is not None
            _check_streams(path, container, wants_sound and not may_be_silent)
            frames = _Frames(container, wants_sound and len(container.streams.audio) > 0)
            times = start + np.arange(num_frames) / frame_rate
            video, origin = _read_video(path, frames, times, tuple(side), may_end_early)
            if not frames.has_sound:
                return video, None
            audio = read_part(path, frames.audio(), origin + start, num_samples, sample_rate)
            if may_be_silent and not len(audio):
                return video, None
            return video, audio if may_end_early else _filled(path, audio, num_samples, sample_rate)
    except av.error.FFmpegError as error:
        raise ZooError(f"{path} cannot be read as a clip: {error.strerror}.") from error


def write_clip(path, video, frame_rate, audio=None, sample_rate=None):
    """Writes frames and sound to an MP4 file (H.264 and AAC), complete or not at all.

    Args:
        path: file to write, ending in ".mp4".
        video: uint8 (num_frames, height, width, 1 or 3). Of an odd side, the last row or column
            is repeated, as the codec wants even ones.
        frame_rate: frames of a second.
        audio: float32 (num_samples,) in [-1, 1], or None.
        sample_rate: samples of a second.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ZooError: if the disk is full or the folder cannot be written; or PyAV is not installed.
        ValueError: if `video` has another shape.
    """
    av = import_av()
    video = np.asarray(video)
    if video.ndim != 4 or video.shape[-1] not in (1, 3) or not len(video):
        raise ValueError(
            "`video` must be (num_frames, height, width, 1 or 3). "
            f"Received: an array of shape {video.shape}."
        )
    if video.shape[-1] == 1:
        video = np.repeat(video, 3, axis=-1)
    video = np.pad(video, [(0, 0), *[(0, side % 2) for side in video.shape[1:3]], (0, 0)], "edge")
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_atomically(path) as partial, av.open(str(partial), "w") as container:
            streams = _add_streams(av, container, video, frame_rate, audio, sample_rate)
            _encode(av, container, streams, video, audio, sample_rate)
    except OSError as error:
        raise ZooError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def shown_at(frames, interval, times, convert, origin=None):
    """Returns the frames that a file shows at some times, up to its end.

    Args:
        frames: iterable of PyAV's frames, from the first time on or before it.
        interval: float, seconds that the last frame is shown.
        times: rising floats, seconds from `origin` on.
        convert: callable from a PyAV frame to what is returned of it.
        origin: time stamp in seconds that times count from; None: that of the first frame.

    Returns:
        (list of what `convert` returns, not longer than `times`; origin; seconds from there to
        the end of the last frame that was decoded).
    """
    converted, shown = [], None

    def convert_until(end):
        """Converts the frame that is shown until then, as often as it is asked for."""
        picture = None
        while len(converted) < len(times) and times[len(converted)] < end:
            picture = convert(shown) if picture is None else picture
            converted.append(picture)

    for frame in frames:
        if frame.time is None:
            continue
        origin = frame.time if origin is None else origin
        if shown is not None:
            convert_until(frame.time - origin - 1e-6)
        if len(converted) == len(times):
            break
        shown = frame
    end = 0.0 if shown is None else shown.time - origin + interval
    if shown is not None:
        convert_until(end)
    return converted, origin, end


def frame_interval(stream):
    """Returns the seconds between two frames of a PyAV stream on average; 0.04 if not known."""
    return 1.0 / float(stream.average_rate or 25)


class _Frames:
    """Decodes the first tracks of an open file, opened and read once: its video, then its sound.

    Args:
        container: open PyAV container, at its start.
        with_sound: bool, whether the packets of the sound are kept for later.
    """

    def __init__(self, container, with_sound):
        self._video = container.streams.video[0]
        # A thread for each core costs more than it gains where some frames are read only.
        self._video.codec_context.thread_count = 1
        streams = [self._video, container.streams.audio[0]] if with_sound else [self._video]
        self._packets, self._sound = container.demux(streams), []
        self.has_sound = with_sound
        self.interval = frame_interval(self._video)

    def video(self):
        """Yields the frames of the video in their order."""
        for packet in self._packets:
            if packet.stream is self._video:
                yield from packet.decode()
            else:
                self._sound.append(packet)

    def audio(self):
        """Yields the frames of the sound from its start, once `video` is not used any more."""
        for packet in self._sound:
            yield from packet.decode()
        for packet in self._packets:
            if packet.stream is not self._video:
                yield from packet.decode()


def _opened(av, path):
    """Returns the open PyAV container of a file, as fast as its kind allows."""
    options = {"probesize": LEAST_PROBE} if path.suffix.lower() in TELLING_HEADERS else {}
    return av.open(str(path), metadata_errors="ignore", options=options)


def _check_streams(path, container, wants_sound):
    if not container.streams.video:
        raise ZooError(f"{path} has no video track.")
    if container.streams.video[0].codec_context is None:
        raise ZooError(f"{path} has a video track that PyAV has no decoder for.")
    if wants_sound and not container.streams.audio:
        raise ZooError(f"{path} has no sound track, and the model reads video with sound.")


def _read_video(path, frames, times, side, may_end_early):
    """Returns the frames shown at these times, and the time stamp of the first frame."""
    frames, origin, end = shown_at(frames.video(), frames.interval, times, _cut_to(side))
    if len(frames) < (1 if may_end_early else len(times)):
        raise ZooError(
            f"{path} is too short: the model reads {len(times)} frames up to "
            f"{times[-1]:.2f} s, and the video ends after {end:.2f} s."
        )
    return np.stack(frames), origin


def _cut_to(side):
    """Returns the callable from a PyAV frame to the middle of it, uint8 (*side, 3)."""
    scaler = FrameScaler(side, enlarges=True)

    def pixels_of(frame):
        pixels = scaler(frame)
        top, left = ((have - need) // 2 for have, need in zip(pixels.shape, side, strict=False))
        return pixels[top : top + side[0], left : left + side[1]]

    return pixels_of


def _filled(path, samples, num_samples, sample_rate):
    """Returns the sound with the silence behind it that codecs leave out."""
    missing = num_samples - len(samples)
    if missing > MISSING_SOUND * sample_rate or not len(samples):
        raise ZooError(
            f"The sound of {path} is too short: the model reads "
            f"{num_samples / sample_rate:.2f} s, and it has {len(samples) / sample_rate:.2f} s."
        )
    return np.pad(samples, (0, missing))


def _add_streams(av, container, video, frame_rate, audio, sample_rate):
    codec = next(name for name in VIDEO_CODECS if name in av.codecs_available)
    rate = fractions.Fraction(frame_rate).limit_denominator(1001)
    options = {"crf": "14"} if codec == "libx264" else {"qscale": "2"}
    stream = container.add_stream(codec, rate=rate, options=options)
    stream.height, stream.width, stream.pix_fmt = *video.shape[1:3], "yuv420p"
    if audio is None:
        return stream, None
    return stream, container.add_stream("aac", rate=sample_rate, layout="mono")


def _encode(av, container, streams, video, audio, sample_rate):
    stream, sound = streams
    for pixels in video:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
    if sound is None:
        return
    samples = np.asarray(audio, "float32")[None]
    size = 1024
    for start in range(0, math.ceil(samples.shape[1] / size) * size, size):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[:, start : start + size]), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = sample_rate, start
        container.mux(sound.encode(frame))
    container.mux(sound.encode())
