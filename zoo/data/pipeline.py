"""From a source of examples to batches for a model: the way of the data in one place."""

import dataclasses
import functools
import re

import tensorflow as tf

from zoo.cores import num_cores
from zoo.data.augmenter import Augmenter
from zoo.data.epochs import Share, check_batch_arguments, count_batches, epoch_batches, epoch_keys
from zoo.errors import ZooError, carried_error

UNREADABLE = "Cannot read the image file"
NO_IMAGE = "corrupt, truncated or no JPEG, PNG, BMP or GIF"
_UNREADABLE_PATTERN = re.compile(re.escape(UNREADABLE) + r" <<(.*?)>>", re.DOTALL)


class Pipeline:
    """Delivers batches of preprocessed images and labels for training, evaluation, prediction.

    Images and labels take this way: load, shuffle, augment, batch, mix (MixUp, CutMix),
    normalise, prefetch. Shuffling comes before decoding, so that it moves file names and not
    pixels; normalising comes last and on whole batches, so that augmentation works on pixels
    0-255 and the arithmetic is done once per batch.

    Args:
        source: `zoo.images.arrays.ImageSource`.
        preprocess: `zoo.images.pipeline.ImagePreprocess`, the same object that an export puts into
            the served graph.
        num_classes: int, length of the one-hot labels.
    """

    def __init__(self, source, preprocess, num_classes):
        self.source = source
        self.preprocess = preprocess
        self.num_classes = num_classes

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes in the order of the logits.

        None if the data does not name exactly `num_classes` classes or cannot be opened on this
        machine.
        """
        try:
            names = self.source.class_names
        except ZooError:
            return None
        return names if names is not None and len(names) == self.num_classes else None

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, "train" first, then "validation" and "test" if there are such."""
        return self.source.splits

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files that were left out so far because they cannot be read."""
        return self.source.skipped_files

    def num_examples(self, split) -> int:
        """Returns how many examples an epoch over `split` has, corrupt ones not counted.

        Also makes sure that the split can be delivered, and reads it if it fits into memory.

        Raises:
            ZooError: If there is no such split, it cannot be read or has more classes than the
                model.
        """
        if self.source.num_classes > self.num_classes:
            raise ZooError(
                "The model must have an output for each class of the data. Received: "
                f"{self.num_classes} outputs for the {self.source.num_classes} classes of "
                f"{self.source.name}."
            )
        return self.source.num_examples(split)

    @tf.autograph.experimental.do_not_convert
    def batches(
        self,
        split,
        batch_size,
        *,
        training=False,
        seed=0,
        augmentation=None,
        epoch=None,
        start_step=0,
        repeat=False,
        drop_remainder=False,
        num_shards=1,
        shard=0,
    ):
        """Returns batches of a split; iterating once over them is one epoch.

        The order and the augmentation depend on `seed` and the number of the epoch only, not on
        timing, earlier draws or global seeds. The k-th iteration over a training dataset (k = 0,
        1, ...) is epoch k. Keras sometimes starts an iteration just to look at a batch, so code
        that must resume at an exact epoch should give the number itself, by `epoch`.

        Args:
            split: one of `splits`.
            batch_size: int, at least 1.
            training: bool. Shuffle, and augment if an `augmentation` is given.
            seed: int, from 0 to 2^31 - 1.
            augmentation: `zoo.recipes.augmentation.Augmentation` or None. Used with `training`
                only.
            epoch: int, or a scalar int64 tensor inside of a tf.data function: deliver this
                epoch at each iteration.
            start_step: int. Pass over so many batches of the epoch, without loading their
                images. Only together with `epoch`.
            repeat: bool. Never end, but go on with the next epoch, from `epoch` or 0 on. A last
                batch that is not full stays one, so an epoch always has the same steps.
            drop_remainder: bool. Leave out the last batch if it is not full; gives the batches
                a static shape, which TPUs need.
            num_shards, shard: ints. Of so many workers, deliver the part of the one with this
                number, from 0: every `num_shards`-th example of the order. Their numbers of
                examples differ by at most one. `batch_size` is each worker's.

        Returns:
            tf.data.Dataset of `(images, labels)`: float32 (b, height, width, channels) and
            float32 one-hot (b, num_classes).

        Raises:
            ZooError: If there is no such split, it cannot be read or it has more classes than
                the model.
            ValueError: If another argument is outside of its range.
        """
        check_batch_arguments(batch_size, seed, epoch, start_step)
        share = Share(num_shards, shard)

        def make_reader():
            num_examples = self.num_examples(split)
            augmenter = None
            if training and augmentation is not None:
                augmenter = Augmenter(augmentation, self.preprocess)
            return _EpochReader(
                self,
                split,
                share,
                share.count(num_examples),
                batch_size,
                training,
                seed,
                augmenter,
                drop_remainder,
            )

        return epoch_batches(
            make_reader, training=training, epoch=epoch, start_step=start_step, repeat=repeat
        )


def require_readable(readable, path):
    """Ends the reading of a dataset with an error that `data_error` understands.

    tf.data knows no Python exceptions: its functions run as a graph, also inside of
    `model.fit`, and any failure arrives as a `tf.errors.InvalidArgumentError`. The path of the
    file travels inside of the message.

    Args:
        readable: scalar bool tensor.
        path: scalar string tensor, the file.
    """
    tf.debugging.Assert(readable, [tf.strings.join([UNREADABLE, " <<", path, ">>"])])


def data_error(exception) -> ZooError | None:
    """Returns the user's error behind an exception that came out of a dataset.

    Args:
        exception: what iterating over batches, or Keras's `fit`, `evaluate` or `predict`, raised.

    Returns:
        `ZooError` that names the file that cannot be read, or None if that was not the cause.

    Example:

    >>> try:
    ...     model.fit(batches)
    ... except tf.errors.InvalidArgumentError as error:
    ...     raise data_error(error) or error
    """
    found = _UNREADABLE_PATTERN.search(str(exception))
    return carried_error(exception) if found is None else unreadable_file(found.group(1))


def unreadable_file(path) -> ZooError:
    """Returns the error about a file that is no image, or only a part of one."""
    return ZooError(
        f"{UNREADABLE} {path}: it is {NO_IMAGE}. Remove or replace it, or leave such files out "
        "with --skip-corrupt (skip_corrupt=True)."
    )


class _EpochReader:
    """Builds the dataset of one epoch, in Python or inside of a tf.data function."""

    def __init__(
        self,
        pipeline,
        split,
        share,
        num_examples,
        batch_size,
        training,
        seed,
        augmenter,
        drop_remainder,
    ):
        self._source = pipeline.source
        self._preprocess = pipeline.preprocess
        self._num_classes = pipeline.num_classes
        self._split = split
        self._share = share
        self._batch_size = batch_size
        self._training = training
        self._seed = seed
        self._augmenter = augmenter
        self._drop_remainder = drop_remainder
        self._arrays = self._source.arrays(split)
        self.num_batches = count_batches(num_examples, batch_size, drop_remainder)

    def epoch(self, epoch, start_step):
        """Returns the batches from `start_step` on of an epoch, given by a scalar int64 tensor."""
        order_key, example_key, batch_key = epoch_keys(self._seed, epoch)
        order_key = order_key if self._training else None
        one_by_one = (
            self._augmenter is not None and self._augmenter.augmentation.changes_single_images
        )
        if self._arrays is not None and not one_by_one:
            dataset = self._array_batches(order_key, start_step)
        else:
            dataset = self._example_batches(order_key, example_key, start_step)
        finish = functools.partial(self._finish, batch_key)
        steps = tf.data.Dataset.range(tf.cast(start_step, tf.int64), tf.int64.max)
        batches = tf.data.Dataset.zip((steps, dataset))
        return batches.map(finish, num_parallel_calls=num_cores())

    def _array_batches(self, order_key, start_step):
        """Yields unaugmented batches from memory, one gather for each and no single examples."""
        images, labels = self._arrays
        size = self._batch_size
        order = tf.range(labels.shape[0], dtype=tf.int64)
        if order_key is not None:
            order = tf.random.experimental.stateless_shuffle(order, order_key)
        order = self._share.of_order(order)

        def load(step):
            rows = order[step * size : (step + 1) * size]
            if self._drop_remainder:
                rows = tf.ensure_shape(rows, (size,))
            return self._preprocess.resize(tf.gather(images, rows)), tf.gather(labels, rows)

        steps = tf.data.Dataset.range(tf.cast(start_step, tf.int64), self.num_batches)
        return steps.map(load, num_parallel_calls=num_cores())

    def _example_batches(self, order_key, example_key, start_step):
        """Yields batches of examples that were loaded, resized and augmented one by one."""

        def load(position, example):
            if self._augmenter is None:
                return self._preprocess.resize(example["image"]), example["label"]
            key = tf.random.fold_in(example_key, tf.cast(position, tf.int32))
            return self._augmenter.example(example["image"], key), example["label"]

        share = dataclasses.replace(self._share, skip=start_step * self._batch_size)
        examples = share.numbered(self._source.examples(self._split, order_key, share))
        examples = examples.map(load, num_parallel_calls=num_cores())
        return examples.batch(self._batch_size, drop_remainder=self._drop_remainder)

    def _finish(self, batch_key, step, batch):
        """Augments, mixes and normalises a batch."""
        images, labels = batch
        labels = tf.one_hot(labels, self._num_classes, dtype=tf.float32)
        if self._augmenter is not None:
            number = step * self._share.num_shards + self._share.shard
            key = tf.random.fold_in(batch_key, tf.cast(number, tf.int32))
            images = self._augmenter.batch(images, tf.random.fold_in(key, 0))
            images, labels = self._augmenter.mix(images, labels, tf.random.fold_in(key, 1))
        return self._preprocess.normalise(images), labels
