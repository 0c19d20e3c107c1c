"""From a sound to what a model of sound takes; trained and served models share it."""

import math

import tensorflow as tf

from zoo.audio.augment import vary
from zoo.audio.features import LogMel, spec_augment
from zoo.audio.resampling import resample

# Where a window's root mean square is below, it is not raised to 1.
QUIETEST = 1e-3


class AudioPreprocess:
    """Cuts sounds into windows and describes these by samples or log-mel spectrograms.

    A sound that is shorter than the window is padded, and the rows of padding are masked: the model
    does not read them. Loudness is taken away: a waveform is divided by the root mean square of its
    window, a spectrogram is relative to its loudest point.

    Args:
        config: `zoo.audio.configs.AudioConfig`.

    Call arguments:
        waveform: float32 (n,), mono, at the model's sample rate, in [-1, 1]; n at least 1.

    Returns:
        dict of `waveform` float32 (w, num_samples, 1), or `spectrogram` float32 (w, frames,
        num_mels, 1), and `mask` bool (w, rows), False for rows of padding; w is `num_windows`: if
        the sound fits into one window, the others are masked as a whole.

    Raises:
        ZooError: if the model takes spectrograms and tensorflow-io is not installed.
    """

    def __init__(self, config):
        self._config = config
        self._log_mel = LogMel(config) if config.representation == "mel" else None

    def __call__(self, waveform):
        config = self._config
        length = tf.shape(waveform)[0]
        spare = tf.maximum(length - config.num_samples, 0)
        numbers = tf.range(config.num_windows)
        if config.num_windows == 1:
            starts = spare[None] // 2
        else:
            starts = numbers * spare // (config.num_windows - 1)
        used = (numbers == 0) | (spare > 0)
        return self._described(waveform, starts, used, self._room(length) // 2)

    def training(self, waveform, key):
        """Returns one window of a sound, at a place and with changes that are drawn from a key.

        Args:
            waveform: see above.
            key: int32 (2,).

        Returns:
            as above, of one window.
        """
        config = self._config
        keys = tf.random.split(key, 4)
        waveform = vary(
            waveform, keys[0], config.max_speed_change, config.max_noise, config.flips_polarity
        )
        length = tf.shape(waveform)[0]
        spare = tf.maximum(length - config.num_samples, 0)
        start = tf.random.stateless_uniform((1,), keys[1], 0, spare + 1, tf.int32)
        room = self._room(length)
        shift = tf.random.stateless_uniform((), keys[2], 0, room + 1, tf.int32)
        inputs = self._described(waveform, start, tf.constant([True]), shift)
        if self._log_mel is not None:
            masked = spec_augment(
                inputs["spectrogram"][0, ..., 0],
                keys[3],
                config.frequency_mask,
                config.time_mask,
                config.num_masks,
            )
            inputs["spectrogram"] = masked[None, ..., None]
        return inputs

    def resampled(self, waveform, sample_rate):
        """Returns float32 (..., n) at the model's sample rate, see `zoo.audio.resampling`."""
        return resample(waveform, sample_rate, self._config.sample_rate)

    @property
    def sample_rate(self):
        """Samples of a second that the model takes."""
        return self._config.sample_rate

    @property
    def signature(self):
        """What a call returns, a dict of `tf.TensorSpec`."""
        config = self._config
        specs = {"mask": tf.TensorSpec((config.num_windows, math.prod(config.grid)), tf.bool)}
        if self._log_mel is None:
            shape = (config.num_windows, config.num_samples, 1)
            return {"waveform": tf.TensorSpec(shape), **specs}
        shape = (config.num_windows, config.num_frames, config.num_mels, 1)
        return {"spectrogram": tf.TensorSpec(shape), **specs}

    def _room(self, length):
        """Returns how many samples into the window a sound of that length may begin."""
        return tf.clip_by_value(self._config.num_samples - length, 0, self._config.max_shift)

    def _described(self, waveform, starts, used, shift):
        """Returns the inputs of windows that begin at `starts` (w,), masked if they are not used.

        The sound itself begins at `shift` in its window, which is 0 unless it is shorter.
        """
        size = self._config.num_samples
        padded = tf.pad(waveform, [[shift, size]])
        windows = tf.gather(padded, starts[:, None] + tf.range(size))
        ends = tf.minimum(tf.shape(waveform)[0] + shift - starts, size)
        ends = tf.where(used, ends, 0)
        begins = tf.minimum(tf.fill(tf.shape(ends), shift), ends)
        inputs = {"mask": self._mask(begins, ends)}
        if self._log_mel is not None:
            return {"spectrogram": self._log_mel(windows)[..., None], **inputs}
        powers = tf.reduce_sum(tf.square(windows), axis=1) / tf.cast(
            tf.maximum(ends - begins, 1), tf.float32
        )
        scaled = windows / tf.maximum(tf.sqrt(powers), QUIETEST)[:, None]
        return {"waveform": scaled[..., None], **inputs}

    def _mask(self, begins, ends):
        """Returns bool (w, rows), True where a row holds a sample from `begins` to `ends`."""
        config = self._config
        is_mel = self._log_mel is not None
        row_length = config.mel_patch[0] * config.mel_stride if is_mel else config.audio_patch
        firsts = tf.range(config.grid[0]) * row_length
        mask = (firsts + row_length > begins[:, None]) & (firsts < ends[:, None])
        return tf.repeat(mask, config.grid[1], axis=1) if len(config.grid) == 2 else mask
