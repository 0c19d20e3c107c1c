"""MixUp (arXiv:1710.09412) of examples of any kind."""

import tensorflow as tf


def mixed(first, second, alpha, key):
    """Returns the mixture of two training examples.

    Args:
        first, second: nested structures of tensors, such as `(inputs, targets)`, of equal shapes:
            floats are averaged, masks (bool) are True where either is.
        alpha: float above 0, of the beta distribution that the first one's share is drawn from.
        key: int32 (2,), which the draw depends on alone.

    Returns:
        as `first`.
    """
    draws = tf.random.stateless_gamma((2,), key, alpha)
    # Both draws of a small alpha can be 0.
    share = tf.math.divide_no_nan(draws[0], draws[0] + draws[1])

    def mixture(one, other):
        if one.dtype == tf.bool:
            return one | other
        return share * one + (1.0 - share) * other

    return tf.nest.map_structure(mixture, first, second)


def with_mix_up(example, num_examples, alpha):
    """Returns a `zoo.data.example_pipeline.Split`'s function that mixes each training example.

    Args:
        example: callable from the number of an example, a key and whether it is for training.
        num_examples: int, of the split; the other one is any of them.
        alpha: see `mixed`; 0: off.
    """

    def mixing(index, key, training):
        if not training or not alpha:
            return example(index, key, training)
        keys = tf.unstack(tf.random.split(tf.random.fold_in(key, 0), 4))
        other = tf.random.stateless_uniform((), keys[0], 0, num_examples, tf.int64)
        first, second = example(index, keys[1], True), example(other, keys[2], True)
        return mixed(first, second, alpha, keys[3])

    return mixing
