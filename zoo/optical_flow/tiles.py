"""Optical flow of frames of any size from a model of one size: overlapping tiles, blended."""

import tensorflow as tf

from zoo.optical_flow.preprocess import repeat_border


def tile_starts(size, tile, min_overlap):
    """Returns where tiles begin that cover one side of a frame.

    Tiles follow one another at a distance of `tile - min_overlap`; the last one ends with the
    frame, as in DeepMind's code.

    Args:
        size: scalar int32 tensor, at least `tile`.
        tile: int, pixels of a tile.
        min_overlap: int below `tile`.

    Returns:
        int32 (number of tiles,).
    """
    stride = tile - min_overlap
    num_tiles = 1 - (tile - size) // stride  # rounded up
    return tf.minimum(tf.range(num_tiles) * stride, size - tile)


def tile_weights(height, width):
    """Returns how much each pixel of a tile counts: its distance to the nearest border.

    Returns:
        float32 (height, width, 1), 1 at the border.
    """
    rows, columns = (
        tf.minimum(tf.range(size) + 1, size - tf.range(size)) for size in (height, width)
    )
    return tf.cast(tf.minimum(rows[:, None], columns), tf.float32)[..., None]


def tiled_flow(model, frames, tile_shape, min_overlap):
    """Returns the flow of frames of any size.

    Where tiles overlap, their flows are averaged by `tile_weights`. Frames smaller than a tile are
    filled up by repeating their last row and column, and the flow is cut.

    Args:
        model: callable from float32 `(b, 2, tile height, tile width, 3)` to float32 `(b, tile
            height, tile width, 2)`.
        frames: float32 (b, 2, height, width, 3).
        tile_shape: (tile height, tile width), ints.
        min_overlap: int, pixels that neighbouring tiles have in common at least.

    Returns:
        float32 (b, height, width, 2).
    """
    batch_size, _, height, width, channels = tf.unstack(tf.shape(frames))
    sides = tf.maximum([height, width], tile_shape)
    flat = tf.reshape(frames, (2 * batch_size, height, width, channels))
    flat = repeat_border(flat, sides[0], sides[1])
    frames = tf.reshape(flat, (batch_size, 2, sides[0], sides[1], 3))
    return _blended(model, frames, sides, tile_shape, min_overlap)[:, :height, :width]


def _blended(model, frames, sides, tile_shape, min_overlap):
    """Returns the flow of frames of `sides` that are at least as large as a tile."""
    tops, lefts = (tile_starts(sides[axis], tile_shape[axis], min_overlap) for axis in range(2))
    tops, lefts = (tf.reshape(x, (-1,)) for x in tf.meshgrid(tops, lefts, indexing="ij"))
    weights = tile_weights(*tile_shape)

    def add_tile(index, total, total_weight):
        top, left = tops[index], lefts[index]
        bottom, right = top + tile_shape[0], left + tile_shape[1]
        tile = tf.ensure_shape(frames[:, :, top:bottom, left:right], (None, 2, *tile_shape, 3))
        around = [[top, sides[0] - bottom], [left, sides[1] - right], [0, 0]]
        total += tf.pad(model(tile) * weights, [[0, 0], *around])
        return index + 1, total, total_weight + tf.pad(weights, around)

    shape = tf.stack([tf.shape(frames)[0], sides[0], sides[1], 2])
    _, total, total_weight = tf.while_loop(
        lambda index, *_: index < tf.size(tops),
        add_tile,
        (0, tf.zeros(shape), tf.zeros(tf.stack([sides[0], sides[1], 1]))),
        shape_invariants=(
            tf.TensorShape(()),
            tf.TensorShape((None, None, None, 2)),
            tf.TensorShape((None, None, 1)),
        ),
        parallel_iterations=1,
    )
    return total / total_weight
