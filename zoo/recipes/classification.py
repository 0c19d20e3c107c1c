"""What classifiers and taggers of any kind of data are trained and measured by."""

import keras

from zoo.recipes.mean_average_precision import MeanAveragePrecision
from zoo.recipes.optimizers import build_loss


def compile_classifier(config, recipe):
    """Returns loss and metrics: cross-entropy against one-hot or mixed labels, and accuracy."""
    return {
        "loss": build_loss(recipe),
        "metrics": [keras.metrics.CategoricalAccuracy(name="accuracy")],
    }


def compile_tagger(config, recipe):
    """Returns loss and metrics: sigmoid cross-entropy of each label, mean average precision."""
    return {
        "loss": keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        "metrics": [MeanAveragePrecision(config.num_classes)],
    }
