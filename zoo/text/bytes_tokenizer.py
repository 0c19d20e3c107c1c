"""Texts to token ids and back, in TensorFlow's own operations: the UTF-8 bytes are the tokens."""

import re

import tensorflow as tf

from zoo.errors import ZooError

PAD, BOS, EOS, MASK, CLS, SEP = range(6)
NUM_SPECIAL = 6

_MASK_PATTERN = r"\[MASK(?::\d{1,9})?\]"
# Bytes that no UTF-8 text has: around a mask while a text is taken apart, and for a masked byte.
_BOUNDARY, _MASKED = b"\xfe", b"\xff"
_TOO_LONG = "A text must not be longer than what the model takes (in bytes)"
_EMPTY = "A text must not be empty"
_INVALID = "A text must be valid UTF-8"
_NO_BYTES = "[MASK:n] must hide at least one byte"


class BytesTokenizer:
    """Turns texts to token ids and back, the same in the pipeline and in a served graph.

    A token is a byte of the text's UTF-8 form; its id is the byte plus 6, after the special tokens
    PAD 0, BOS 1, EOS 2, MASK 3, CLS 4 and SEP 5. `[MASK]` in a text is one masked byte, `[MASK:9]`
    are nine. Other special tokens cannot be written in a text: "[SEP]" is five bytes.

    Args:
        max_length: int, the most tokens of a text, special ones included.
        adds_special_tokens: bool, whether a text is put between CLS and SEP. Hugging Face's
            tokenizer does so, DeepMind's does not.

    Raises:
        ValueError: if `max_length` leaves no room for a byte.

    Example:

    >>> BytesTokenizer()(tf.constant(["to", "be[MASK:2]"]))["token_ids"].numpy()
    array([[122, 117,   0,   0],
           [104, 107,   3,   3]], dtype=int32)
    """

    def __init__(self, max_length=2048, adds_special_tokens=False):
        self.num_added = 2 if adds_special_tokens else 0
        if max_length <= self.num_added:
            raise ValueError(
                f"`max_length` must be larger than {self.num_added}. "
                f"Received: max_length={max_length}."
            )
        self.max_length = max_length
        self.adds_special_tokens = adds_special_tokens

    def __call__(self, texts, length=None):
        """Returns the token ids of texts, padded at the end.

        Args:
            texts: string (b,), UTF-8.
            length: int, to which all are padded; None: the length of the longest.

        Returns:
            dict of `token_ids`, int32 (b, length), and `mask`, bool (b, length), False for
            padding.

        Raises:
            tf.errors.InvalidArgumentError: when run, if a text is empty, too long, or not UTF-8.
        """
        texts = self._with_masked_bytes(texts)
        num_bytes = tf.strings.length(texts)
        longest = self.max_length if length is None else length
        fits = num_bytes + self.num_added <= longest
        texts = _checked(texts, fits, f"{_TOO_LONG}, here {longest}")
        padded = length
        if padded is None:
            padded = tf.maximum(tf.reduce_max(num_bytes), 1) + self.num_added
        values = tf.cast(tf.io.decode_raw(texts, tf.uint8, fixed_length=padded), tf.int32)
        token_ids = tf.where(values == _MASKED[0], MASK, values + NUM_SPECIAL)
        return self._framed(token_ids, num_bytes, length)

    def encode(self, text):
        """Returns the token ids of one text, as `__call__` does, but checks it first.

        Args:
            text: str, or bytes of UTF-8.

        Returns:
            int32 numpy array (length,).

        Raises:
            ZooError: if the text is empty, too long, or not valid UTF-8.
        """
        return self([self.check(text)])["token_ids"][0].numpy()

    def check(self, text) -> bytes:
        """Returns the UTF-8 bytes of a text that the model can take.

        Raises:
            ZooError: if it is empty, too long, or not valid UTF-8.
        """
        try:
            encoded = text if isinstance(text, bytes) else text.encode()
            encoded.decode()
        except UnicodeError as error:
            position = getattr(error, "start", 0)
            raise ZooError(f"{_INVALID}. Received: an invalid byte at {position}.") from error
        if not encoded:
            raise ZooError(f"{_EMPTY}. Received: ''.")
        num_tokens = self.num_added + len(re.sub(_MASK_PATTERN.encode(), b"", encoded))
        for written in re.findall(_MASK_PATTERN.encode(), encoded):
            num_masked = int(written[6:-1] or 1)
            if num_masked == 0:
                raise ZooError(f"{_NO_BYTES}. Received: {written.decode()}.")
            num_tokens += num_masked
        if num_tokens > self.max_length:
            raise ZooError(f"{_TOO_LONG}, here {self.max_length}. Received: {num_tokens} tokens.")
        return encoded

    def of_bytes(self, values):
        """Returns the token ids of raw bytes, uint8 (n,), with the special tokens around them.

        Returns:
            int32 (n,), or (n + 2,) with special tokens.
        """
        token_ids = tf.cast(values, tf.int32) + NUM_SPECIAL
        return tf.concat([[CLS], token_ids, [SEP]], 0) if self.adds_special_tokens else token_ids

    def decode(self, token_ids):
        """Returns texts from token ids; special tokens are left out.

        Args:
            token_ids: int (..., length).

        Returns:
            string (...,), valid UTF-8: what is not becomes U+FFFD.
        """
        table = tf.constant([b""] * NUM_SPECIAL + [bytes([value]) for value in range(256)])
        texts = tf.strings.reduce_join(tf.gather(table, token_ids), axis=-1)
        return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")

    def _with_masked_bytes(self, texts):
        """Returns checked texts with the byte 255 for each masked byte."""
        texts = tf.convert_to_tensor(texts, tf.string)
        valid = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        texts = _checked(texts, tf.equal(texts, valid), _INVALID)
        texts = _checked(texts, tf.strings.length(texts) > 0, _EMPTY)
        marked = tf.strings.regex_replace(
            texts, f"({_MASK_PATTERN})", _BOUNDARY + rb"\1" + _BOUNDARY
        )
        pieces = tf.strings.split(marked, _BOUNDARY)
        piece = pieces.flat_values
        is_mask = tf.strings.regex_full_match(piece, _MASK_PATTERN)
        counts = tf.strings.regex_replace(piece, r"^\[MASK:?(\d*)\]$", r"0\1")
        counts = tf.strings.to_number(tf.where(is_mask, counts, "1"), tf.int64)
        counts = tf.where(tf.equal(piece, "[MASK]"), tf.ones_like(counts), counts)
        hides = tf.reduce_all(pieces.with_flat_values(counts > 0), axis=-1)
        # One more than fits: a larger number is found too long like any other text.
        counts = tf.minimum(counts, self.max_length + 1)
        run = tf.constant(_MASKED * (self.max_length + 1))
        masked = tf.strings.substr(tf.fill(tf.shape(piece), run), tf.zeros_like(counts), counts)
        pieces = pieces.with_flat_values(tf.where(is_mask, masked, piece))
        return _checked(tf.strings.reduce_join(pieces, axis=-1), hides, _NO_BYTES)

    def _framed(self, token_ids, num_bytes, length):
        """Returns ids and mask with CLS before and SEP behind each text, if such are added."""
        columns = tf.range(tf.shape(token_ids)[1])[None]
        num_tokens = (num_bytes + self.num_added)[:, None]
        if self.adds_special_tokens:
            token_ids = tf.concat([tf.fill([tf.shape(token_ids)[0], 1], CLS), token_ids], 1)
            token_ids = tf.where(columns == num_tokens - 1, SEP, token_ids[:, :-1])
        mask = columns < num_tokens
        token_ids = tf.where(mask, token_ids, PAD)
        shape = (None, length)
        return {
            "token_ids": tf.ensure_shape(token_ids, shape),
            "mask": tf.ensure_shape(mask, shape),
        }


def _checked(texts, holds, message):
    """Returns texts, but ends a graph with an error about the first for which `holds` is False.

    The text itself stays out of the message, where TensorFlow cannot read invalid UTF-8.
    """
    at_fault = tf.where(tf.logical_not(holds))[:1, 0]
    received = [f"{message}. Received: the text at index", at_fault]
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(holds), received)]):
        return tf.identity(texts)
