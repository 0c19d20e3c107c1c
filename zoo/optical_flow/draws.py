"""Random numbers of a key."""

import tensorflow as tf


def uniform(key, shape):
    """Returns float32 numbers from -1 to 1."""
    return tf.random.stateless_uniform(shape, key, -1.0, 1.0)


def chance(key, share):
    """Returns a bool that is true in a share of the cases."""
    return tf.random.stateless_uniform((), key) < share
