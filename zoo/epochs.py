"""Epochs over data, the same way for every modality: their order, their keys, their end.

An epoch depends on the seed and its number alone, not on timing, earlier draws or global seeds.
"""

import concurrent.futures

import tensorflow as tf


def check_batch_arguments(batch_size, seed):
    """Raises a `ValueError` if batches of that size and seed cannot be."""
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    if not 0 <= seed < 2**31:
        raise ValueError(f"`seed` must be from 0 to 2^31 - 1. Received: seed={seed}.")


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


def epoch_batches(make_reader, *, training, epoch=None, repeat=False):
    """Returns the batches of one epoch, or of all from one on.

    Args:
        make_reader: callable without arguments, called outside of any graph; returns an object
            with `epoch(number)`, the dataset of the epoch that a scalar int64 tensor names, and
            `num_batches`, an int.
        training: bool. The k-th iteration is epoch k, unless `epoch` or `repeat` is given.
        epoch: int or scalar int64 tensor: the epoch of each iteration (with `repeat`: the first).
        repeat: bool. Never end, but go on with the next epoch.

    Returns:
        tf.data.Dataset, prefetching.
    """
    reader = _run_eagerly(make_reader)
    if repeat:
        start = tf.cast(0 if epoch is None else epoch, tf.int64)
        dataset = tf.data.Dataset.range(start, tf.int64.max).flat_map(reader.epoch)
    elif epoch is not None or not training:
        dataset = reader.epoch(tf.cast(0 if epoch is None else epoch, tf.int64))
    else:
        dataset = _iteration_numbers().flat_map(reader.epoch)
    if not repeat:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(reader.num_batches))
    return dataset.prefetch(tf.data.AUTOTUNE)


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
