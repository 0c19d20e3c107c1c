"""Patches of a grid as channels, and back (arXiv:2107.14795 section 4.3)."""

import itertools
import math

import keras
from keras import ops


def space_to_depth(inputs, patch_shape):
    """Return a grid of patches: each patch's content becomes the channels of one point.

    Args:
        inputs: `(b, size_1, ..., size_d, channels)`, static sizes that the patch's divide.
        patch_shape: tuple of d ints.

    Returns:
        `(b, size_1 / p_1, ..., size_d / p_d, p_1 * ... * p_d * channels)`, inside a patch in the
        order of the grid, the channels last.

    Raises:
        ValueError: if the grid has another number of axes or cannot be cut.
    """
    *sizes, channels = inputs.shape[1:]
    counts = patch_counts(sizes, patch_shape)
    rank = len(sizes)
    split = ops.reshape(
        inputs, (-1, *itertools.chain(*zip(counts, patch_shape, strict=True))) + (channels,)
    )
    order = (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1)
    return ops.reshape(
        ops.transpose(split, order), (-1, *counts, math.prod(patch_shape) * channels)
    )


def depth_to_space(inputs, patch_shape):
    """Return the grid that `space_to_depth` made patches of.

    Args:
        inputs: `(b, count_1, ..., count_d, p_1 * ... * p_d * channels)`, static counts.
        patch_shape: tuple of d ints.

    Returns:
        `(b, count_1 * p_1, ..., count_d * p_d, channels)`.
    """
    *counts, depth = inputs.shape[1:]
    rank, channels = len(counts), depth // math.prod(patch_shape)
    split = ops.reshape(inputs, (-1, *counts, *patch_shape, channels))
    pairs = itertools.chain(*zip(range(1, rank + 1), range(rank + 1, 2 * rank + 1), strict=True))
    sizes = [count * p for count, p in zip(counts, patch_shape, strict=True)]
    return ops.reshape(ops.transpose(split, (0, *pairs, 2 * rank + 1)), (-1, *sizes, channels))


def patch_counts(sizes, patch_shape):
    """Return how many patches lie along each axis of a grid of these sizes.

    Raises:
        ValueError: if there is another number of axes, or a size that the patch's does not divide.
    """
    if len(sizes) != len(patch_shape) or any(
        size is None or size % p for size, p in zip(sizes, patch_shape, strict=True)
    ):
        raise ValueError(
            "The sizes of the grid must be multiples of the patch's, axis by axis. "
            f"Received: a grid of {tuple(sizes)}, patches of {tuple(patch_shape)}."
        )
    return tuple(size // p for size, p in zip(sizes, patch_shape, strict=True))


@keras.saving.register_keras_serializable("perceiver_tf")
class SpaceToDepth(keras.layers.Layer):
    """Cuts a grid into patches, each of which becomes one row with its content as channels.

    So 16 frames of 224 x 224 pixels of 3 channels become 16 x 56 x 56 rows of 48 by patches of
    (1, 4, 4), and 30,720 samples of sound 1,920 rows of 16 by patches of (16,).

    Args:
        patch_shape: tuple of ints, one per axis of the grid.

    Call arguments:
        inputs: `(b, size_1, ..., size_d, channels)`, multiples of the patch's sizes.

    Returns:
        see `space_to_depth`.

    Raises:
        ValueError: if the grid has another number of axes or cannot be cut.
    """

    def __init__(self, patch_shape, **kwargs):
        super().__init__(**kwargs)
        self.patch_shape = tuple(patch_shape)

    def call(self, inputs):
        return space_to_depth(inputs, self.patch_shape)

    def compute_output_spec(self, inputs):
        *sizes, channels = inputs.shape[1:]
        counts = patch_counts(sizes, self.patch_shape)
        shape = (inputs.shape[0], *counts, math.prod(self.patch_shape) * channels)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)
