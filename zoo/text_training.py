"""What models of text are trained and measured by."""

import keras

from zoo.optimizers import build_loss
from zoo.text_losses import BitsPerByte, MaskedBytesAccuracy, MaskedBytesCrossentropy


def compile_masked_language(config, recipe):
    """Returns loss and metrics of hidden tokens: cross-entropy, bits per byte and accuracy."""
    return {
        "loss": MaskedBytesCrossentropy(recipe.label_smoothing),
        "weighted_metrics": [BitsPerByte(), MaskedBytesAccuracy()],
    }


def compile_text_classifier(config, recipe):
    """Returns loss and metrics: cross-entropy against one-hot labels, and accuracy."""
    return {
        "loss": build_loss(recipe),
        "metrics": [keras.metrics.CategoricalAccuracy(name="accuracy")],
    }
