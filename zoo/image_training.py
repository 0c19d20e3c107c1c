"""What an image classifier is trained and measured by."""

import keras

from zoo.optimizers import build_loss


def compiled(config, recipe):
    """Returns loss and metrics: cross-entropy against one-hot or mixed labels, and accuracy."""
    return {
        "loss": build_loss(recipe),
        "metrics": [keras.metrics.CategoricalAccuracy(name="accuracy")],
    }
