"""Joint bilateral upsampling: a flow is enlarged along the edges of the frame it belongs to.

Kopf, Cohen, Lischinski, Uyttendaele: Joint Bilateral Upsampling, ACM Transactions on Graphics
26(3), 2007, section 3.
"""

import tensorflow as tf

RADIUS = 3
SPATIAL_SIGMA = 2.0
COLOUR_SIGMA = 10.0
_FLOOR = 1e-8  # of the weight by colour: where no pixel is alike, the near ones count


def joint_bilateral_upsampling(values, reduced, frames, factor):
    """Returns each pixel's mean of the values around it, of pixels that have its colour.

    A value weighs as a Gaussian of its distance, with a standard deviation of `SPATIAL_SIGMA` small
    pixels, times one of the difference of colour, with `COLOUR_SIGMA`; up to `RADIUS` small pixels
    away in rows and columns.

    Args:
        values: float32 (b, small height, small width, channels).
        reduced: float32 0-255 (b, small height, small width, 3), the frames of that size.
        frames: float32 0-255 (b, height, width, 3); a small pixel belongs to the square of `factor`
            pixels a side that begins at its row and column times `factor`.
        factor: int.

    Returns:
        float32 (b, height, width, channels).
    """
    margins = [[0, 0], [RADIUS, RADIUS], [RADIUS, RADIUS], [0, 0]]
    parts = [reduced, values, tf.ones_like(values[..., :1])]  # the last: it is inside of the frame
    padded = tf.pad(tf.concat(parts, axis=-1), margins)
    splits = [3, values.shape[-1], 1]
    rows, columns = (tf.range(size) for size in tf.unstack(tf.shape(frames)[1:3]))
    side = 2 * RADIUS + 1

    def add_neighbour(number, total, total_weight):
        steps = number // side, number % side
        places = [
            pixel // factor + step for pixel, step in zip((rows, columns), steps, strict=True)
        ]
        near = tf.gather(tf.gather(padded, places[0], axis=1), places[1], axis=2)
        colours, neighbours, is_inside = tf.split(near, splits, axis=-1)
        down, right = (
            _from_centre(pixel, step, factor)
            for pixel, step in zip((rows, columns), steps, strict=True)
        )
        distance = (down[:, None] ** 2 + right**2)[..., None] / SPATIAL_SIGMA**2
        contrast = tf.reduce_sum((colours - frames) ** 2, axis=-1, keepdims=True) / COLOUR_SIGMA**2
        weight = is_inside * tf.exp(-distance / 2) * (tf.exp(-contrast / 2) + _FLOOR)
        return number + 1, total + weight * neighbours, total_weight + weight

    total = tf.zeros(tf.concat([tf.shape(frames)[:-1], splits[1:2]], axis=0))
    _, total, total_weight = tf.while_loop(
        lambda number, *_: number < side**2,
        add_neighbour,
        (0, total, tf.zeros_like(frames[..., :1])),
        shape_invariants=(
            tf.TensorShape(()),
            tf.TensorShape((None, None, None, splits[1])),
            tf.TensorShape((None, None, None, 1)),
        ),
        parallel_iterations=1,
    )
    return total / total_weight


def _from_centre(pixels, step, factor):
    """Returns how far pixels are from the middle of a small one, in small pixels.

    Args:
        pixels: int32 (size,), rows or columns.
        step: scalar int32, of their neighbour: 0 to 2 `RADIUS`, `RADIUS` for their own.
        factor: int.
    """
    within = (tf.cast(pixels % factor, tf.float32) + 0.5) / factor
    return tf.cast(step - RADIUS, tf.float32) + 0.5 - within
