"""Epochs over data, the same way for every modality: their order, their keys, their end.

An epoch depends on the seed and its number alone, not on timing, earlier draws or global seeds.
"""

import concurrent.futures
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class Share:
    """Which part of an epoch's order is read: one worker's, without what it has read before.

    Of `num_shards` workers, the one with the number `shard` reads every `num_shards`-th example
    of the order, from its own number on: together they read each example once.

    Attributes:
        num_shards: int, at least 1.
        shard: int, from 0 to num_shards - 1.
        skip: int or scalar int64 tensor, examples of the worker's part that are passed over.
    """

    num_shards: int = 1
    shard: int = 0
    skip: Any = 0

    def __post_init__(self):
        if self.num_shards < 1:
            raise ValueError(f"`num_shards` must be at least 1. Received: {self.num_shards}.")
        if not 0 <= self.shard < self.num_shards:
            raise ValueError(
                f"`shard` must be from 0 to {self.num_shards - 1}, as there are {self.num_shards}. "
                f"Received: {self.shard}."
            )

    def count(self, num_examples) -> int:
        """Returns how many of an epoch's examples are the worker's, those passed over included."""
        return -(-(num_examples - self.shard) // self.num_shards)

    def of_order(self, order):
        """Returns the part of a tensor of an epoch's examples, in their order."""
        return order[self.shard :: self.num_shards][self.skip :]

    def of_dataset(self, dataset):
        """Returns the part of a dataset of an epoch's examples, in their order."""
        return dataset.shard(self.num_shards, self.shard).skip(tf.cast(self.skip, tf.int64))

    def numbered(self, dataset):
        """Returns (position in the whole epoch's order, example) of a dataset of this part."""
        places = tf.data.Dataset.range(tf.cast(self.skip, tf.int64), tf.int64.max)
        places = places.map(lambda place: place * self.num_shards + self.shard)
        return tf.data.Dataset.zip((places, dataset))


WHOLE = Share()


def shuffled(dataset, buffer, key):
    """Returns a dataset in another order, which depends on the key alone.

    `tf.data.Dataset.shuffle` mixes in the global seed of the graph it is built in, and in a graph
    whose seed is 0 it takes no seed that is a tensor. So it is built in a graph of its own.

    Args:
        dataset: tf.data.Dataset.
        buffer: int, examples to choose from at a time.
        key: int32 tensor (2,).
    """

    def of_seed(seed):
        tf.compat.v1.set_random_seed(1)  # of this graph
        return dataset.shuffle(buffer, seed=seed, reshuffle_each_iteration=False)

    return tf.data.Dataset.from_tensors(tf.cast(key[0], tf.int64)).flat_map(of_seed)


def check_batch_arguments(batch_size, seed, epoch=None, start_step=0):
    """Raises a `ValueError` if batches of that size and seed, from that step on, cannot be."""
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    if not 0 <= seed < 2**31:
        raise ValueError(f"`seed` must be from 0 to 2^31 - 1. Received: seed={seed}.")
    if start_step < 0 or (start_step and epoch is None):
        raise ValueError(
            "`start_step` must be at least 0, and 0 unless `epoch` is given. "
            f"Received: start_step={start_step}, epoch={epoch}."
        )


def count_batches(num_examples, batch_size, drop_remainder) -> int:
    """Returns how many batches an epoch has."""
    full, rest = divmod(num_examples, batch_size)
    return full if drop_remainder or not rest else full + 1


def epoch_keys(seed, epoch):
    """Returns the keys of an epoch: of its order, of its examples and of its batches.

    Args:
        seed: int.
        epoch: scalar int64 tensor.

    Returns:
        three int32 tensors (2,), for TensorFlow's stateless random operations.
    """
    key = tf.random.fold_in(tf.constant([seed, 0], tf.int32), tf.cast(epoch, tf.int32))
    return tuple(tf.random.fold_in(key, i) for i in range(3))


def epoch_batches(make_reader, *, training, epoch=None, start_step=0, repeat=False):
    """Returns the batches of one epoch, or of all from one on.

    Args:
        make_reader: callable without arguments, called outside of any graph; returns an object
            with `epoch(number, start_step)`, the dataset of the epoch that a scalar int64 tensor
            names without its first batches (int, or scalar int64 tensor), and `num_batches`, an
            int.
        training: bool. The k-th iteration is epoch k, unless `epoch` or `repeat` is given.
        epoch: int or scalar int64 tensor: the epoch of each iteration (with `repeat`: the first).
        start_step: int, batches of the (with `repeat`: first) epoch that are passed over. Their
            examples are not loaded.
        repeat: bool. Never end, but go on with the next epoch.

    Returns:
        tf.data.Dataset, prefetching.

    Raises:
        ValueError: if an epoch has less than `start_step` batches.
    """
    reader = _run_eagerly(make_reader)
    if start_step > reader.num_batches:
        raise ValueError(
            f"`start_step` must be at most {reader.num_batches}, the batches of an epoch. "
            f"Received: start_step={start_step}."
        )
    first = tf.cast(0 if epoch is None else epoch, tf.int64)
    if repeat:

        def from_step(number):
            if not start_step:
                return reader.epoch(number, 0)
            step = tf.constant(start_step, tf.int64)
            return reader.epoch(number, tf.where(number == first, step, tf.zeros_like(step)))

        dataset = tf.data.Dataset.range(first, tf.int64.max).flat_map(from_step)
    elif epoch is not None or not training:
        dataset = reader.epoch(first, start_step)
    else:
        dataset = _iteration_numbers().flat_map(lambda number: reader.epoch(number, 0))
    if not repeat:
        num_batches = reader.num_batches - start_step
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
    return without_tuner(dataset.prefetch(tf.data.AUTOTUNE))


def without_tuner(dataset):
    """Returns a dataset without tf.data's tuner; its maps must say how many calls are parallel.

    The tuner sleeps between its measurements, each time twice as long, up to a minute, and the
    end of an iteration waits for it to wake: `evaluate` and `fit` would take up to twice as long
    as their work.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _run_eagerly(function):
    """Returns what `function` returns, run outside of the graph that is being built, if any.

    Reading data and creating Keras's layers, which own variables, is forbidden inside of a
    tf.data function, and `tf.init_scope` lifts values out of it but not variables. A new thread
    starts outside of every graph.
    """
    if tf.executing_eagerly():
        return function()
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(function).result()


def _iteration_numbers():
    """Returns a dataset of one number: how often it was iterated over before.

    The count lives in a lookup table and not in a variable, which under `tf.distribute` would
    be one of the strategy's, or in Python, which would need the interpreter's lock.
    """
    counts = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, default_value=0)
    slot = tf.constant(0, tf.int64)

    def count(_):
        number = counts.lookup(slot)
        counts.insert(slot, number + 1)
        return number

    return tf.data.Dataset.from_tensors(0).map(count)
