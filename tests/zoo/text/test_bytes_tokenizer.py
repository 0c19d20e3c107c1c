"""The tokenizer: ids and masks, the mask in a text, its limits, and Hugging Face's."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ZooError
from zoo.text.bytes_tokenizer import CLS, MASK, SEP, BytesTokenizer

TEXTS = ["to be", "é ∑ 😀", "a", "tab\tand\nnewline\x00 �"]


def by_hand(text, adds_special_tokens):
    ids = [byte + 6 for byte in text.encode()]
    return [CLS, *ids, SEP] if adds_special_tokens else ids


@pytest.mark.parametrize("adds_special_tokens", [False, True])
@pytest.mark.parametrize("length", [None, 30])
def test_ids_are_the_bytes_plus_six_and_padded(adds_special_tokens, length):
    tokenizer = BytesTokenizer(30, adds_special_tokens)
    outputs = tokenizer(tf.constant(TEXTS), length)
    expected = [by_hand(text, adds_special_tokens) for text in TEXTS]
    width = length or max(map(len, expected))
    assert outputs["token_ids"].dtype == tf.int32
    for token_ids, mask, ids in zip(*map(np.asarray, outputs.values()), expected, strict=True):
        np.testing.assert_array_equal(token_ids, ids + [0] * (width - len(ids)))
        np.testing.assert_array_equal(mask, np.arange(width) < len(ids))


def test_a_mask_in_a_text_hides_as_many_bytes_as_it_says():
    tokenizer = BytesTokenizer(30)
    a, b, c = (ord(letter) + 6 for letter in "abc")
    assert tokenizer.encode("[MASK]").tolist() == [MASK]
    assert tokenizer.encode("a[MASK]b[MASK:3]c").tolist() == [a, MASK, b, MASK, MASK, MASK, c]
    assert tokenizer.encode("[MASK:2][MASK:01]").tolist() == [MASK] * 3
    for not_a_mask in ("[MASK:]", "[MASK:x]", "[mask]", "[MASK", "[SEP]"):
        expected = [byte + 6 for byte in not_a_mask.encode()]
        assert tokenizer.encode(not_a_mask).tolist() == expected


def test_decoding_is_the_inverse_of_encoding():
    for tokenizer in (BytesTokenizer(30), BytesTokenizer(30, True)):
        texts = tokenizer.decode(tokenizer(tf.constant(TEXTS))["token_ids"])
        assert [text.decode() for text in texts.numpy()] == TEXTS


def test_decoded_text_is_always_valid():
    token_ids = np.array([[ord("a") + 6, 0xC3 + 6, MASK, ord("b") + 6]])
    assert BytesTokenizer().decode(token_ids).numpy()[0].decode() == "a�b"


BAD = {
    "": "must not be empty",
    "x" * 13: "must not be longer than what the model takes .in bytes., here 12",
    "é" * 7: "must not be longer",
    "[MASK:13]": "must not be longer",
    "[MASK:999999999]": "must not be longer",
    b"ab\xff": "must be valid UTF-8",
    b"\xc3": "must be valid UTF-8",
    b"\xed\xa0\x80": "must be valid UTF-8",
    "[MASK:0]": "must hide at least one byte",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_text_is_a_clear_error(text):
    with pytest.raises(ZooError, match=f"{BAD[text]}.*Received: "):
        BytesTokenizer(12).encode(text)


@pytest.mark.parametrize("text", BAD)
def test_bad_text_is_a_clear_error_in_a_graph(text):
    tokenizer = BytesTokenizer(12)
    graph = tf.function(tokenizer.__call__, input_signature=[tf.TensorSpec((None,), tf.string)])
    assert graph(tf.constant(["fine", "x" * 12]))["token_ids"].shape == (2, 12)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{BAD[text]}.*index. .1"):
        graph(tf.constant(["fine", text]))


def test_a_lone_surrogate_is_a_clear_error():
    with pytest.raises(ZooError, match="must be valid UTF-8. Received: an invalid byte at 2"):
        BytesTokenizer().encode("ab\udcff")


def test_special_tokens_count_for_the_limit():
    assert len(BytesTokenizer(5, True).encode("abc")) == 5
    with pytest.raises(ZooError, match="here 5. Received: 6 tokens"):
        BytesTokenizer(5, True).encode("abcd")
    with pytest.raises(ValueError, match="`max_length` must be larger than 2"):
        BytesTokenizer(2, True)


def test_the_longest_text_has_2048_bytes_by_default():
    assert len(BytesTokenizer().encode("x" * 2048)) == 2048
    with pytest.raises(ZooError, match="here 2048. Received: 2049 tokens"):
        BytesTokenizer().encode("x" * 2049)


def test_raw_bytes_get_the_same_ids():
    for tokenizer in (BytesTokenizer(), BytesTokenizer(adds_special_tokens=True)):
        values = tf.io.decode_raw(tf.constant("to be"), tf.uint8)
        np.testing.assert_array_equal(tokenizer.of_bytes(values), tokenizer.encode("to be"))


def test_equals_the_tokenizer_of_transformers():
    transformers = pytest.importorskip("transformers")
    theirs = transformers.PerceiverTokenizer()
    ours = BytesTokenizer(adds_special_tokens=True)
    texts = [*TEXTS, "fill [MASK][MASK] in", "This is an incomplete sentence."]
    expected = theirs(texts, padding=True)
    outputs = ours(tf.constant(texts))
    np.testing.assert_array_equal(outputs["token_ids"], expected["input_ids"])
    np.testing.assert_array_equal(outputs["mask"], np.array(expected["attention_mask"]) == 1)
    decoded = ours.decode(outputs["token_ids"]).numpy()
    for text, token_ids in zip(decoded, expected["input_ids"], strict=True):
        assert text.decode() == theirs.decode(token_ids, skip_special_tokens=True)
