"""Costs of networks that are parts one after the other, such as residual networks.

As in `models.memory`, what must be held at the same time is added up in float32 numbers, of a
part's many moments only the largest few, and elementwise operations write over what they read. In
a forward pass a convolution and its normalisation are one operation.
"""

from dataclasses import dataclass

from perceiver_tf.models.memory import FLOAT_BYTES, Memory


@dataclass(frozen=True)
class Part:
    """Layers that follow one another; numbers are for one example.

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


def parts_memory(
    parts: list[Part],
    held: int,
    batch_size: int,
    *,
    has_momentum: bool,
) -> Memory:
    """Returns the memory of a batch.

    Unlike those of a Perceiver, gradients of the weights are held until the backward pass has
    ended: measured without clipping, too.

    Args:
        parts: in their order.
        held: int, numbers of the inputs of one example.
        batch_size: int.
        has_momentum: bool, whether the optimiser is gradient descent with momentum: Keras first
            makes the part of each update that needs no gradient, so these wait, too.
    """
    num_weights = sum(part.num_weights for part in parts)
    waiting = kept = held + sum(part.kept for part in parts)
    made = num_weights * has_momentum
    peak = 0
    for part in reversed(parts):
        made += part.num_weights
        peak = max(peak, batch_size * (waiting + part.backward) + made)
        waiting -= part.kept
    peak = max(peak, batch_size * waiting + made)
    return Memory(
        forward=FLOAT_BYTES * batch_size * (held + max(part.forward for part in parts)),
        kept=FLOAT_BYTES * batch_size * kept,
        gradients=FLOAT_BYTES * num_weights,
        training=FLOAT_BYTES * peak,
    )


def convolution(after, channels, output_channels, kernel_size):
    """Returns weights and multiply-adds of a convolution and its normalisation.

    Args:
        after: (height, width) of its result.
    """
    kernel = kernel_size**2 * channels * output_channels
    return kernel + 2 * output_channels, places(after) * kernel


def halved(grid, strides):
    """Returns the sizes of a grid of which only every so-many-th place is left."""
    return tuple(-(-size // strides) for size in grid)


def places(grid):
    """Returns how many places a grid of two axes has."""
    return grid[0] * grid[1]
