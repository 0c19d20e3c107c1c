"""What the served forms of all classifiers and taggers share: class names and scores."""

import tensorflow as tf

from zoo.predictions.labels import checked_class_names, with_best_label


class ServedScores:
    """Turns what a model reads into scores of the classes; exported graph and prediction run it.

    Args:
        model: functional `keras.Model` to logits (b, k).
        preprocess: what makes the model's inputs of raw ones, the same object as in training.
        class_names: the k labels in the order of the logits, or None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """

    verb = "classify"

    def __init__(self, model, preprocess, class_names=None):
        self.model = model
        self.preprocess = preprocess
        self.class_names = checked_class_names(class_names, model.output_shape[-1])

    def names(self):
        """Returns `class_names`, string (k,), in the order of the scores."""
        return {"class_names": tf.constant(self.class_names)}

    def activation(self, logits):
        """Returns the scores of float32 logits (b, k)."""
        return tf.nn.softmax(logits)

    def _names_endpoint(self):
        """Returns the endpoint of the class names, none if they are not known."""
        return {} if self.class_names is None else {"class_names": (self.names, [])}

    def _scores(self, inputs):
        """Returns what is served of inputs of the model."""
        logits = tf.cast(self.model(inputs, training=False), tf.float32)
        return with_best_label({"scores": self.activation(logits)}, self.class_names)


class ServedTags:
    """Beside a `ServedScores`: any number of labels at once, so the sigmoid of each logit."""

    verb = "tag"

    def activation(self, logits):
        return tf.nn.sigmoid(logits)
