"""From the configuration of an image classifier to its model."""

import keras

from perceiver_tf.layers.assembled_rows import AssembledRows
from perceiver_tf.layers.image_views import ImageViews, MeanOfViews
from perceiver_tf.layers.inputs import ConvStemInputs, FourierInputs, LearnedInputs
from perceiver_tf.layers.latents import LatentArray
from perceiver_tf.models.configs import PerceiverIOConfig
from perceiver_tf.models.perceiver import perceiver
from perceiver_tf.models.perceiver_io import perceiver_io
from zoo.numerics import architecture_of


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
    views = ImageViews(config.mirrored_views, config.shifted_views, name="views")
    if views.num_views == 1:
        return _classifier(images, config, name)
    model = _classifier(images, config, name, views)
    mean = MeanOfViews(views.num_views, name="mean_of_views", dtype="float32")
    return keras.Model(images, mean(model.output), name=name)


def _classifier(images, config, name, views=None):
    adapter, architecture = image_adapter(config), architecture_of(config)
    if not isinstance(architecture, PerceiverIOConfig):
        return perceiver(images, adapter, config.num_classes, architecture, name, views=views)
    query = LatentArray(1, architecture.latent_channels, name="query")
    decoder = perceiver_io(images, adapter, query, config.num_classes, architecture, views=views)
    logits = keras.layers.Reshape((config.num_classes,), name="logits", dtype="float32")
    return keras.Model(images, logits(decoder.output), name=name)


def image_adapter(config):
    """Return what turns the images of an `ImageClassifierConfig` to a byte array: a layer, or
    where pixels or rows are permuted a function of layers."""
    adapter = _plain_adapter(config)
    if config.permutation == "none":
        return adapter
    permuted = AssembledRows(config.permutation_seed, name="permuted")
    if config.permutation == "rows":
        return lambda images: permuted(adapter(images))
    grid = keras.layers.Reshape(config.image_shape, name="permuted_images")
    return lambda images: adapter(grid(permuted(images)))


def _plain_adapter(config):
    if config.positions == "learned":
        return LearnedInputs(name="inputs")
    if config.positions == "fourier":
        return FourierInputs(config.num_frequency_bands, config.resolution, name="inputs")
    padding = "symmetric" if config.numerics == "huggingface" else "same"
    return ConvStemInputs(
        config.num_frequency_bands, config.resolution, padding=padding, name="inputs"
    )
