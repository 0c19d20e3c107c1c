"""Hiding whole words of a text, in TensorFlow's own operations."""

import tensorflow as tf

from zoo.text.bytes_tokenizer import MASK, NUM_SPECIAL

MASKED_SHARE = 0.15
MASK_TOKEN_SHARE, RANDOM_SHARE = 0.8, 0.1
WHITESPACE = tuple(b" \t\n\v\f\r")


def hide_words(token_ids, key, training):
    """Hides 15 % of the words of a text of bytes; a word is a run of bytes without whitespace.

    At least one word is hidden, if there is any. In training, 80 % of them become mask tokens, 10
    % random bytes and 10 % stay as they are, word by word, so that the model has to doubt what it
    sees as well. Without training all become mask tokens: a word that stayed would tell itself.

    Args:
        token_ids: int32 (length,), ids of `zoo.text.bytes_tokenizer`; special tokens are never
            hidden.
        key: int32 (2,), from which everything is drawn.
        training: bool.

    Returns:
        (token_ids, hidden): int32 (length,) with words replaced, and bool (length,), where.
    """
    words, num_words = _word_numbers(token_ids)
    word_key, kind_key, byte_key = (tf.random.fold_in(key, i) for i in range(3))
    length = tf.shape(token_ids)[0]
    is_word = tf.range(length) < num_words  # there are at most as many words as bytes
    draws = tf.where(is_word, tf.random.stateless_uniform([length], word_key), 2.0)
    num_hidden = tf.cast(tf.round(MASKED_SHARE * tf.cast(num_words, tf.float32)), tf.int32)
    num_hidden = tf.minimum(tf.maximum(num_hidden, 1), num_words)
    ranks = tf.argsort(tf.argsort(draws))
    hidden = _of_words(ranks < num_hidden, words)
    replaced = tf.fill([length], MASK)
    if training:
        kinds = _of_words(tf.random.stateless_uniform([length], kind_key), words)
        random = tf.random.stateless_uniform([length], byte_key, 0, 256, tf.int32) + NUM_SPECIAL
        replaced = tf.where(kinds < MASK_TOKEN_SHARE, replaced, random)
        replaced = tf.where(kinds < MASK_TOKEN_SHARE + RANDOM_SHARE, replaced, token_ids)
    return tf.where(hidden, replaced, token_ids), hidden


def _word_numbers(token_ids):
    """Returns of each byte the number of its word, -1 outside of words, and how many there are."""
    values = token_ids - NUM_SPECIAL
    is_space = tf.reduce_any(values[:, None] == tf.constant(WHITESPACE)[None], axis=1)
    in_word = tf.logical_and(values >= 0, tf.logical_not(is_space))
    follows = tf.concat([[False], in_word[:-1]], axis=0)
    numbers = tf.cumsum(tf.cast(tf.logical_and(in_word, tf.logical_not(follows)), tf.int32))
    return tf.where(in_word, numbers - 1, -1), numbers[-1]


def _of_words(values, words):
    """Returns of each byte the value of its word; zero or False outside of words."""
    gathered = tf.gather(values, tf.maximum(words, 0))
    return tf.where(words >= 0, gathered, tf.zeros_like(gathered))
