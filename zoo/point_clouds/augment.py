"""Random changes to the point clouds that a model is trained on."""

import math

import tensorflow as tf


def augment(points, key, config):
    """Returns a cloud rotated, mirrored, stretched, scaled by points and jittered.

    Args:
        points: float32 (n, 3), centred in the cube [-1, 1]^3.
        key: int32 (2,), decides all draws.
        config: `PointCloudClassifierConfig`, says which changes are made and how large they are.

    Returns:
        float32 (n, 3), no longer in the cube.
    """
    keys = tf.random.split(key, 5)
    if config.max_rotation:
        points = rotated(points, keys[0], config.max_rotation, config.vertical_axis)
    if config.mirror_axes:
        points = mirrored(points, keys[1], config.mirror_axes)
    if config.max_stretch:
        points = points * _near_one((1, 3), keys[2], config.max_stretch)
    if config.max_point_scale:
        points = points * _near_one((tf.shape(points)[0], 1), keys[3], config.max_point_scale)
    if config.jitter:
        noise = tf.random.stateless_normal(tf.shape(points), keys[4])
        points = points + config.jitter * noise
    return points


def rotated(points, key, max_rotation, axis):
    """Returns points turned about a coordinate axis by a random angle.

    Args:
        points: float32 (n, 3).
        key: int32 (2,).
        max_rotation: degrees, the largest angle to either side.
        axis: 0, 1 or 2.
    """
    most = max_rotation * math.pi / 180
    angle = tf.random.stateless_uniform((), key, -most, most)
    first, second = [other for other in range(3) if other != axis]
    x, y = points[:, first], points[:, second]
    turned = {
        axis: points[:, axis],
        first: tf.cos(angle) * x - tf.sin(angle) * y,
        second: tf.sin(angle) * x + tf.cos(angle) * y,
    }
    return tf.stack([turned[number] for number in range(3)], axis=-1)


def mirrored(points, key, axes):
    """Returns points mirrored along each of some axes or not, at even chances."""
    is_mirrored = tf.random.stateless_uniform((3,), key) < 0.5
    may_be = tf.constant([axis in axes for axis in range(3)])
    return points * tf.where(is_mirrored & may_be, -1.0, 1.0)


def _near_one(shape, key, largest_change):
    return tf.random.stateless_uniform(shape, key, 1 - largest_change, 1 + largest_change)
