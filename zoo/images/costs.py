"""What models of images have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

import math

from perceiver_tf.layers.reading import Rows
from perceiver_tf.models.configs import PerceiverIOConfig
from zoo.surroundings import Surroundings

_LEARNED_CHANNELS = 256  # of content and of positions, before and after their projections
_STEM_CHANNELS, _STEM_KERNEL = 64, 7


def around_images(config, batch_size) -> Surroundings:
    """Returns the adapter of images and the classifier's head."""
    architecture, pixels = config.architecture, math.prod(config.image_shape)
    is_decoded = isinstance(architecture, PerceiverIOConfig)
    channels = architecture.latent_channels
    adapter_weights, stem = _adapter_weights(config), 0
    if config.positions == "conv":
        stem = _stem_elements(config)
    return Surroundings(
        rows=_image_rows(config),
        queries=(1, None),
        multiply_adds=_adapter_multiply_adds(config, batch_size) + channels * config.num_classes,
        num_weights=(architecture.num_latents + is_decoded) * channels
        + (channels + 1) * config.num_classes
        + adapter_weights,
        held=pixels,
        forward=max(2 * stem, _rows_with_learned_positions(config)),
        kept=pixels + 3 * stem,
        rows_have_gradients=config.positions != "fourier",
    )


def _image_rows(config):
    rows = _rows_of_grid(config)
    if config.permutation == "rows":  # no grid any more, see `AssembledRows`
        return Rows((math.prod(config.grid_shape),), rows.channels)
    return rows


def _rows_of_grid(config):
    content_channels = config.image_shape[-1]
    if config.positions == "learned":
        channels = {"content_channels": _LEARNED_CHANNELS, "position_channels": _LEARNED_CHANNELS}
        return Rows(config.grid_shape, **channels)
    if config.positions == "conv":
        content_channels = _STEM_CHANNELS
    return Rows(config.grid_shape, content_channels, (2 * config.num_frequency_bands + 1,) * 2)


def _rows_with_learned_positions(config):
    """Returns what is held when these are put together: content, positions, and rows of both."""
    learned = config.positions == "learned"
    return learned * 4 * math.prod(config.grid_shape) * _LEARNED_CHANNELS


def _adapter_multiply_adds(config, batch_size):
    """Returns the adapter's share for one example; positions are projected once for a batch."""
    height, width, channels = config.image_shape
    if config.positions == "learned":
        positions = -(-_LEARNED_CHANNELS // batch_size)
        return height * width * _LEARNED_CHANNELS * (channels + positions)
    if config.positions == "conv":
        return _stem_elements(config) * _STEM_KERNEL**2 * channels
    return 0


def _stem_elements(config):
    """Returns the size of the stem's convolution, before its pooling."""
    height, width, _ = config.image_shape
    return -(-height // 2) * -(-width // 2) * _STEM_CHANNELS


def _adapter_weights(config):
    """Returns the number of trained weights of the adapter; a normalisation has two per channel."""
    content_channels, num_rows = config.image_shape[-1], math.prod(config.grid_shape)
    if config.positions == "learned":
        projections = content_channels + 1 + _LEARNED_CHANNELS + 1
        return _LEARNED_CHANNELS * (num_rows + projections)
    if config.positions == "conv":
        return _STEM_CHANNELS * (_STEM_KERNEL**2 * content_channels + 2)
    return 0
