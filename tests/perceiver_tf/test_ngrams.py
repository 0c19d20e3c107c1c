"""Vectors of hashed n-grams: equal to a plain loop, and blind to padding."""

import keras
import numpy as np
import pytest

from perceiver_tf import NgramEmbedding
from perceiver_tf.layers import ngrams

CHANNELS, SIZES, NUM_BUCKETS = 4, (1, 2, 5), 23


def texts(random, valid=(9, 6, 1)):
    token_ids = random.integers(0, 262, (len(valid), 9)).astype("int32")
    return {"token_ids": token_ids, "mask": np.arange(9)[None] < np.array(valid)[:, None]}


def layer_with_random_table(random, sizes=SIZES, **arguments):
    layer = NgramEmbedding(CHANNELS, sizes, NUM_BUCKETS, **arguments)
    layer.build({"token_ids": (None, 9), "mask": (None, 9)})
    layer.embeddings.assign(random.normal(size=layer.embeddings.shape))
    return layer


def bucket(ngram):
    """The polynomial of the n-gram's ids, from the last to the first, in Python's integers."""
    terms = [int(token) * ngrams._BASE**power for power, token in enumerate(ngram)]
    return sum(terms) % ngrams._MODULUS % NUM_BUCKETS


def looped(table, token_ids, mask):
    result = np.zeros((*token_ids.shape, CHANNELS))
    for text, end in np.ndindex(token_ids.shape):
        for number, size in enumerate(SIZES):
            start = end - size + 1
            if start >= 0 and mask[text, start : end + 1].all():
                row = number * NUM_BUCKETS + bucket(token_ids[text, start : end + 1])
                result[text, end] += table[row]
    return result


def test_vectors_are_those_of_a_plain_loop(random):
    layer, inputs = layer_with_random_table(random), texts(random)
    inputs["mask"][0, 3] = False  # padding may also be inside
    expected = looped(np.asarray(layer.embeddings), **inputs)
    np.testing.assert_allclose(layer(inputs), expected, atol=1e-5)


def test_ids_of_a_large_vocabulary_do_not_overflow(random):
    layer, inputs = layer_with_random_table(random), texts(random)
    inputs["token_ids"] = inputs["token_ids"] % 7 + 2**30 - 7
    expected = looped(np.asarray(layer.embeddings), **inputs)
    np.testing.assert_allclose(layer(inputs), expected, atol=1e-5)


def test_what_is_at_padding_changes_nothing(random):
    layer, inputs = layer_with_random_table(random), texts(random)
    changed = {**inputs, "token_ids": np.where(inputs["mask"], inputs["token_ids"], 7)}
    np.testing.assert_array_equal(layer(inputs), layer(changed))
    short = {name: values[1:, :6] for name, values in inputs.items()}
    np.testing.assert_array_equal(layer(inputs)[1:, :6], layer(short))
    np.testing.assert_array_equal(layer(inputs)[1:, 6:], np.zeros((2, 3, CHANNELS)))


def test_an_ngram_is_the_same_wherever_it_is(random):
    layer = layer_with_random_table(random, sizes=(3,))
    token_ids = np.array([[9, 11, 12, 13, 7, 11, 12, 13]])
    rows = np.asarray(layer({"token_ids": token_ids, "mask": np.ones_like(token_ids, bool)}))[0]
    np.testing.assert_array_equal(rows[3], rows[7])
    assert np.abs(rows[4] - rows[3]).max() > 1e-3


def test_a_new_table_adds_nothing_and_learns(random):
    layer, inputs = NgramEmbedding(CHANNELS, SIZES, NUM_BUCKETS), texts(random)
    np.testing.assert_array_equal(layer(inputs), np.zeros((3, 9, CHANNELS)))
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="bool", name="mask")
    whole = {"token_ids": ids, "mask": mask}
    model = keras.Model(whole, layer(whole))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.train_on_batch(inputs, np.ones((3, 9, CHANNELS)))
    assert np.asarray(layer.embeddings).max() > 0


def test_dropout_leaves_out_whole_vectors(random):
    layer = layer_with_random_table(random, sizes=(2,), dropout=0.5)
    inputs = texts(random, valid=(9,) * 40)
    kept, dropped = np.asarray(layer(inputs)), np.asarray(layer(inputs, training=True))
    is_zero = (dropped[:, 1:] == 0).all(-1)
    assert 0.35 < is_zero.mean() < 0.65
    np.testing.assert_allclose(dropped[:, 1:][~is_zero], 2 * kept[:, 1:][~is_zero], atol=1e-5)


@pytest.mark.parametrize("sizes", [(), (0, 2), (3, 3)])
def test_sizes_are_different_lengths(sizes):
    with pytest.raises(ValueError, match="`sizes` must be different integers of at least 1"):
        NgramEmbedding(CHANNELS, sizes, NUM_BUCKETS)


@pytest.mark.parametrize("num_buckets", [0, 2_000_000])
def test_buckets_are_as_many_as_the_hash_tells_apart(num_buckets):
    with pytest.raises(ValueError, match="`num_buckets` must be from 1 to"):
        NgramEmbedding(CHANNELS, SIZES, num_buckets)
