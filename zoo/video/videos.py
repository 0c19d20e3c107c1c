"""The videos of a split: kept in memory if they fit, else decoded anew whenever they are used."""

import functools
import logging
import math

import numpy as np
import tensorflow as tf

from zoo.data.parallel import in_parallel
from zoo.errors import ZooError, carried, carried_error
from zoo.video.decoding import read_video
from zoo.video.times import evaluation_times, training_times

MEMORY_LIMIT = 2**30
_LOGGER = logging.getLogger("zoo")


class Videos:
    """Delivers the frames of a split's videos at the model's frame rate.

    Videos that take up to 1 GiB are decoded once and kept; a file that cannot be read then ends it
    at once. More than that are decoded in every epoch, in parallel, and a file that cannot be read
    ends the run when its turn comes. With `skip_corrupt` every file is decoded once beforehand,
    whatever the size, so that the number of examples is exact.

    Args:
        files: list of `zoo.data.manifests.LabelledFile`, at least one.
        form: `zoo.video.times.VideoForm`.
        training: bool. For training: not only the windows of an evaluation are there, but all
            that can be drawn.
        max_speed_change: float, see `zoo.video.configs.VideoConfig`.
        skip_corrupt: bool. Leave out, and count in a line of the log, those that cannot be read.

    Attributes:
        labels: list of tuples of ints, of those that are there.
        skipped: tuple of str, why others are not.
        num_bytes: int, what they take in memory; if that is too much, what those took that had
            been decoded when it was.

    Raises:
        ZooError: if a file cannot be read, with `skip_corrupt` if none can.
    """

    def __init__(self, files, form, training, max_speed_change=0.0, skip_corrupt=False):
        self._files, self.skipped = list(files), ()
        self._form, self._training, self._skip_corrupt = form, training, skip_corrupt
        self._window = math.ceil(form.num_frames * (1 + max_speed_change)) + 1
        with tf.init_scope(), tf.device("CPU:0"):
            self._kept = self._read_all()
        self.labels = [file.labels for file in self._files]

    def frames(self, index, place):
        """Returns the frames of a video, or of the part of it where a window is drawn.

        Where it was not kept and cannot be read, the dataset ends with an error that
        `zoo.data.pipeline.data_error` understands.

        Args:
            index: scalar int64, number of the video.
            place: scalar float32 in [0, 1), where a window for training is; negative: all frames,
                or those of the windows for evaluation.

        Returns:
            uint8 (n, h, w, channels).
        """
        if self._kept is not None:
            pixels, bounds, shapes = self._kept
            frames = tf.reshape(pixels[bounds[index] : bounds[index + 1]], shapes[index])
        else:
            frames, problem = self._decoded(index, place)
            readable = tf.debugging.Assert(tf.equal(tf.strings.length(problem), 0), [problem])
            with tf.control_dependencies([readable]):
                frames = tf.identity(frames)
        return tf.ensure_shape(frames, (None, None, None, None))

    def _decoded(self, index, place):
        """Returns the frames of a video, or none and a message why."""
        frames, problem = tf.numpy_function(
            self._read, [index, place], [tf.uint8, tf.string], stateful=False
        )
        frames.set_shape((None, None, None, None))
        problem.set_shape(())
        return frames, problem

    def _read(self, index, place):
        file, times = self._files[index], evaluation_times
        if self._training:
            length = None if place < 0 else self._window
            times = functools.partial(training_times, length=length, place=max(float(place), 0.0))
        times = functools.partial(times, self._form)
        try:
            return read_video(file.path, self._form, times, file.start, file.end), b""
        except ZooError as error:
            if not self._skip_corrupt:
                error = f"{error} Leave such files out with --skip-corrupt (skip_corrupt=True)."
            return np.zeros((0, 1, 1, 1), np.uint8), carried(error).encode()

    def _read_all(self):
        """Returns all pixels in a row, where each video begins, and shapes; None: too many."""
        pieces, good, problems, self.num_bytes = [], [], [], 0
        results = in_parallel(lambda index: self._read(index, -1.0), range(len(self._files)))
        for number, (frames, problem) in enumerate(results):
            if problem:
                problems.append(carried_error(problem.decode()))
                if not self._skip_corrupt:
                    raise problems[0]
                continue
            good.append(self._files[number])
            self.num_bytes += frames.nbytes
            if self.num_bytes <= MEMORY_LIMIT:
                pieces.append(frames)
            elif not self._skip_corrupt:
                return None
        if not good:
            raise ZooError(f"None of the videos can be read. {problems[0]}")
        if problems:
            counts = len(problems), len(self._files)
            _LOGGER.warning("Left out %d of %d videos. %s", *counts, problems[0])
        self._files, self.skipped = good, tuple(map(str, problems))
        if self.num_bytes > MEMORY_LIMIT:
            return None
        bounds = np.cumsum([0, *(piece.size for piece in pieces)])
        pixels = np.concatenate([piece.ravel() for piece in pieces])
        shapes = np.array([piece.shape for piece in pieces])
        return tf.constant(pixels), tf.constant(bounds, tf.int64), tf.constant(shapes, tf.int64)
