"""Batches of examples of any kind, each made from its number and a key."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import tensorflow as tf

from zoo.cores import num_cores
from zoo.data.epochs import (
    Share,
    check_batch_arguments,
    count_batches,
    epoch_batches,
    epoch_keys,
    shuffled,
)
from zoo.errors import ZooError
from zoo.recipes.augmentation import Augmentation


@dataclass(frozen=True)
class Split:
    """A share of the data.

    Attributes:
        num_examples: int, examples of an epoch.
        example: callable from the number of an example (scalar int64), a key (int32 (2,)) and
            whether it is for training (bool) to `(inputs, targets)` or `(inputs, targets,
            sample_weight)`: tensors, or dicts of such, of static shapes. A pure function made of
            TensorFlow's operations; what it draws, it draws from the key.
        fetch: None, or callable from a tf.data.Dataset of (place, number) to one of (place, what
            is fetched of that example), in the same order; `example` then takes what was fetched
            instead of the number. For files that are better read several at a time.
    """

    num_examples: int
    example: Callable
    fetch: Callable | None = None


@dataclass(frozen=True)
class Stream:
    """A share of the data that is read from its beginning to its end, as it does not fit memory.

    In training the examples are shuffled within a buffer, before they are decoded.

    Attributes:
        num_examples: int, examples of an epoch.
        stored: callable without arguments to a tf.data.Dataset of the examples as they are
            stored, always in the same order.
        example: callable as that of `Split`, from an example as it is stored instead of a number.
        shuffle_buffer: int, examples to shuffle at a time.
    """

    num_examples: int
    stored: Callable
    example: Callable
    shuffle_buffer: int


class ExamplePipeline:
    """Delivers batches of texts, frames or clips for training and evaluation.

    As `zoo.data.pipeline.Pipeline`, which does so for images: order and draws depend on the seed
    and the number of the epoch alone.

    Args:
        name: str, what the data is, for messages.
        open_splits: callable that reads the data and returns a dict from "train", and
            "validation" and "test" if there are such, to `Split` or `Stream`; called once, when it
            is needed.
        preprocess: the object that an export puts into the served graph.
        class_names: names of the classes in the order of the logits, or None.

    Attributes:
        skipped: tuple of str, what was left out so far as it cannot be read, and why.
    """

    skipped = ()

    def __init__(self, name, open_splits, preprocess, class_names=None):
        self.name = name
        self.preprocess = preprocess
        self.class_names = None if class_names is None else tuple(class_names)
        self._open_splits = open_splits
        self._opened = None

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, "train" first."""
        return tuple(self._splits())

    def num_examples(self, split) -> int:
        """Returns how many examples an epoch over `split` has.

        Raises:
            ZooError: if there is no such split or the data cannot be read.
        """
        return self.split(split).num_examples

    def split(self, name) -> Split | Stream:
        """Returns a split of the data.

        Raises:
            ZooError: if there is no such split or the data cannot be read.
        """
        splits = self._splits()
        if name not in splits:
            raise ZooError(
                f"{self.name} must have the split {name!r}. Received: data with "
                f"{', '.join(splits)}."
            )
        return splits[name]

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

        Args:
            split: one of `splits`.
            batch_size: int, at least 1.
            training: bool. Shuffle, and make the examples as for training.
            seed: int, from 0 to 2^31 - 1. Without `training` the draws of an example depend on its
                number and the seed alone, so that every evaluation sees the same.
            augmentation: None or `Augmentation()`: what is for images only must be off.
            epoch, start_step, repeat, drop_remainder, num_shards, shard: see
                `zoo.data.pipeline.Pipeline.batches`.

        Returns:
            tf.data.Dataset of what the split's examples are, batched.

        Raises:
            ZooError: if there is no such split or the data cannot be read.
            ValueError: if an argument is outside of its range.
        """
        check_batch_arguments(batch_size, seed, epoch, start_step)
        share = Share(num_shards, shard)
        if augmentation not in (None, Augmentation()):
            raise ValueError(
                f"`augmentation` must be off for {self.name}: it changes images. "
                f"Received: {augmentation}."
            )

        def make_reader():
            return _ExampleReader(
                self.split(split), batch_size, training, seed, drop_remainder, share
            )

        return epoch_batches(
            make_reader, training=training, epoch=epoch, start_step=start_step, repeat=repeat
        )

    def _splits(self):
        if self._opened is None:
            self._opened = self._open_splits()
        return self._opened


class _ExampleReader:
    """Builds the dataset of one epoch."""

    def __init__(self, split, batch_size, training, seed, drop_remainder, share):
        self._split = split
        self._batch_size = batch_size
        self._training = training
        self._seed = seed
        self._drop_remainder = drop_remainder
        self._share = share
        num_examples = share.count(split.num_examples)
        self.num_batches = count_batches(num_examples, batch_size, drop_remainder)

    def epoch(self, epoch, start_step):
        """Returns the batches from `start_step` on of an epoch, given by a scalar int64 tensor."""
        number = epoch if self._training else tf.zeros_like(epoch)
        order_key, example_key, _ = epoch_keys(self._seed, number)
        share = replace(self._share, skip=start_step * self._batch_size)
        is_stream = isinstance(self._split, Stream)
        stored = (self._streamed if is_stream else self._numbers)(order_key, share)

        def example(number, stored):
            key = tf.random.fold_in(example_key, tf.cast(number, tf.int32))
            return self._split.example(stored, key, self._training)

        examples = stored.map(example, num_parallel_calls=num_cores())
        return examples.batch(self._batch_size, drop_remainder=self._drop_remainder)

    def _numbers(self, order_key, share):
        """Returns a dataset of (number, number) of the share's examples, in the epoch's order."""
        order = tf.range(self._split.num_examples, dtype=tf.int64)
        if self._training:
            order = tf.random.experimental.stateless_shuffle(order, order_key)
        numbers = tf.data.Dataset.from_tensor_slices(share.of_order(order))
        numbered = tf.data.Dataset.zip((numbers, numbers))
        return numbered if self._split.fetch is None else self._split.fetch(numbered)

    def _streamed(self, order_key, share):
        """Returns a dataset of (place in the epoch's order, example as stored) of the share."""
        with tf.init_scope():
            stored = self._split.stored()
        if self._training:
            stored = shuffled(stored, self._split.shuffle_buffer, order_key)
        return share.numbered(share.of_dataset(stored))
