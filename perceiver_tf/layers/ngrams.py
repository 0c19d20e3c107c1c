"""Vectors of the n-grams that end at each token, found by a hash instead of a vocabulary."""

import keras
from keras import ops

# Ids and hashes stay below 2^31, so that every backend's int32 holds their products.
_MODULUS = 1_048_573
_BASE = 1021


@keras.saving.register_keras_serializable("perceiver_tf")
class NgramEmbedding(keras.layers.Layer):
    """Tells each token of a text which tokens come just before it: the sum of one trained vector
    for each n-gram that ends there.

    As the Byte Latent Transformer embeds bytes (arXiv:2412.09871 section 3.2.1): an n-gram has no
    entry in a vocabulary, a rolling polynomial hash gives its row in the table of its size, and
    n-grams that meet in a row share it. So a model of bytes knows words and parts of them, and the
    text needs no tokenizer. N-grams that reach beyond the start of the text, or hold padding, add
    nothing. Deviations: the sum is not divided by the number of sizes, as a layer normalisation
    follows; the tables start at zero, so that what was never seen in training adds nothing; and
    n-grams may be dropped out, each vector by itself.

    Args:
        channels: int, width of a vector.
        sizes: tuple of different ints, at least 1: the lengths of the n-grams.
        num_buckets: int, rows of each size's table.
        dropout: float in [0, 1), rate at which a training step leaves out an n-gram's vector.

    Call arguments:
        inputs: dict of `token_ids` int `(b, length)`, from 0 to 2^30, and `mask` bool
            `(b, length)`, False for padding.
        training: bool.

    Returns:
        `(b, length, channels)` in the compute dtype.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> layer = NgramEmbedding(channels=64, sizes=(3, 4, 5), num_buckets=4096)
    >>> layer({"token_ids": token_ids, "mask": mask}).shape  # token_ids (2, 100)
    (2, 100, 64)
    """

    def __init__(self, channels, sizes, num_buckets, dropout=0.0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        sizes = tuple(sizes)
        if not sizes or min(sizes) < 1 or len(set(sizes)) != len(sizes):
            raise ValueError(
                f"`sizes` must be different integers of at least 1. Received: sizes={sizes}."
            )
        if not 1 <= num_buckets <= _MODULUS:
            raise ValueError(
                f"`num_buckets` must be from 1 to {_MODULUS}. Received: num_buckets={num_buckets}."
            )
        self.channels = channels
        self.sizes = sizes
        self.num_buckets = num_buckets
        self.dropout = dropout

    def build(self, inputs_shape):
        self.embeddings = self.add_weight(
            shape=(len(self.sizes) * self.num_buckets, self.channels),
            initializer="zeros",
            name="embeddings",
        )
        self.ngrams_dropout = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def call(self, inputs, training=False):
        rows, is_ngram = self._rows(inputs["token_ids"], inputs["mask"])
        table = ops.cast(self.embeddings, self.compute_dtype)
        # One draw for all channels of an n-gram.
        present = self.ngrams_dropout(ops.cast(is_ngram, self.compute_dtype), training=training)
        return ops.sum(ops.take(table, rows, axis=0) * present[..., None], axis=2)

    def _rows(self, token_ids, mask):
        """Returns the table's row of the n-gram of each size that ends at each token, int32
        `(b, length, sizes)`, and whether there is one, bool."""
        token_ids, mask = ops.cast(token_ids, "int32"), ops.cast(mask, "bool")
        hashes, is_ngram = ops.zeros_like(token_ids), ops.ones_like(mask)
        rows, present = [], []
        for size in range(1, max(self.sizes) + 1):
            # From the last token backwards: a longer n-gram goes on where a shorter one ends.
            hashes = (hashes * _BASE + _earlier(token_ids, size - 1)) % _MODULUS
            is_ngram = ops.logical_and(is_ngram, _earlier(mask, size - 1))
            if size in self.sizes:
                first = self.sizes.index(size) * self.num_buckets
                rows.append(first + hashes % self.num_buckets)
                present.append(is_ngram)
        return ops.stack(rows, axis=-1), ops.stack(present, axis=-1)

    def compute_output_spec(self, inputs, training=False):
        shape = (*inputs["token_ids"].shape, self.channels)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)


def _earlier(rows, distance):
    """Returns `(b, length)` with each entry's neighbour `distance` before it; 0 or False beyond
    the start."""
    length = ops.shape(rows)[1]
    return ops.pad(rows, ((0, 0), (distance, 0)))[:, :length]
