"""What is served of a model of text: UTF-8 text in, with the tokenizer inside of the graph."""

import tensorflow as tf

from zoo.errors import ZooError
from zoo.predictions.served_scores import ServedScores
from zoo.text.bytes_tokenizer import MASK, NUM_SPECIAL

_NO_MASK = "A text to fill in must contain [MASK], or [MASK:n] for n bytes"


class ServedLanguageModel:
    """The functions that are served of a masked language model.

    Args:
        model: functional `keras.Model` from `token_ids` and `mask` to logits (b, length, 262).
        preprocess: `zoo.text.bytes_tokenizer.BytesTokenizer`.
        class_names: must be None.

    Raises:
        ZooError: if there is no tokenizer, because the model's vocabulary was not released.
    """

    def __init__(self, model, preprocess, class_names=None):
        _require_tokenizer(preprocess)
        self.model = model
        self.preprocess = preprocess

    def endpoints(self):
        """Returns the functions that are served, by signature, with what they take."""
        text = [tf.TensorSpec((None,), tf.string, name="text")]
        return {"serving_default": (self.logits, text), "fill_in": (self.fill_in, text)}

    def logits(self, text):
        """Scores every byte at every position of a batch of texts.

        Args:
            text: string (b,), UTF-8; `[MASK]` is one hidden byte, `[MASK:n]` are n.

        Returns:
            `logits`, float32 (b, length, 262) for the length of the longest text; `token_ids`,
            int32 (b, length), of the texts as they were read; `mask`, bool (b, length), False
            behind the end of a text.
        """
        inputs = self.preprocess(text)
        return {"logits": self.model(inputs, training=False), **inputs}

    def fill_in(self, text):
        """Fills in the hidden bytes of a batch of texts, each by its most likely byte.

        Args:
            text: string (b,), UTF-8, each with at least one `[MASK]` or `[MASK:n]`.

        Returns:
            `text`, string (b,), filled in; `token_ids`, int32 (b, length), of these texts;
            `filled`, bool (b, length), True at what was filled in; `scores`, float32 (b, length),
            the probability, 0-1, of the byte that was chosen there, 0 elsewhere.
        """
        outputs = self.logits(text)
        token_ids = outputs["token_ids"]
        filled = token_ids == MASK
        has_mask = tf.reduce_all(tf.reduce_any(filled, axis=-1))
        with tf.control_dependencies([tf.debugging.Assert(has_mask, [_NO_MASK])]):
            # Special tokens are never in a text, so they are no candidates.
            scores = tf.nn.softmax(outputs["logits"])[..., NUM_SPECIAL:]
        best = tf.argmax(scores, axis=-1, output_type=tf.int32) + NUM_SPECIAL
        token_ids = tf.where(filled, best, token_ids)
        return {
            "text": self.preprocess.decode(token_ids),
            "token_ids": token_ids,
            "filled": filled,
            "scores": tf.where(filled, tf.reduce_max(scores, axis=-1), 0.0),
        }


class ServedTextClassifier(ServedScores):
    """The functions that are served of a classifier of texts.

    Args:
        model: functional `keras.Model` from `token_ids` and `mask` to logits (b, k).
        preprocess: `zoo.text.bytes_tokenizer.BytesTokenizer`.
        class_names: the k labels in the order of the logits, or None.

    Raises:
        ZooError: if there is no tokenizer, because the model's vocabulary was not released.
        ValueError: if the number of names is not the number of logits.
    """

    def __init__(self, model, preprocess, class_names=None):
        _require_tokenizer(preprocess)
        super().__init__(model, preprocess, class_names)

    def endpoints(self):
        """Returns the functions that are served, by signature, with what they take."""
        text = [tf.TensorSpec((None,), tf.string, name="text")]
        return {
            "serving_default": (self.classify_text, text),
            "classify_text": (self.classify_text, text),
        } | self._names_endpoint()

    def classify_text(self, text):
        """Scores a batch of texts.

        Args:
            text: string (b,), UTF-8.

        Returns:
            `scores`, float32 (b, k), softmax over the classes; and `label`, string (b,), the
            name of the best class, if the names are known.
        """
        return self._scores(self.preprocess(text))


def _require_tokenizer(preprocess):
    if preprocess is None:
        raise ZooError(
            "A model must have a vocabulary to be served; the SentencePiece one was not released. "
            "Received: a model that takes token ids only."
        )
