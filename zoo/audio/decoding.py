"""From a sound file to its samples.

WAV is decoded by the library `soundfile`, and of 16 bits by TensorFlow's own operation where that
is not installed: it gives the same numbers, as in the served graph, but takes four times as long.
FLAC, OGG and MP3 are decoded by tensorflow-io where its compiled operations load, and by
`soundfile` elsewhere; `decoder_in_use` says which. AAC and what is in M4A, MP4, WebM, MKV, MOV and
AVI is decoded by PyAV, see `zoo.audio.sound_tracks`; Opus in OGG by `soundfile`, or else by PyAV.
"""

import functools
import importlib.util
import logging
import os

import numpy as np
import tensorflow as tf

from zoo.audio.sound_tracks import SUFFIXES as TRACK_SUFFIXES
from zoo.audio.sound_tracks import has_sound_track_bytes, is_opus_in_ogg, read_sound_track
from zoo.audio.tensorflow_io import has_compiled_operations, import_tensorflow_io
from zoo.data.pyav import import_av
from zoo.errors import ZooError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus", *TRACK_SUFFIXES)
# What WAV, FLAC and OGG begin with: the library needs no name to know them, as it does for an MP3
# that has something else before its first frame.
TELLING_BYTES = (b"RIFF", b"fLaC", b"OggS")
LONGER_THAN_ITS_PART = 0.5  # seconds that codecs add to a sound that was cut
_LOGGER = logging.getLogger("zoo")


def read_sound(path, start=None, end=None, may_be_cut=False):
    """Returns a sound, or a part of it, in mono.

    Args:
        path: a WAV (8 to 32 bits, also float), FLAC, OGG, MP3, M4A, AAC or Opus file, or an MP4,
            WebM, MKV, MOV or AVI with a sound track; what it is, its bytes tell, not its name.
        start, end: seconds from the beginning of the file, where the part begins and ends; None:
            the file's own ends. An end behind the file's is the file's.
        may_be_cut: bool. The file may hold this part alone: if it is not longer than the part (by
            half a second), all of it is read.

    Returns:
        (waveform, sample_rate): float32 numpy array (n,), n at least 1, the mean of all channels,
        full scale is [-1, 1]; int, samples of a second.

    Raises:
        ZooError: if there is no such file, it does not decode, has no sound track, no samples (in
            that part), or some that are not finite; or PyAV is needed and not installed.
    """
    path = os.path.expanduser(path)
    descriptor = None
    try:
        # Without Python's buffers, which take a fifth of the time of a short sound.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        first_bytes = os.read(descriptor, 64)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
        raise unreadable(path, (error.strerror or str(error)).lower()) from error
    try:
        file = descriptor if first_bytes.startswith(TELLING_BYTES) else path
        part, sample_rate, length = _decoded(path, file, first_bytes, (start, end, may_be_cut))
    finally:
        os.close(descriptor)
    if not len(part):
        found = f" from {start} s on, {length / sample_rate:.2f} s in all" if length else ""
        raise unreadable(path, f"it has no samples{found}")
    waveform = _mean_of_channels(part)
    # The sum is not finite if a sample is not; only then each is looked at.
    with np.errstate(invalid="ignore", over="ignore"):
        is_finite = np.isfinite(waveform.sum()) or np.isfinite(waveform).all()
    if not is_finite:
        raise unreadable(path, "some of its samples are NaN or infinite")
    return waveform, sample_rate


def _mean_of_channels(samples):
    """Returns float32 (n,) of (n, channels).

    Sums of columns: the mean along an axis so short takes five times as long, and a product with
    a vector is given to threads by OpenBLAS that wait for each other.
    """
    num_channels = samples.shape[1]
    if num_channels == 1:
        return samples[:, 0]
    total = samples[:, 0] + samples[:, 1]
    for channel in range(2, num_channels):
        total += samples[:, channel]
    total *= np.float32(1 / num_channels)
    return total


def unreadable(path, reason) -> ZooError:
    """Returns the error about a sound file that cannot be read."""
    return ZooError(f"Cannot read the sound {path}: {reason}.")


@functools.cache
def _has_soundfile():
    return importlib.util.find_spec("soundfile") is not None


@functools.cache
def decoder_in_use() -> str | None:
    """Returns what decodes FLAC, OGG and MP3: "tensorflow-io", "soundfile", or None.

    Says so in one line of the log when it is first asked.
    """
    if has_compiled_operations():
        version = import_tensorflow_io().__version__
        _LOGGER.warning("FLAC, OGG and MP3 are decoded by tensorflow-io %s.", version)
        return "tensorflow-io"
    if not _has_soundfile():
        return None
    import soundfile

    _LOGGER.warning(
        "FLAC, OGG and MP3 are decoded by soundfile %s: tensorflow-io's compiled operations are "
        "not available with TensorFlow %s.",
        soundfile.__version__,
        tf.__version__,
    )
    return "soundfile"


def _decoded(path, file, first_bytes, part):
    """Returns a part, float32 (n, channels); the sample rate; and the length of all.

    The file is what `soundfile` opens, a descriptor or a path. A part is the last three arguments
    of `read_sound`.
    """
    has_soundfile = _has_soundfile()
    is_opus, is_wav = is_opus_in_ogg(first_bytes), first_bytes.startswith(b"RIFF")
    if has_sound_track_bytes(first_bytes) or (is_opus and not has_soundfile):
        return _decoded_by_av(path, part)
    try:
        if is_wav and not has_soundfile:
            samples, rate = tf.audio.decode_wav(tf.io.read_file(path))
            return _part(samples.numpy(), int(rate), part)
        if not (is_wav or is_opus) and decoder_in_use() == "tensorflow-io":
            return _part(*_decoded_by_tensorflow_io(path), part)
        if has_soundfile:
            return _decoded_by_soundfile(file, part)
    except (RuntimeError, tf.errors.OpError) as error:
        if has_soundfile or not is_wav:
            reason = "it is corrupt, truncated or no WAV, FLAC, OGG or MP3"
            raise unreadable(path, reason) from error
    raise unreadable(
        path,
        "all but WAV of 16 bits needs the library soundfile, pip install 'perceiver-tf[audio]'",
    )


def _part(samples, sample_rate, part):
    first, last = _bounds(sample_rate, len(samples), *part)
    return samples[first:last], sample_rate, len(samples)


def _bounds(sample_rate, length, start, end, may_be_cut):
    if may_be_cut and end is not None:
        longest = (end - (start or 0.0) + LONGER_THAN_ITS_PART) * sample_rate
        if length <= longest:
            return 0, None
    first = 0 if start is None else round(start * sample_rate)
    return first, None if end is None else round(end * sample_rate)


def _decoded_by_soundfile(file, part):
    """Reads the part alone, without what lies around it."""
    import soundfile

    with soundfile.SoundFile(file, closefd=False) as file:
        length = file.frames
        first, last = _bounds(file.samplerate, length, *part)
        if first >= length:
            return np.zeros((0, 1), np.float32), file.samplerate, length
        if first:
            file.seek(first)
        count = -1 if last is None else max(min(last, length) - first, 0)
        return file.read(count, dtype="float32", always_2d=True), file.samplerate, length


def _decoded_by_av(path, part):
    try:
        av = import_av()
    except ZooError as error:
        reason = "M4A, MP4, AAC, WebM and the like need PyAV, pip install 'perceiver-tf[video]'"
        raise unreadable(path, reason) from error
    try:
        found = read_sound_track(av, path, lambda rate, length: _bounds(rate, length, *part))
    except (av.error.FFmpegError, ValueError) as error:
        raise unreadable(path, "it is corrupt or truncated") from error
    if found is None:
        raise unreadable(path, "it has no sound track")
    return found


def _decoded_by_tensorflow_io(path):
    sound = import_tensorflow_io().audio.AudioIOTensor(str(path))
    samples = sound.to_tensor().numpy()
    if samples.dtype.kind == "i":  # of FLAC; all else comes as floats
        samples = samples / np.float32(np.iinfo(samples.dtype).max + 1)
    return samples.astype(np.float32), int(sound.rate)
