"""Frame pairs with a known flow, made of photographs.

All of this is made of TensorFlow's operations and draws from keys alone. The motion of a point,
see `views`, of the first frame says how far it moves to the second.
"""

import math

import tensorflow as tf

from zoo.optical_flow.draws import chance, uniform
from zoo.optical_flow.looks import scenery, shape

NUM_SHAPES = 4
SHAPES_SHARE = 0.75
MAX_LINEAR_MOTION = 0.15
MAX_BUMPS = 0.1
MAX_GAIN = 2.0
MAX_BRIGHTENING = 40.0
SHIFT_POWER = 1.5


def warped_pair(key, frames, photograph, max_motion, cutout=None):
    """Returns a frame pair with its flow: a photograph that moves, and shapes moving before it.

    Shapes show other photographs, or one colour with a shade from side to side, as furniture has
    it: inside of these only the borders tell the motion. A part of what is behind them may be of
    one colour too, as a sky: that moves as the rest of it, and not as what is next to it.

    The second frame is drawn first; the first one takes each point's colour from where the point
    moves to, so that the flow is exact. Shapes cover what is behind them in both frames.

    Args:
        key: int32 (2,).
        frames: `views.Frames`.
        photograph: callable from a key to a random photograph, float32 (grid height, grid width,
            3).
        max_motion: float, pixels, about the largest motion.
        cutout: callable from a key to a random photograph and, as a fourth channel, from 0 to 1,
            what is cut out of it: float32 (grid height, grid width, 4). A
            `looks.CUTOUT_SHARE` of the shapes are such. None: none.

    Returns:
        float32 (2, height, width, 3) and float32 (height, width, 2).
    """
    points = frames.points
    keys = tf.random.split(key, 2 + NUM_SHAPES)
    motion = _smooth_motion(tf.random.fold_in(keys[0], 0), frames, max_motion)
    look = scenery(keys[0], frames, photograph)
    first, second, flow = look(points + motion), look(points), motion
    has_shapes = tf.cast(chance(keys[1], SHAPES_SHARE), tf.float32)
    for shape_key in tf.unstack(keys[2:]):
        motion = _smooth_motion(tf.random.fold_in(shape_key, 0), frames, max_motion)
        look = shape(shape_key, frames, photograph, cutout)
        colours, inside = look(points + motion)
        first = first + (colours - first) * has_shapes * inside
        flow = tf.where(has_shapes * inside > 0.5, motion, flow)
        colours, inside = look(points)
        second = second + (colours - second) * has_shapes * inside
    return tf.stack([first, second]), flow


def recoloured(key, pair):
    """Returns a frame pair in other colours, the same for both frames.

    Args:
        key: int32 (2,).
        pair: float32 0-255 (2, height, width, 3).

    Returns:
        float32 0-255 of the same shape: channels swapped, contrast and brightness changed.
    """
    keys = tf.random.split(key, 3)
    order = tf.random.experimental.stateless_shuffle(tf.range(3), keys[0])
    pair = tf.gather(pair, order, axis=-1)
    gain = tf.pow(MAX_GAIN, uniform(keys[1], (3,)))
    shift = MAX_BRIGHTENING * uniform(keys[2], (3,))
    return tf.clip_by_value((pair - 127.5) * gain + 127.5 + shift, 0.0, 255.0)


def _smooth_motion(key, frames, max_motion):
    """Returns the motion of all points, (height, width, 2): shift, linear part, soft bumps.

    Small shifts are more frequent than large ones.
    """
    keys = tf.random.split(key, 4)
    angle = math.pi * uniform(keys[0], ())
    strength = tf.abs(uniform(keys[1], (3,)))
    shift = max_motion * strength[0] ** SHIFT_POWER * tf.stack([tf.cos(angle), tf.sin(angle)])
    linear = MAX_LINEAR_MOTION * strength[1] * uniform(keys[2], (2, 2))
    bumps = MAX_BUMPS * max_motion * strength[2] * uniform(keys[3], (3, 4, 2))
    bumps = tf.image.resize(bumps, (frames.height, frames.width), method="bicubic")
    return shift + tf.linalg.matvec(linear, frames.points - frames.centre) + bumps
