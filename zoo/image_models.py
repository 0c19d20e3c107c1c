"""From the configuration of an image classifier to its model."""

import keras

from perceiver_tf.layers.inputs import ConvStemInputs, FourierInputs, LearnedInputs
from perceiver_tf.layers.latents import LatentArray
from perceiver_tf.models.configs import PerceiverIOConfig
from perceiver_tf.models.perceiver import perceiver
from perceiver_tf.models.perceiver_io import perceiver_io


def image_classifier(config, name="image_classifier"):
    """Return the model of an `ImageClassifierConfig`.

    Args:
        config: `ImageClassifierConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from float32 `images` `(b, height, width, channels)`,
        normalised as the pipeline's `preprocess` does, to float32 logits `(b, num_classes)`.
    """
    images = keras.Input(config.image_shape, name="images")
    adapter = image_adapter(config)
    if not isinstance(config.architecture, PerceiverIOConfig):
        return perceiver(images, adapter, config.num_classes, config.architecture, name)
    query = LatentArray(1, config.architecture.latent_channels, name="query")
    decoder = perceiver_io(images, adapter, query, config.num_classes, config.architecture)
    logits = keras.layers.Reshape((config.num_classes,), name="logits", dtype="float32")
    return keras.Model(images, logits(decoder.output), name=name)


def image_adapter(config):
    """Return the layer that turns the images of an `ImageClassifierConfig` to a byte array."""
    max_resolution = config.max_resolution or config.grid_shape
    if config.positions == "learned":
        return LearnedInputs(name="inputs")
    if config.positions == "conv":
        return ConvStemInputs(config.num_frequency_bands, max_resolution, name="inputs")
    return FourierInputs(config.num_frequency_bands, max_resolution, name="inputs")
