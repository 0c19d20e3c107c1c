"""The kinds of models that were published, told by the layers of a Keras model."""

from perceiver_tf.checkpoints.errors import CheckpointError

# What transformers calls the class of each kind.
HEADS = {
    "masked_language": "PerceiverForMaskedLM",
    "text_classification": "PerceiverForSequenceClassification",
    "image_learned": "PerceiverForImageClassificationLearned",
    "image_fourier": "PerceiverForImageClassificationFourier",
    "image_conv": "PerceiverForImageClassificationConvProcessing",
    "flow": "PerceiverForOpticalFlow",
    "multimodal": "PerceiverForMultimodalAutoencoding",
}
_OF_ADAPTER = {
    "FourierInputs": "image_fourier",
    "LearnedInputs": "image_learned",
    "ConvStemInputs": "image_conv",
    "FlowInputs": "flow",
    "ClipInputs": "multimodal",
}


def head_of(model):
    """Return which of `HEADS` a model is.

    Args:
        model: functional `keras.Model` of Perceiver IO, as the builders of the zoo make it.

    Raises:
        CheckpointError: if it is none of them.
    """
    layers = {layer.name: type(layer).__name__ for layer in model.layers}
    if {"latents", "cross_attend", "latent_transformer", "decoder"} <= set(layers):
        if "token_embedding" in layers:
            return "text_classification" if "query" in layers else "masked_language"
        if layers.get("inputs") in _OF_ADAPTER:
            return _OF_ADAPTER[layers["inputs"]]
    raise CheckpointError(
        "The model must be one of the published kinds of Perceiver IO "
        f"({', '.join(HEADS)}). Received: {model.name}, with layers {', '.join(layers)}."
    )
