"""From a sound file to its samples.

WAV is decoded by the library `soundfile`, and of 16 bits by TensorFlow's own operation where that
is not installed: it gives the same numbers, as in the served graph, but takes four times as long.
FLAC, OGG and MP3 are decoded by tensorflow-io where its compiled operations load, and by
`soundfile` elsewhere; `decoder_in_use` says which.
"""

import functools
import importlib.util
import logging
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.errors import ZooError
from zoo.tensorflow_io import has_compiled_operations, import_tensorflow_io

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_LOGGER = logging.getLogger("zoo")


def read_sound(path, start=None, end=None):
    """Returns a sound, or a part of it, in mono.

    Args:
        path: a WAV (8 to 32 bits, also float), FLAC, OGG or MP3 file; what it is, its bytes tell,
            not its name.
        start, end: seconds from the beginning of the file, where the part begins and ends; None:
            the file's own ends. An end behind the file's is the file's.

    Returns:
        (waveform, sample_rate): float32 numpy array (n,), n at least 1, the mean of all channels,
        full scale is [-1, 1]; int, samples of a second.

    Raises:
        ZooError: if there is no such file, it does not decode, has no samples (in that part), or
            some that are not finite.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as file:
            is_wav = file.read(4) == b"RIFF"
    except OSError as error:
        raise unreadable(path, (error.strerror or str(error)).lower()) from error
    part, sample_rate, length = _decoded(path, is_wav, start, end)
    if not len(part):
        found = f" from {start} s on, {length / sample_rate:.2f} s in all" if length else ""
        raise unreadable(path, f"it has no samples{found}")
    # A product: five times as fast as the mean along an axis so short.
    num_channels = part.shape[1]
    waveform = part[:, 0]
    if num_channels > 1:
        waveform = part @ np.full(num_channels, 1 / num_channels, np.float32)
    # The sum is not finite if a sample is not; only then each is looked at.
    with np.errstate(invalid="ignore", over="ignore"):
        is_finite = np.isfinite(waveform.sum()) or np.isfinite(waveform).all()
    if not is_finite:
        raise unreadable(path, "some of its samples are NaN or infinite")
    return waveform, sample_rate


def unreadable(path, reason) -> ZooError:
    """Returns the error about a sound file that cannot be read."""
    return ZooError(f"Cannot read the sound {path}: {reason}.")


@functools.cache
def decoder_in_use() -> str | None:
    """Returns what decodes FLAC, OGG and MP3: "tensorflow-io", "soundfile", or None.

    Says so in one line of the log when it is first asked.
    """
    if has_compiled_operations():
        version = import_tensorflow_io().__version__
        _LOGGER.warning("FLAC, OGG and MP3 are decoded by tensorflow-io %s.", version)
        return "tensorflow-io"
    if importlib.util.find_spec("soundfile") is None:
        return None
    import soundfile

    _LOGGER.warning(
        "FLAC, OGG and MP3 are decoded by soundfile %s: tensorflow-io's compiled operations are "
        "not available with TensorFlow %s.",
        soundfile.__version__,
        tf.__version__,
    )
    return "soundfile"


def _decoded(path, is_wav, start, end):
    """Returns the part from start to end, float32 (n, channels); sample rate; length of all."""
    has_soundfile = importlib.util.find_spec("soundfile") is not None
    try:
        if is_wav and not has_soundfile:
            samples, rate = tf.audio.decode_wav(path.read_bytes())
            return _part(samples.numpy(), int(rate), start, end)
        if not is_wav and decoder_in_use() == "tensorflow-io":
            return _part(*_decoded_by_tensorflow_io(path), start, end)
        if has_soundfile:
            return _decoded_by_soundfile(path, start, end)
    except (RuntimeError, tf.errors.OpError) as error:
        if has_soundfile or not is_wav:
            reason = "it is corrupt, truncated or no WAV, FLAC, OGG or MP3"
            raise unreadable(path, reason) from error
    raise unreadable(
        path, "all but WAV of 16 bits needs the library soundfile, pip install 'perceiver-tf[audio]'"
    )


def _part(samples, sample_rate, start, end):
    first, last = _bounds(sample_rate, start, end)
    return samples[first:last], sample_rate, len(samples)


def _bounds(sample_rate, start, end):
    first = 0 if start is None else round(start * sample_rate)
    return first, None if end is None else round(end * sample_rate)


def _decoded_by_soundfile(path, start, end):
    """Reads the part alone, without what lies around it."""
    import soundfile

    with soundfile.SoundFile(path) as file:
        first, last = _bounds(file.samplerate, start, end)
        length = file.frames
        if first >= length:
            return np.zeros((0, 1), np.float32), file.samplerate, length
        if first:
            file.seek(first)
        count = -1 if last is None else max(min(last, length) - first, 0)
        return file.read(count, dtype="float32", always_2d=True), file.samplerate, length


def _decoded_by_tensorflow_io(path):
    sound = import_tensorflow_io().audio.AudioIOTensor(str(path))
    samples = sound.to_tensor().numpy()
    if samples.dtype.kind == "i":  # of FLAC; all else comes as floats
        samples = samples / np.float32(np.iinfo(samples.dtype).max + 1)
    return samples.astype(np.float32), int(sound.rate)
