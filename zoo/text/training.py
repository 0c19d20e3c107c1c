"""What masked language models are trained and measured by."""

from zoo.text.losses import BitsPerByte, MaskedBytesAccuracy, MaskedBytesCrossentropy


def compile_masked_language(config, recipe):
    """Returns loss and metrics of hidden tokens: cross-entropy, bits per byte and accuracy."""
    return {
        "loss": MaskedBytesCrossentropy(recipe.label_smoothing),
        "weighted_metrics": [BitsPerByte(), MaskedBytesAccuracy()],
    }
