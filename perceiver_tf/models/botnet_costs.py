"""What a BoTNet costs, from its configuration alone: weights, multiply-adds and memory.

Nothing is built and Keras is not loaded. As in `models.costs`, one multiply-add is one
multiplication and one addition of a product; as in `models.memory`, what must be held at the same
time is added up in float32 numbers, of a block's many moments only the largest few, and
elementwise operations write over what they read. In a forward pass a convolution and its
normalisation are one operation.
"""

from dataclasses import dataclass

from perceiver_tf.models.configs import BoTNetConfig
from perceiver_tf.models.memory import FLOAT_BYTES, MASK, Memory

_STEMS = {"imagenet": (7, 4), "small_images": (3, 1)}  # kernel, and what a side is divided by


@dataclass(frozen=True)
class BoTNetPart:
    """The stem, a residual block or the head; numbers are for one example.

    Attributes:
        num_weights: int, trained weights.
        multiply_adds: int, of a forward pass.
        forward: int, peak of its forward pass, its input included.
        kept: int, numbers that it keeps for the backward pass, its result included.
        backward: int, peak of its backward pass beside all that was kept.
    """

    num_weights: int
    multiply_adds: int
    forward: int
    kept: int
    backward: int


def botnet_parts(
    config: BoTNetConfig, grid_shape: tuple[int, int, int], num_outputs: int
) -> list[BoTNetPart]:
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
        grid, channels = _halved(grid, block.strides), block.channels
    head = channels * (1 + bool(config.dropout) * (1 + MASK)) + 2 * num_outputs
    weights = (channels + 1) * num_outputs
    return [*parts, BoTNetPart(weights, channels * num_outputs, int(head), int(head), int(head))]


def botnet_memory(
    parts: list[BoTNetPart],
    held: int,
    batch_size: int,
    *,
    has_momentum: bool,
    updates_meet: bool,
) -> Memory:
    """Returns the memory of a batch.

    Unlike those of a Perceiver, gradients of the weights are held until the backward pass has
    ended: measured without clipping, too.

    Args:
        parts: what `botnet_parts` returns.
        held: int, numbers of the inputs of one example.
        batch_size: int.
        has_momentum: bool, whether the optimiser is gradient descent with momentum: Keras first
            makes the part of each update that needs no gradient, so these wait, too.
        updates_meet: bool, as in `models.memory.Training`.
    """
    num_weights = sum(part.num_weights for part in parts)
    waiting = kept = held + sum(part.kept for part in parts)
    made = num_weights * has_momentum
    peak = 0
    for part in reversed(parts):
        made += part.num_weights
        peak = max(peak, batch_size * (waiting + part.backward) + made)
        waiting -= part.kept
    peak = max(peak, batch_size * waiting + made + num_weights * updates_meet)
    return Memory(
        forward=FLOAT_BYTES * batch_size * (held + max(part.forward for part in parts)),
        kept=FLOAT_BYTES * batch_size * kept,
        gradients=FLOAT_BYTES * num_weights,
        training=FLOAT_BYTES * peak,
    )


def _stem(config, grid_shape):
    *grid, channels = grid_shape
    kernel_size, divisor = _STEMS[config.stem]
    grid = _halved(grid, min(divisor, 2))
    weights, multiply_adds = _convolution(grid, channels, config.stem_channels, kernel_size)
    size = _places(grid) * config.stem_channels
    kept = 2 * size
    if divisor > 2:
        grid = _halved(grid, 2)
        kept += _places(grid) * config.stem_channels
    return BoTNetPart(weights, multiply_adds, size, kept, 2 * size), grid


def _block(config, block, grid, channels):
    """Returns the part of a residual block that reads `(*grid, channels)`."""
    after, middle = _halved(grid, block.strides), block.bottleneck_channels
    layers = [_convolution(grid, channels, middle, 1), _middle(config, block, grid, after)]
    layers.append(_convolution(after, middle, block.channels, 1))
    if block.has_projection:
        layers.append(_convolution(after, channels, block.channels, 1))
    read, result = _places(grid) * channels, _places(after) * block.channels
    first, last = _places(grid) * middle, _places(after) * middle
    scores = config.num_heads * _places(grid) ** 2 if block.attends else 0
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
    return BoTNetPart(
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
        return _convolution(after, channels, channels, 3)
    height, width = grid
    positions = (2 * height - 1 + 2 * width - 1) * channels // config.num_heads
    weights = 3 * channels**2 + positions + 2 * channels
    of_a_place = 3 * channels + height + width + 2 * _places(grid)
    return weights, _places(grid) * channels * of_a_place


def _convolution(after, channels, output_channels, kernel_size):
    """Returns weights and multiply-adds of a convolution and its normalisation.

    Args:
        after: (height, width) of its result.
    """
    kernel = kernel_size**2 * channels * output_channels
    return kernel + 2 * output_channels, _places(after) * kernel


def _halved(grid, strides):
    return tuple(-(-size // strides) for size in grid)


def _places(grid):
    return grid[0] * grid[1]
