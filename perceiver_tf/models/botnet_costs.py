"""What a BoTNet costs, from its configuration alone: weights, multiply-adds and memory.

Nothing is built and Keras is not loaded. As in `models.costs`, one multiply-add is one
multiplication and one addition of a product. For memory see `models.parts`.
"""

from perceiver_tf.models.configs import BoTNetConfig
from perceiver_tf.models.memory import MASK
from perceiver_tf.models.parts import Part, convolution, halved, places

_STEMS = {"imagenet": (7, 4), "small_images": (3, 1)}  # kernel, and what a side is divided by


def botnet_parts(
    config: BoTNetConfig, grid_shape: tuple[int, int, int], num_outputs: int
) -> list[Part]:
    """Returns the parts of a model in their order.

    Args:
        config: `BoTNetConfig`.
        grid_shape: (height, width, channels) of what the stem reads.
        num_outputs: int, width of the logits.
    """
    stem, grid = _stem(config, grid_shape)
    parts, channels = [stem], config.stem_channels
    for block in config.blocks:
        parts.append(_block(config, block, grid, channels))
        grid, channels = halved(grid, block.strides), block.channels
    head = channels * (1 + bool(config.dropout) * (1 + MASK)) + 2 * num_outputs
    weights = (channels + 1) * num_outputs
    return [*parts, Part(weights, channels * num_outputs, int(head), int(head), int(head))]


def _stem(config, grid_shape):
    *grid, channels = grid_shape
    kernel_size, divisor = _STEMS[config.stem]
    grid = halved(grid, min(divisor, 2))
    weights, multiply_adds = convolution(grid, channels, config.stem_channels, kernel_size)
    size = places(grid) * config.stem_channels
    kept = 2 * size
    if divisor > 2:
        grid = halved(grid, 2)
        kept += places(grid) * config.stem_channels
    return Part(weights, multiply_adds, size, kept, 2 * size), grid


def _block(config, block, grid, channels):
    """Returns the part of a residual block that reads `(*grid, channels)`."""
    after, middle = halved(grid, block.strides), block.bottleneck_channels
    layers = [convolution(grid, channels, middle, 1), _middle(config, block, grid, after)]
    layers.append(convolution(after, middle, block.channels, 1))
    if block.has_projection:
        layers.append(convolution(after, channels, block.channels, 1))
    read, result = places(grid) * channels, places(after) * block.channels
    first, last = places(grid) * middle, places(after) * middle
    scores = config.num_heads * places(grid) ** 2 if block.attends else 0
    shortcut = result if block.has_projection else read
    moments = [read + block.has_projection * result + first, shortcut + last + result]
    attention = 0
    if block.attends:
        moments.append(shortcut + 3 * first + scores)
        attention = 3 * first + scores * (1 + (1 + MASK) * bool(config.attention_dropout))
    else:
        moments.append(shortcut + first + last)
    kept = 2 * first + attention + 2 * last + (2 + block.has_projection) * result
    # Of weights that are dropped out, those as read are freed before the softmax goes backward.
    scores_at_work = scores if config.attention_dropout else 2 * scores
    backward = max((2 + block.has_projection) * result, result + scores_at_work, 2 * read)
    return Part(
        num_weights=sum(weights for weights, _ in layers),
        multiply_adds=sum(multiply_adds for _, multiply_adds in layers),
        forward=max(moments),
        kept=int(kept),
        backward=backward,
    )


def _middle(config, block, grid, after):
    """Returns weights and multiply-adds of the middle: a 3 x 3 convolution or the attention."""
    channels = block.bottleneck_channels
    if not block.attends:
        return convolution(after, channels, channels, 3)
    height, width = grid
    positions = (2 * height - 1 + 2 * width - 1) * channels // config.num_heads
    weights = 3 * channels**2 + positions + 2 * channels
    of_a_place = 3 * channels + height + width + 2 * places(grid)
    return weights, places(grid) * channels * of_a_place
