"""From a sound file to its samples.

WAV of 16 bits is decoded by TensorFlow's own operation, as in the served graph, and of other
widths by the library `soundfile` (tensorflow-io takes 32 bits for floats). FLAC, OGG and MP3 are
decoded by tensorflow-io where its compiled operations load, and by `soundfile` elsewhere;
`decoder_in_use` says which.
"""

import functools
import importlib.util
import io
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
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, (error.strerror or str(error)).lower()) from error
    samples, sample_rate = _decoded(path, content)
    first = 0 if start is None else round(start * sample_rate)
    last = None if end is None else round(end * sample_rate)
    part = samples[first:last]
    if not len(part):
        seconds = len(samples) / sample_rate
        found = f" from {start} s on, {seconds:.2f} s in all" if len(samples) else ""
        raise unreadable(path, f"it has no samples{found}")
    # A product: five times as fast as the mean along an axis so short.
    num_channels = part.shape[1]
    waveform = part @ np.full(num_channels, 1 / num_channels, np.float32)
    if not np.isfinite(waveform).all():
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


def _decoded(path, content):
    """Returns float32 (n, channels) and the sample rate."""
    is_wav = content[:4] == b"RIFF"
    if is_wav:
        try:
            samples, rate = tf.audio.decode_wav(content)
            return samples.numpy(), int(rate)
        except tf.errors.InvalidArgumentError:
            pass  # not of 16 bits, or corrupt: soundfile will tell
    try:
        if not is_wav and decoder_in_use() == "tensorflow-io":
            return _decoded_by_tensorflow_io(path)
        return _decoded_by_soundfile(path, content)
    except (RuntimeError, tf.errors.OpError) as error:
        reason = "it is corrupt, truncated or no WAV, FLAC, OGG or MP3"
        raise unreadable(path, reason) from error


def _decoded_by_soundfile(path, content):
    if importlib.util.find_spec("soundfile") is None:
        raise unreadable(
            path,
            "all but WAV of 16 bits needs the library soundfile, pip install 'perceiver-tf[audio]'",
        )
    import soundfile

    return soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)


def _decoded_by_tensorflow_io(path):
    sound = import_tensorflow_io().audio.AudioIOTensor(str(path))
    samples = sound.to_tensor().numpy()
    if samples.dtype.kind == "i":  # of FLAC; all else comes as floats
        samples = samples / np.float32(np.iinfo(samples.dtype).max + 1)
    return samples.astype(np.float32), int(sound.rate)
