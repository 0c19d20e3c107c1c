"""Clips with sound: files to arrays and back, by PyAV."""

import fractions
import math
from pathlib import Path

import numpy as np

from zoo.atomic_files import replaced_atomically
from zoo.errors import ZooError
from zoo.image import ImagePreprocess

SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v")
# Encoders of sound stop short of the last frame, and clocks of the two streams differ a little.
MISSING_SOUND = 0.1
VIDEO_CODECS = ("libx264", "mpeg4")


def read_clip(path, *, num_frames, frame_rate, side, num_samples=None, sample_rate=None, start=0.0):
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

    Returns:
        (video, audio): uint8 (num_frames, height, width, 3) and float32 (num_samples,) in
        [-1, 1], or None for the sound.

    Raises:
        ZooError: if there is no such file, it cannot be read, has no video or no sound track, or
            ends too early; or PyAV is not installed.
    """
    av = import_av()
    path = Path(path).expanduser()
    if not path.is_file():
        raise ZooError(f"There is no file {path}.")
    try:
        with av.open(str(path)) as container:
            _check_streams(path, container, num_samples is not None)
            video, origin = _read_video(
                path, container, start + np.arange(num_frames) / frame_rate, tuple(side)
            )
        if num_samples is None:
            return video, None
        with av.open(str(path)) as container:
            return video, _read_audio(path, container, origin + start, num_samples, sample_rate)
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


def shown_at(container, times, convert, origin=None):
    """Returns the frames that a file shows at some times, up to its end.

    Args:
        container: open PyAV container, at its start or before the first time.
        times: rising floats, seconds from `origin` on.
        convert: callable from a PyAV frame to what is returned of it.
        origin: time stamp in seconds that times count from; None: that of the first frame.

    Returns:
        (list of what `convert` returns, not longer than `times`; origin; seconds from there to
        the end of the last frame that was decoded).
    """
    stream = container.streams.video[0]
    converted, shown, interval = [], None, 1.0 / float(stream.average_rate or 25)

    def convert_until(end):
        """Converts the frame that is shown until then, as often as it is asked for."""
        picture = None
        while len(converted) < len(times) and times[len(converted)] < end:
            picture = convert(shown) if picture is None else picture
            converted.append(picture)

    for frame in container.decode(stream):
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


def import_av():
    """Returns the module `av`.

    Raises:
        ZooError: if PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ZooError(
            "Clips need PyAV, which is not installed: pip install 'perceiver-tf[video]'."
        ) from error
    return av


def _check_streams(path, container, wants_sound):
    if not container.streams.video:
        raise ZooError(f"{path} has no video track.")
    if wants_sound and not container.streams.audio:
        raise ZooError(f"{path} has no sound track, and the model reads video with sound.")


def _read_video(path, container, times, side):
    """Returns the frames shown at these times, and the time stamp of the first frame."""
    preprocess = ImagePreprocess((*side, 3), mean=0.0, std=1.0)
    container.streams.video[0].thread_type = "AUTO"
    frames, origin, end = shown_at(container, times, lambda frame: _resized(preprocess, frame))
    if len(frames) < len(times):
        raise ZooError(
            f"{path} is too short: the model reads {len(times)} frames up to "
            f"{times[-1]:.2f} s, and the video ends after {end:.2f} s."
        )
    return np.stack(frames), origin


def _resized(preprocess, frame):
    pixels = preprocess.resize(frame.to_ndarray(format="rgb24")).numpy()
    return np.round(pixels).astype("uint8")


def _read_audio(path, container, start, num_samples, sample_rate):
    """Returns the samples from the time stamp `start` on, silence where there are none yet."""
    import av

    resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
    pieces, first, length = [], None, 0
    for frame in _and_none(container.decode(container.streams.audio[0])):
        if frame is not None and first is None:
            first = round(((frame.time or 0.0) - start) * sample_rate)
        for resampled in resampler.resample(frame):
            pieces.append(resampled.to_ndarray()[0])
            length += len(pieces[-1])
        if first is not None and first + length >= num_samples:
            break
    first = first or 0
    samples = np.concatenate([np.zeros(max(first, 0), "float32"), *pieces])
    samples = samples[max(-first, 0) :][:num_samples]
    missing = num_samples - len(samples)
    if missing > MISSING_SOUND * sample_rate or not len(pieces):
        raise ZooError(
            f"The sound of {path} is too short: the model reads "
            f"{num_samples / sample_rate:.2f} s, and it has {len(samples) / sample_rate:.2f} s."
        )
    return np.clip(np.pad(samples, (0, missing)), -1.0, 1.0).astype("float32")


def _and_none(frames):
    """A resampler is emptied by None after the last frame."""
    yield from frames
    yield None


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
