"""Random changes to the videos that a model is trained on: the same for all frames of a window."""

import math

import tensorflow as tf


def random_crop(frames, frame_shape, area, aspect, key):
    """Returns a random window of the frames at the model's size.

    Args:
        frames: float32 (n, h, w, channels).
        frame_shape: (height, width, channels) of the model.
        area: (least, most) area of the window, as a share of the largest one of the model's
            shape that fits into the frames. What lies beyond the frames is black.
        aspect: at least 1; the window's ratio of width to height is the model's times a factor
            from 1 / aspect to aspect, evenly drawn on a logarithmic scale; no side is longer than
            the frames' (times the root of the most area, if that is more than 1).
        key: int32 (2,).

    Returns:
        float32 (n, height, width, channels), interpolated bilinearly.
    """
    height, width, _ = frame_shape
    keys = tf.random.split(key, 3)
    sides = tf.cast(tf.shape(frames)[1:3], tf.float32)
    largest = tf.minimum(sides[0] / height, sides[1] / width) * (height, width) / sides
    stretch = tf.random.stateless_uniform((), keys[0], -1.0, 1.0) * tf.math.log(float(aspect)) / 2
    share = tf.sqrt(tf.random.stateless_uniform((), keys[1], *area))
    size = largest * share * tf.exp([-stretch, stretch])
    size = tf.minimum(size, math.sqrt(max(area[1], 1.0)))
    # The window lies inside of the frames, or, where it is larger, the frames inside of it.
    begin = tf.random.stateless_uniform((2,), keys[2]) * (1.0 - size)
    # Boxes go from the middle of the first pixel (0) to that of the last one (1), beyond which all
    # is black: one more pixel on each side keeps what is inside of the frames from being so.
    frames = tf.pad(frames, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    pixels = tf.concat([begin, begin + size], axis=0) * tf.tile(sides, [2])
    inner = tf.constant([0.5, 0.5, -0.5, -0.5]) * tf.tile(size * sides / (height, width), [2])
    box = (pixels + inner + 0.5) / tf.tile(sides + 1.0, [2])
    count = tf.shape(frames)[0]
    boxes = tf.tile(box[None], [count, 1])
    return tf.image.crop_and_resize(frames, boxes, tf.range(count), (height, width))


def mirrored(frames, key):
    """Returns frames (n, h, w, channels) mirrored left to right, or not, at even chances."""
    is_mirrored = tf.random.stateless_uniform((), key) < 0.5
    return tf.where(is_mirrored, frames[:, :, ::-1], frames)


def recoloured(frames, key, max_brightness, max_contrast):
    """Returns frames of another contrast and brightness.

    Args:
        frames: float32 0-255 (n, h, w, channels).
        key: int32 (2,).
        max_brightness: most that is added to all pixels, or taken away, as a share of 255.
        max_contrast: most relative change of the distance from the mean of all pixels.

    Returns:
        float32 0-255, same shape.
    """
    contrast, brightness = tf.unstack(tf.random.stateless_uniform((2,), key, -1.0, 1.0))
    mean = tf.reduce_mean(frames)
    changed = (frames - mean) * (1.0 + max_contrast * contrast) + mean
    return tf.clip_by_value(changed + 255.0 * max_brightness * brightness, 0.0, 255.0)
