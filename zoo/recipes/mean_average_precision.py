"""The metric of taggers: the mean over classes of the average precision."""

import keras
from keras import ops

# Logits beyond are told apart no more; in between they are in steps of 0.01.
LARGEST_LOGIT = 20.0
NUM_STEPS = 4000


@keras.saving.register_keras_serializable("perceiver_zoo")
class MeanAveragePrecision(keras.metrics.Metric):
    """The mean over classes of the average precision, as AudioSet is measured.

    The average precision of a class is the sum over thresholds of the precision times the rise of
    the recall. The examples are counted by their logits in steps of 0.01 from -20 to 20; those in
    one step share their threshold. A class without positive examples does not count.

    Args:
        num_classes: int.
        name, dtype: see `keras.metrics.Metric`.

    Call arguments:
        y_true: float `(b, num_classes)`, 1 for the labels of an example and 0 for others.
        y_pred: float `(b, num_classes)`, logits.
        sample_weight: optional float `(b,)`.
    """

    def __init__(self, num_classes, name="mean_average_precision", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        shape = (num_classes, NUM_STEPS + 1)
        self.positives = self.add_variable(shape, initializer="zeros", name="positives")
        self.examples = self.add_variable(shape, initializer="zeros", name="examples")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = (ops.cast(y, "float32") for y in (y_true, y_pred))
        share = (ops.clip(y_pred, -LARGEST_LOGIT, LARGEST_LOGIT) / LARGEST_LOGIT + 1.0) / 2.0
        steps = ops.cast(ops.round(share * NUM_STEPS), "int32")
        places = steps + ops.arange(self.num_classes, dtype="int32") * (NUM_STEPS + 1)
        weights = ops.ones_like(y_true)
        if sample_weight is not None:
            weights = weights * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
        for counts, values in ((self.positives, weights * y_true), (self.examples, weights)):
            added = ops.segment_sum(
                ops.reshape(values, (-1,)),
                ops.reshape(places, (-1,)),
                num_segments=self.num_classes * (NUM_STEPS + 1),
            )
            counts.assign_add(ops.reshape(added, counts.shape))

    def result(self):
        # From the highest logit down.
        positives = ops.flip(ops.convert_to_tensor(self.positives), axis=1)
        found = ops.cumsum(positives, axis=1)
        examples = ops.cumsum(ops.flip(ops.convert_to_tensor(self.examples), axis=1), axis=1)
        precision = found / ops.maximum(examples, 1e-9)
        number = found[:, -1]
        average = ops.sum(positives * precision, axis=1) / ops.maximum(number, 1e-9)
        counts = ops.cast(number > 0, "float32")
        return ops.sum(average * counts) / ops.maximum(ops.sum(counts), 1.0)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
