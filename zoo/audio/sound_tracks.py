"""The sound of M4A, MP4, AAC, WebM and other files that PyAV reads."""

import itertools

import numpy as np

SUFFIXES = (".m4a", ".mp4", ".aac", ".webm")
# FFmpeg's readers. Those of MP4 and Matroska know how long a file is, and find places in it.
_MP4, _MATROSKA, _RAW_AAC = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "aac"
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_AAC_SYNC = (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9")
# Decoding starts so many seconds before a part, as codecs need some sound before it.
RUN_UP = 0.5
MOST_PADDING = 2  # frames that a coder fills up behind the sound


def has_sound_track_bytes(first_bytes) -> bool:
    """Whether a file that begins like this is MP4 (M4A, MOV), MKV (WebM), AVI or raw AAC."""
    is_avi = first_bytes[:4] == b"RIFF" and first_bytes[8:12] == b"AVI "
    is_matroska = first_bytes[:4] == b"\x1a\x45\xdf\xa3"
    is_mp4, is_aac = first_bytes[4:8] in _MP4_BOXES, first_bytes[:2] in _AAC_SYNC
    return is_avi or is_matroska or is_mp4 or is_aac


def is_opus_in_ogg(first_bytes) -> bool:
    """Whether a file that begins like this, with 36 bytes at least, is Opus in OGG."""
    return first_bytes[:4] == b"OggS" and first_bytes[28:36] == b"OpusHead"


def read_sound_track(av, path, bounds, may_seek=True):
    """Returns a file's first sound track, or a part of it.

    What a coder adds before the sound and behind it is left out as far as the file tells: M4A and
    MP4 tell both, WebM and MKV what is before. Of raw AAC, which tells neither, the first frame is
    left out, as every coder's first one is before the sound. A track that begins later than the
    video beside it counts from its own beginning.

    Args:
        av: the module, see `zoo.data.pyav.import_av`.
        path: str, path of the file.
        bounds: callable from the sample rate and the length in samples to the numbers of the
            first sample that is wanted and of the one behind the last, None: up to the end.
        may_seek: bool. Not to decode what is far before the part.

    Returns:
        (samples, sample_rate, length): float32 numpy array (n, 1), the mean of all channels; int;
        samples of the whole track. None if there is no sound track.

    Raises:
        av.error.FFmpegError, ValueError: if the file is corrupt or truncated.
    """
    with av.open(path, metadata_errors="ignore") as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        frames = _without_priming(container.decode(stream), container.format.name == _RAW_AAC)
        frame = next(frames, None)
        if frame is None:
            return np.zeros((0, 1), np.float32), stream.rate, 0
        rate, origin, position = frame.sample_rate, frame.time or 0.0, 0
        length = _told_length(container, stream, rate)
        first, last = (0, None) if length is None else bounds(rate, length)
        if may_seek and first > 2 * RUN_UP * rate:
            time = origin + first / rate - RUN_UP
            container.seek(int(time / stream.time_base), stream=stream)
            frames = container.decode(stream)
            frame = next(frames, None)
            if frame is None or frame.time is None:
                position = first + 1
            else:
                position = round((frame.time - origin) * rate)
        if position <= first:
            frames = itertools.chain([frame], frames)
            samples = _joined(av, frames, rate, None if last is None else last - position)
    if position > first:  # the file has no index to find a place by
        return read_sound_track(av, path, bounds, may_seek=False)
    decoded = position + len(samples)
    if length is None:
        length = decoded
        first, last = bounds(rate, length)
    if 0 < decoded - length <= MOST_PADDING * frame.samples:
        samples = samples[: max(length - position, 0)]
    last = None if last is None else max(last - position, 0)
    return samples[first - position : last, None], rate, length


def _without_priming(frames, is_raw):
    """Returns an iterator of frames without a first one that is before the sound.

    FFmpeg leaves it out itself, but not of raw AAC, nor of some fragmented MP4, where it has the
    next one's time.
    """
    beginning = list(itertools.islice(frames, 2))
    stamps = [frame.pts for frame in beginning]
    if is_raw or (len(stamps) == 2 and stamps[0] is not None and stamps[0] == stamps[1]):
        del beginning[:1]
    return itertools.chain(beginning, frames)


def _told_length(container, stream, rate):
    """Returns how many samples the file says that it has, or None."""
    seconds = None
    if container.format.name == _MP4 and stream.duration is not None:
        seconds = float(stream.duration * stream.time_base)
    if container.format.name == _MATROSKA and container.duration is not None:
        seconds = container.duration / 1e6
    return None if seconds is None else round(seconds * rate)


def _joined(av, frames, rate, count):
    """Returns the means of the channels of some frames, float32 (n,); n is `count` at least."""
    resampler = av.AudioResampler(format="fltp")
    pieces, length = [], 0
    for frame in frames:
        if frame.sample_rate != rate:
            raise ValueError("The sample rate changes.")
        for converted in resampler.resample(frame):
            pieces.append(converted.to_ndarray().mean(axis=0))
            length += len(pieces[-1])
        if count is not None and length >= count:
            break
    return np.concatenate(pieces)
