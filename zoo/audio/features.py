"""Log-mel spectrograms by tensorflow-io, and SpecAugment's masks."""

import tensorflow as tf

from zoo.audio.tensorflow_io import import_tensorflow_io

# Amplitudes of a mel bin below the first count as silence; where the loudest point of a window is
# below the second (in dB), it is not raised to the full scale, so that silence stays dark.
FLOOR = 1e-5
QUIETEST_PEAK = -40.0


class LogMel:
    """Makes log-mel spectrograms, the loudest point of each at 1.

    The spectrogram, the mel scale and the decibels are tensorflow-io's, which are made of
    TensorFlow's own operations: a graph that holds them needs no tensorflow-io.

    Args:
        config: `zoo.audio.configs.AudioConfig`, whose `num_mels`, `mel_stride` and so on count.

    Call arguments:
        windows: float32 (w, num_samples), a static number of windows.

    Returns:
        float32 (w, frames, num_mels), in [-1, 1]: 1 is the loudest point of the window, -1 what is
        `dynamic_range` dB quieter.

    Raises:
        ZooError: if tensorflow-io is not installed.
    """

    def __init__(self, config):
        self._config = config

    def __call__(self, windows):
        config, audio = self._config, import_tensorflow_io().audio
        spectrograms = audio.spectrogram(
            windows, config.fft_length, config.mel_window, config.mel_stride
        )
        mels = audio.melscale(
            spectrograms,
            config.sample_rate,
            config.num_mels,
            config.lowest_frequency,
            config.highest_frequency,
        )
        # One by one: the range is relative to the loudest point of all that `dbscale` gets.
        mels = [self._in_decibels(audio, mel) for mel in tf.unstack(tf.maximum(mels, FLOOR))]
        return tf.ensure_shape(tf.stack(mels), (None, config.num_frames, config.num_mels))

    def _in_decibels(self, audio, mel):
        decibels = audio.dbscale(mel, self._config.dynamic_range)
        peak = tf.maximum(tf.reduce_max(decibels), QUIETEST_PEAK)
        relative = (decibels - peak) * (2.0 / self._config.dynamic_range) + 1.0
        return tf.maximum(relative, -1.0)


def spec_augment(spectrogram, key, frequency_mask, time_mask, num_masks):
    """Returns a spectrogram with bands of frequency and time set to 0 (arXiv:1904.08779).

    The masks are those of tensorflow-io's `freq_mask` and `time_mask`: a width drawn from
    [0, parameter), then a start from [0, size - width). But the latter draw from TensorFlow's
    global generator, by which no run could be resumed or repeated; here they are drawn from a key.

    Args:
        spectrogram: float32 (frames, bins).
        key: int32 (2,).
        frequency_mask, time_mask: ints, the parameters of both kinds; 0: no such masks.
        num_masks: int, of each kind.

    Returns:
        float32 of the same shape.
    """
    for axis, parameter in enumerate((time_mask, frequency_mask)):
        for number in range(num_masks if parameter else 0):
            mask_key = tf.random.fold_in(key, 2 * number + axis)
            masked = band(spectrogram.shape[axis], parameter, mask_key)
            masked = masked[:, None] if axis == 0 else masked[None]
            spectrogram = tf.where(masked, 0.0, spectrogram)
    return spectrogram


def band(size, parameter, key):
    """Returns bool (size,), True in a band of width [0, parameter) at a place drawn from `key`."""
    keys = tf.random.split(key, 2)
    width = tf.random.stateless_uniform((), keys[0], 0, parameter, tf.int32)
    start = tf.random.stateless_uniform((), keys[1], 0, size - width, tf.int32)
    places = tf.range(size)
    return (places >= start) & (places < start + width)
