"""The loss and the metrics of masked language models, and the entropy to compare them with.

All take the token ids of the whole text as targets, logits for every position, and count the
positions by their sample weight: 1 where a token is hidden, 0 elsewhere. Give the metrics to
`keras.Model.compile` as `weighted_metrics`.
"""

import math

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("perceiver_zoo")
class MaskedBytesCrossentropy(keras.losses.Loss):
    """Cross-entropy of the hidden tokens, in nats, averaged over all of a batch.

    Args:
        label_smoothing: float in [0, 1), share of the target that is spread over all tokens.

    Call arguments:
        y_true: int `(b, length)`, token ids.
        y_pred: float `(b, length, vocabulary_size)`, logits.
        sample_weight: float `(b, length)`. A batch without any weight has the loss 0.

    Example:

    >>> loss = MaskedBytesCrossentropy()
    >>> float(loss(np.array([[1, 0]]), np.zeros((1, 2, 4)), sample_weight=np.array([[1.0, 0.0]])))
    1.3862943649291992
    """

    def __init__(
        self,
        label_smoothing=0.0,
        reduction="mean_with_sample_weight",
        name="masked_bytes_crossentropy",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"`label_smoothing` must be in [0, 1). Received: label_smoothing={label_smoothing}."
            )
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        loss = crossentropy(y_true, y_pred)
        if self.label_smoothing:
            uniform = -ops.mean(ops.log_softmax(ops.cast(y_pred, "float32")), axis=-1)
            loss = (1 - self.label_smoothing) * loss + self.label_smoothing * uniform
        return loss

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("perceiver_zoo")
class BitsPerByte(keras.metrics.MeanMetricWrapper):
    """Bits that the model needs for a hidden byte: its cross-entropy divided by ln 2.

    Call arguments: see `MaskedBytesCrossentropy`. A result of 8 is that of equal scores for all
    bytes; what a text's letter frequencies alone reach is `unigram_entropy`.
    """

    def __init__(self, name="bits_per_byte", dtype=None):
        super().__init__(_bits, name=name, dtype=dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable("perceiver_zoo")
class MaskedBytesAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of the hidden tokens that the model scores highest, in [0, 1].

    Call arguments: see `MaskedBytesCrossentropy`.
    """

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(_is_best, name=name, dtype=dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def crossentropy(y_true, y_pred):
    """Returns of each position the cross-entropy in nats, float32 `(b, length)`."""
    logits = ops.cast(y_pred, "float32")
    return ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), logits, from_logits=True)


def unigram_entropy(text):
    """Returns the entropy of a text's bytes, each taken by itself, in bits per byte.

    No model that knows only how frequent each byte is needs fewer.

    Args:
        text: bytes, or uint8 numpy array (n,), not empty.

    Example:

    >>> unigram_entropy(b"abab")
    1.0
    """
    counts = np.bincount(np.frombuffer(bytes(text), np.uint8), minlength=256)
    if not counts.sum():
        raise ValueError("`text` must not be empty. Received: 0 bytes.")
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _bits(y_true, y_pred):
    return crossentropy(y_true, y_pred) / math.log(2)


def _is_best(y_true, y_pred):
    best = ops.argmax(y_pred, axis=-1)
    return ops.cast(ops.equal(best, ops.cast(y_true, best.dtype)), "float32")
