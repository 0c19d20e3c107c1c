"""Sounds of TensorFlow Datasets, by name."""

import tensorflow as tf

from zoo.audio.resampling import can_resample, resample
from zoo.data.example_pipeline import Stream
from zoo.data.tfds import data_set_of
from zoo.errors import ZooError, carried

# Names that are accepted without "tfds:".
WELL_KNOWN = ("crema_d", "gtzan", "nsynth", "speech_commands", "spoken_digit")
# What is learned, where that is not the feature "label".
LABELS = {"nsynth": "instrument/family"}
# Samples of a second, where the data set's features do not say it.
SAMPLE_RATES = {"spoken_digit": 8000}
FULL_SCALE = 2.0**15  # of whole numbers: TFDS stores samples of 16 bits


class StoredSounds:
    """A data set of TensorFlow Datasets with the feature "audio" and one label.

    It is read anew in every epoch, shuffled through a buffer.

    Args:
        data: `zoo.data.tfds.TfdsData`.

    Attributes:
        class_names: tuple of str.

    Raises:
        ZooError: if the data set has other features, or its sample rate is not known.
    """

    def __init__(self, data):
        self._data = data
        base = data.name.split("/")[0].split(":")[0]
        self._label = LABELS.get(base, "label")
        self._sample_rate = data.feature("audio", "Audio").sample_rate or SAMPLE_RATES.get(base)
        if self._sample_rate is None:
            raise ZooError(
                "A data set of sounds must say its sample rate. "
                f"Received: {data.name!r}, which does not."
            )
        self.class_names = data.class_names(self._label)

    @property
    def splits(self):
        """Names of the splits, "train" first."""
        return tuple(self._data.parts)

    def stream(self, split, example) -> Stream:
        """Returns the `Stream` of a split whose examples `example` makes."""
        data = self._data
        buffer = data.shuffle_buffer(split)
        return Stream(data.num_examples(split), lambda: data.dataset(split), example, buffer)

    def sound(self, stored, sample_rate):
        """Returns a sound in mono, float32 (n,), and its label, from an example as stored.

        Raises:
            ZooError: if the data set's rate cannot be brought to `sample_rate`.
        """
        if not can_resample(self._sample_rate, sample_rate):
            raise ZooError(
                f"{self._sample_rate} samples a second are not resampled to {sample_rate}. "
                f"Received: the data set {self._data.name!r}."
            )
        samples = stored["audio"]
        scale = FULL_SCALE if samples.dtype.is_integer else 1.0
        waveform = tf.cast(samples, tf.float32) / scale
        if waveform.shape.rank == 2:
            waveform = tf.reduce_mean(waveform, axis=1)
        problem = carried(f"A sound of {self._data.name} has no samples.")
        with tf.control_dependencies([tf.debugging.Assert(tf.size(waveform) > 0, [problem])]):
            waveform = resample(waveform, self._sample_rate, sample_rate)
        label = stored
        for key in self._label.split("/"):
            label = label[key]
        return tf.ensure_shape(waveform, (None,)), label


def open_stored_sounds(spec):
    """Returns the `StoredSounds` that a specification of data names, None if it names none.

    Args:
        spec: str or path-like, "tfds:NAME", or NAME alone for those in `WELL_KNOWN`; see
            `zoo.data.tfds`.
    """
    data = data_set_of(spec, WELL_KNOWN)
    return None if data is None else StoredSounds(data)
