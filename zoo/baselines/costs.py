"""What the networks that Perceivers are compared with cost, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

import math

from perceiver_tf.models.botnet_costs import botnet_parts
from perceiver_tf.models.configs import BoTNetConfig
from perceiver_tf.models.memory import GELU_KEPT, MASK
from perceiver_tf.models.parts import Part, convolution, halved, places
from zoo.baselines.configs import BaselineConfig, ResNetConfig


def grid_of(config: BaselineConfig) -> tuple[int, int, int]:
    """Returns (height, width, channels) of what a baseline reads, positions included."""
    height, width, channels = config.image_shape
    if config.num_frequency_bands:
        channels += 2 * (2 * config.num_frequency_bands + 1)
    return height, width, channels


def baseline_parts(config: BaselineConfig) -> list[Part]:
    """Returns the parts of a baseline in their order."""
    if isinstance(config.architecture, BoTNetConfig):
        return botnet_parts(config.architecture, grid_of(config), config.num_classes)
    if isinstance(config.architecture, ResNetConfig):
        return _resnet(config)
    return _vit(config)


def _resnet(config):
    *grid, inputs = grid_of(config)
    channels = config.architecture.stage_channels[0]
    weights, multiply_adds = convolution(grid, inputs, channels, 3)
    size = places(grid) * channels
    parts = [Part(weights, multiply_adds, size, 2 * size, 2 * size)]
    for stage, after in enumerate(config.architecture.stage_channels):
        for block in range(config.architecture.num_blocks_per_stage):
            strides = 2 if stage and not block else 1
            parts.append(_residual_block(grid, channels, after, strides))
            grid, channels = halved(grid, strides), after
    return [*parts, _head(channels, config.num_classes)]


def _residual_block(grid, channels, after_channels, strides):
    """Returns the part of two convolutions that reads `(*grid, channels)`."""
    after = halved(grid, strides)
    layers = [convolution(after, channels, after_channels, 3)]
    layers.append(convolution(after, after_channels, after_channels, 3))
    has_projection = strides > 1 or channels != after_channels
    if has_projection:
        layers.append(convolution(after, channels, after_channels, 1))
    read, result = places(grid) * channels, places(after) * after_channels
    shortcut = result if has_projection else read
    return Part(
        num_weights=sum(weights for weights, _ in layers),
        multiply_adds=sum(multiply_adds for _, multiply_adds in layers),
        forward=max(read + has_projection * result + result, shortcut + 2 * result),
        kept=(4 + has_projection) * result,
        backward=max((2 + has_projection) * result, 2 * read),
    )


def _vit(config):
    architecture, num_tokens = config.architecture, config.num_patches
    channels = architecture.channels
    tokens = num_tokens * channels
    patch = architecture.patch_size**2 * grid_of(config)[-1]
    patches = Part(
        num_weights=(patch + 1 + num_tokens) * channels,
        multiply_adds=tokens * patch,
        forward=2 * tokens,
        kept=0,
        backward=tokens,
    )
    layer = [_attention(architecture, num_tokens), _mlp(architecture, num_tokens)]
    norm = Part(2 * channels, 0, 2 * tokens, 2 * tokens, 2 * tokens)
    head = _head(channels, config.num_classes)
    return [patches, *architecture.num_layers * layer, norm, head]


def _attention(architecture, num_tokens):
    """Returns the first half of a layer: normalisation, attention and residual."""
    channels, scores = architecture.channels, architecture.num_heads * num_tokens**2
    tokens = num_tokens * channels
    # Kept: normalised tokens in two forms, queries, keys, values and the weighted sums.
    kept = tokens * (6 + MASK * bool(architecture.dropout)) + scores
    return Part(
        num_weights=4 * (channels + 1) * channels + 2 * channels,
        multiply_adds=4 * tokens * channels + 2 * num_tokens * tokens,
        forward=4 * tokens + 2 * scores,  # Keras's attention copies the scores, measured
        kept=math.ceil(kept),
        backward=tokens + 2 * scores,
    )


def _mlp(architecture, num_tokens):
    """Returns the second half of a layer: normalisation, MLP and residual."""
    channels = architecture.channels
    hidden = channels * architecture.widening_factor
    norm = channels * (2 + MASK * bool(architecture.dropout))
    return Part(
        num_weights=(channels + 1) * hidden + (hidden + 1) * channels + 2 * channels,
        multiply_adds=2 * num_tokens * channels * hidden,
        forward=num_tokens * (2 * channels + hidden),
        kept=math.ceil(num_tokens * (norm + GELU_KEPT["erf"] * hidden)),
        backward=num_tokens * (channels + 2 * hidden),
    )


def _head(channels, num_classes):
    size = channels + 2 * num_classes
    return Part((channels + 1) * num_classes, channels * num_classes, size, size, size)
