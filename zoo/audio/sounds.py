"""The sounds of a split: kept in memory if they fit, else decoded anew whenever they are used."""

import logging

import numpy as np
import tensorflow as tf

from zoo.audio.decoding import read_sound, unreadable
from zoo.audio.resampling import can_resample, resample_array
from zoo.cores import num_cores
from zoo.data.parallel import in_parallel
from zoo.errors import ZooError, carried, carried_error

MEMORY_LIMIT = 2**29
FILES_AT_ONCE = 16
BYTES_AT_ONCE = 2**24
_LOGGER = logging.getLogger("zoo")


class Sounds:
    """Delivers the sounds of a split at one sample rate, in mono.

    Sounds that take up to 512 MiB are decoded once and kept; a file that cannot be read then ends
    it at once. More than that are decoded in every epoch, in parallel, and a file that cannot be
    read ends the run when its turn comes. With `skip_corrupt` every file is decoded once
    beforehand, whatever the size, so that the number of examples is exact.

    Args:
        sounds: list of `zoo.data.manifests.LabelledFile`, at least one.
        sample_rate: int.
        skip_corrupt: bool. Leave out, and count in a line of the log, those that cannot be read.

    Attributes:
        sounds: list of those that are there.
        skipped: tuple of str, why others are not.
        num_bytes: int, what they take in memory; if that is too much, what those took that had
            been decoded when it was.

    Raises:
        ZooError: if a file cannot be read, with `skip_corrupt` if none can.
    """

    def __init__(self, sounds, sample_rate, skip_corrupt=False):
        self.sounds = list(sounds)
        self.skipped = ()
        self._sample_rate = sample_rate
        self._skip_corrupt = skip_corrupt
        with tf.init_scope(), tf.device("CPU:0"):
            self._waveforms = self._read_all()

    @property
    def fetch(self):
        """None where the sounds are kept; else how they are read, see `Split.fetch`.

        Several files are read at a time: what TensorFlow takes to call Python is more than what a
        short sound takes to decode. They are fewer, or one, where sounds are long.
        """
        return None if self._waveforms is not None else self._fetched

    def waveform(self, fetched):
        """Returns the number of a sound and its samples.

        Where it was not kept and cannot be read, the dataset ends with an error that
        `zoo.data.pipeline.data_error` understands.

        Args:
            fetched: the number (scalar int64), or with `fetch` what was fetched of it.

        Returns:
            (number, waveform): scalar int64, float32 (n,).
        """
        if self._waveforms is not None:
            samples, bounds = self._waveforms
            return fetched, tf.ensure_shape(samples[bounds[fetched] : bounds[fetched + 1]], (None,))
        index, waveform, problem = fetched
        readable = tf.debugging.Assert(tf.equal(tf.strings.length(problem), 0), [problem])
        with tf.control_dependencies([readable]):
            return index, tf.ensure_shape(tf.identity(waveform), (None,))

    def _fetched(self, numbers):
        """Returns a dataset of (place, (number, waveform, problem)) of one of (place, number)."""

        def read(places, indices):
            samples, lengths, problems = tf.numpy_function(
                self._read_all_of, [indices], [tf.float32, tf.int64, tf.string], stateful=False
            )
            samples, lengths, problems = (
                tf.ensure_shape(x, (None,)) for x in (samples, lengths, problems)
            )
            waveforms = tf.RaggedTensor.from_row_lengths(samples, lengths, validate=False)
            return places, (indices, waveforms, problems)

        chunks = numbers.batch(self._files_at_once)
        return chunks.map(read, num_parallel_calls=num_cores()).unbatch()

    def _read_all_of(self, indices):
        """Returns the samples of some sounds in a row, how many each has, and what is wrong."""
        waveforms, problems = zip(*map(self._read, indices), strict=True)
        lengths = np.array([len(waveform) for waveform in waveforms])
        return np.concatenate(waveforms), lengths, np.array(problems, object)

    def _read(self, index):
        sound = self.sounds[index]
        try:
            waveform, rate = read_sound(sound.path, sound.start, sound.end, sound.may_be_cut)
            if not can_resample(rate, self._sample_rate):
                raise unreadable(sound.path, f"{rate} samples a second are not resampled")
        except ZooError as error:
            if not self._skip_corrupt:
                error = f"{error} Leave such files out with --skip-corrupt (skip_corrupt=True)."
            return np.zeros(0, np.float32), carried(error).encode()
        return resample_array(waveform, rate, self._sample_rate), b""

    def _read_all(self):
        """Returns all samples in a row and where each sound begins; None if they do not fit."""
        pieces, good, problems, self.num_bytes = [], [], [], 0
        results = in_parallel(self._read, range(len(self.sounds)))
        for number, (waveform, problem) in enumerate(results):
            if problem:
                problems.append(carried_error(problem.decode()))
                if not self._skip_corrupt:
                    raise problems[0]
                continue
            good.append(self.sounds[number])
            self.num_bytes += waveform.nbytes
            fitting = BYTES_AT_ONCE * len(good) // max(self.num_bytes, 1)
            self._files_at_once = min(max(fitting, 1), FILES_AT_ONCE)
            if self.num_bytes <= MEMORY_LIMIT:
                pieces.append(waveform)
            elif not self._skip_corrupt:
                return None
        if not good:
            raise ZooError(f"None of the sounds can be read. {problems[0]}")
        if problems:
            counts = len(problems), len(self.sounds)
            _LOGGER.warning("Left out %d of %d sounds. %s", *counts, problems[0])
        self.sounds, self.skipped = good, tuple(map(str, problems))
        if self.num_bytes > MEMORY_LIMIT:
            return None
        bounds = np.cumsum([0, *map(len, pieces)])
        return tf.constant(np.concatenate(pieces)), tf.constant(bounds, tf.int64)
