"""Hiding words: whole ones, 15 % of them, and what they become."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.text.bytes_tokenizer import CLS, MASK, SEP, BytesTokenizer
from zoo.text.masking import hide_words

WORDS = ["a", "of", "the", "king", "queen,", "crown's"]


def ids(text):
    return BytesTokenizer().encode(text)


def key(seed):
    return tf.constant([seed, 7], tf.int32)


def words_of(text):
    """Start and stop of each word."""
    ends = np.flatnonzero(np.diff([0, *(not c.isspace() for c in text), 0]))
    return list(zip(ends[::2], ends[1::2], strict=True))


@pytest.fixture(scope="module")
def long_text():
    random = np.random.default_rng(0)
    words = random.choice(WORDS, 4000)
    spaces = random.choice([" ", "  ", "\n", ",\t"], 4000)
    return "".join(word + space for word, space in zip(words, spaces, strict=True))


def test_whole_words_are_hidden_and_nothing_else(long_text):
    token_ids = tf.constant(BytesTokenizer(30_000).encode(long_text))
    hidden_ids, hidden = (np.asarray(x) for x in hide_words(token_ids, key(1), False))
    words = words_of(long_text)
    share = [hidden[start:stop].mean() for start, stop in words]
    assert set(share) == {0.0, 1.0}
    assert sum(share) == round(0.15 * len(words))
    assert not hidden[[c.isspace() for c in long_text]].any()
    np.testing.assert_array_equal(hidden_ids, np.where(hidden, MASK, token_ids))


def test_hidden_words_become_masks_or_random_or_stay_in_training(long_text):
    token_ids = np.asarray(BytesTokenizer(30_000).encode(long_text))
    hidden_ids, hidden = (np.asarray(x) for x in hide_words(tf.constant(token_ids), key(1), True))
    np.testing.assert_array_equal(hidden_ids[~hidden], token_ids[~hidden])
    kinds = []
    for start, stop in words_of(long_text):
        if hidden[start]:
            now, before = hidden_ids[start:stop], token_ids[start:stop]
            is_mask = now == MASK
            assert is_mask.all() or not is_mask.any()
            kinds.append("mask" if is_mask.all() else "kept" if (now == before).all() else "random")
            assert (now[~is_mask] >= 6).all() and (now < 262).all()
    shares = {kind: kinds.count(kind) / len(kinds) for kind in ("mask", "random", "kept")}
    assert shares == pytest.approx({"mask": 0.8, "random": 0.1, "kept": 0.1}, abs=0.06)


def test_draws_depend_on_the_key_alone(long_text):
    token_ids = tf.constant(ids(long_text[:200]))
    first, again, other = (hide_words(token_ids, key(seed), True) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    assert (np.asarray(first[1]) != np.asarray(other[1])).any()


def test_every_word_is_hidden_now_and_then():
    token_ids = tf.constant(ids("a of the king queen"))
    counts = sum(np.asarray(hide_words(token_ids, key(i), False)[1]).astype(int) for i in range(60))
    text = "a of the king queen"
    assert (counts[[not c.isspace() for c in text]] > 0).all()
    assert counts.max() < 40


def test_at_least_one_word_is_hidden_and_special_tokens_never():
    token_ids = tf.constant([CLS, *ids("to be"), SEP, 0])
    for i in range(5):
        _, hidden = hide_words(token_ids, key(i), False)
        assert np.asarray(hidden).tolist() in (
            [False, True, True, False, False, False, False, False],
            [False, False, False, False, True, True, False, False],
        )


def test_a_text_without_words_stays_as_it_is():
    token_ids = tf.constant(ids(" \n "))
    unchanged, hidden = hide_words(token_ids, key(1), True)
    np.testing.assert_array_equal(unchanged, token_ids)
    assert not np.asarray(hidden).any()
