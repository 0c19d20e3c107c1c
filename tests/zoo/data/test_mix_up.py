"""MixUp of training examples: inputs and labels by one share, masks together."""

import numpy as np
import tensorflow as tf

from zoo.data.mix_up import mixed, with_mix_up

KEY = tf.constant([5, 6], tf.int32)


def example(index, key, training):
    """An example that shows its number, varied in training."""
    noise = tf.random.stateless_uniform((), key) if training else 0.0
    inputs = {
        "video": tf.fill((2, 3), tf.cast(index, tf.float32)),
        "noise": noise + tf.zeros(()),
        "mask": tf.range(4, dtype=tf.int64) <= index,
    }
    return inputs, tf.one_hot(index, 4)


def test_inputs_and_labels_are_mixed_by_one_share():
    zero, one = (example(tf.constant(n, tf.int64), KEY, False) for n in (0, 3))
    inputs, labels = mixed(zero, one, 0.5, KEY)
    share = labels[0].numpy()
    assert 0 < share < 1
    np.testing.assert_allclose(labels, [share, 0, 0, 1 - share], atol=1e-6)
    np.testing.assert_allclose(inputs["video"], np.full((2, 3), 3 * (1 - share)), rtol=1e-5)
    np.testing.assert_array_equal(inputs["mask"], [True] * 4)


def test_shares_are_spread_as_alpha_says():
    ones, zeros = tf.ones(()), tf.zeros(())
    keys = tf.random.split(KEY, 400)
    of_one, of_small = (
        np.array([mixed(ones, zeros, alpha, key).numpy() for key in keys]) for alpha in (1.0, 0.2)
    )
    for shares in (of_one, of_small):
        assert 0.4 < shares.mean() < 0.6
        assert shares.min() >= 0
        assert shares.max() <= 1
    # The variance of the beta distribution is 1 / (4 (2 alpha + 1)).
    assert abs(of_one.var() - 1 / 12) < 0.02
    assert abs(of_small.var() - 1 / 5.6) < 0.03


def test_training_examples_are_mixed_with_any_other_and_held_out_ones_are_not():
    mixing = with_mix_up(example, 4, 1.0)
    index = tf.constant(2, tf.int64)
    partners = set()
    for key in tf.random.split(KEY, 40):
        labels = mixing(index, key, True)[1].numpy()
        np.testing.assert_allclose(labels.sum(), 1.0, atol=1e-5)
        partners.add(tuple(np.flatnonzero(labels > 1e-3)))
    assert {(0, 2), (1, 2), (2, 3)} <= partners
    np.testing.assert_array_equal(mixing(index, KEY, False)[1], [0, 0, 1, 0])


def test_without_alpha_examples_are_as_they_were():
    index = tf.constant(1, tf.int64)
    inputs, labels = with_mix_up(example, 4, 0.0)(index, KEY, True)
    expected, expected_labels = example(index, KEY, True)
    np.testing.assert_array_equal(inputs["noise"], expected["noise"])
    np.testing.assert_array_equal(labels, expected_labels)


def test_a_mixture_depends_on_its_key_alone():
    mixing, index = with_mix_up(example, 4, 0.4), tf.constant(2, tf.int64)
    first, again = mixing(index, KEY, True), mixing(index, KEY, True)
    np.testing.assert_array_equal(first[0]["video"], again[0]["video"])
    other = mixing(index, tf.constant([7, 8], tf.int32), True)
    assert np.abs(first[0]["noise"] - other[0]["noise"]) > 1e-6
