"""What random scenes of warps show: scenery, and shapes before it.

A look is a function from points, see `views`, to colours, float32 0-255 (height, width, 3).
"""

import math

import tensorflow as tf

from zoo.optical_flow.draws import chance, uniform
from zoo.optical_flow.views import random_view, sample

CUTOUT_SHARE = 0.5
PLAIN_SHARE = 0.5
SKY_SHARE = 0.5
_MAX_SHAPE = 0.4
_MAX_SKY = 1.5
_NUM_HARMONICS = 4


def scenery(key, frames, photograph):
    """Returns a function from points (h, w, 2) to colours (h, w, 3): what is behind all shapes.

    A photograph, a large shape of which may be replaced by one colour.
    """
    keys = tf.random.split(key, 5)
    photographed = _photographed(keys[0], frames, photograph(keys[1]))
    sky, inside = _plain(keys[2], frames), _random_shape(keys[3], frames, _MAX_SKY)
    has_sky = tf.cast(chance(keys[4], SKY_SHARE), tf.float32)

    def look(points):
        colours = photographed(points)
        return colours + (sky(points) - colours) * has_sky * inside(points)

    return look


def shape(key, frames, photograph, cutout):
    """Returns a function from points to the colours of a shape, (h, w, 3), and `inside` of it.

    `photograph` and `cutout`: see `warps.warped_pair`.
    """
    keys = tf.random.split(key, 7)
    plain, inside = _plain(keys[2], frames), _random_shape(keys[3], frames, _MAX_SHAPE)
    is_plain = chance(keys[4], PLAIN_SHARE)
    if cutout is None:
        photographed = _photographed(keys[0], frames, photograph(keys[1]))
        return lambda points: (
            tf.cond(is_plain, lambda: plain(points), lambda: photographed(points)),
            inside(points),
        )
    is_cut = chance(keys[6], CUTOUT_SHARE)
    grid = tf.cond(is_cut, lambda: cutout(keys[5]), lambda: _whole(photograph(keys[1])))
    photographed = _photographed(keys[0], frames, grid)

    def look(points):
        colours, is_part = tf.split(photographed(points), [3, 1], axis=-1)
        colours = tf.where(is_plain & ~is_cut, plain(points), colours)
        return colours, tf.where(is_cut, is_part, inside(points))

    return look


def _whole(photograph):
    """Returns a photograph as a cut-out of all of it, (h, w, 4)."""
    return tf.concat([photograph, tf.ones_like(photograph[..., :1])], axis=-1)


def _photographed(key, frames, grid):
    """Returns a function from points (h, w, 2) to the values of a random view of a grid."""
    matrix, offset = random_view(key, frames, grid)
    return lambda points: sample(grid, tf.linalg.matvec(matrix, points) + offset)


def _plain(key, frames):
    """Returns a function from points (h, w, 2) to one colour (h, w, 3).

    It becomes darker or brighter from one side of the frame to the other.
    """
    keys = tf.random.split(key, 2)
    colour = 127.5 + 127.5 * uniform(keys[0], (3,))
    size = tf.constant([frames.width, frames.height], tf.float32)
    shade = 60.0 * uniform(keys[1], (2,)) / size

    def look(points):
        plain = colour + tf.reduce_sum((points - frames.centre) * shade, axis=-1, keepdims=True)
        return tf.clip_by_value(plain, 0.0, 255.0)

    return look


def _random_shape(key, frames, largest):
    """Returns a function from points (h, w, 2) to how far they are inside of a random shape.

    The result is float32 (h, w, 1): 1 inside, 0 outside, between these within a pixel of its
    border. The shape is a distorted ellipse of any place, the radii of the ellipse up to `largest`
    times the frame's shorter side.
    """
    keys = tf.random.split(key, 4)
    middle = frames.centre * (1.0 + uniform(keys[0], (2,)))
    side = float(min(frames.height, frames.width))
    radii = side * largest * (0.1 + 0.9 * tf.abs(uniform(keys[1], (2,))) ** 1.5)
    amplitude, phase = tf.unstack(uniform(keys[2], (2, _NUM_HARMONICS)))
    turn = math.pi * uniform(keys[3], ())
    harmonics = tf.range(1.0, _NUM_HARMONICS + 1.0)

    def inside(points):
        x, y = tf.unstack(points - middle, axis=-1)
        x, y = x * tf.cos(turn) + y * tf.sin(turn), y * tf.cos(turn) - x * tf.sin(turn)
        angles = tf.atan2(y, x)[..., None] * harmonics + math.pi * phase
        radius = 1.0 + 0.3 * tf.reduce_mean(amplitude * tf.cos(angles), axis=-1)
        distance = tf.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + 1e-9)
        return tf.clip_by_value((radius - distance) * tf.reduce_min(radii) + 0.5, 0.0, 1.0)[
            ..., None
        ]

    return inside
