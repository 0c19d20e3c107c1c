"""Sounds as they might have been recorded as well, for training."""

import math

import tensorflow as tf


def vary(waveform, key, max_speed_change, max_noise, flips_polarity):
    """Returns a sound that is faster or slower, noisier, or of the other sign.

    Args:
        waveform: float32 (n,), or (n, channels).
        key: int32 (2,), which the draws depend on alone.
        max_speed_change: float, most by which the speed (and so the pitch) differs from 1.
        max_noise: float, the largest root mean square of white noise, as a share of the sound's,
            of each channel by itself.
        flips_polarity: bool. Change the sign of half of the sounds, which nobody hears.

    Returns:
        float32 (n / speed,) or (n / speed, channels), at least 1 sample; of no sample, none.
    """
    keys = tf.random.split(key, 4)
    if max_speed_change:
        change = tf.random.stateless_uniform((), keys[0], -max_speed_change, max_speed_change)
        waveform = at_speed(waveform, 1.0 + change)
    if max_noise:
        level = tf.random.stateless_uniform((), keys[1], 0.0, max_noise)
        level *= tf.sqrt(tf.reduce_mean(tf.square(waveform), axis=0))
        waveform += level * tf.random.stateless_normal(tf.shape(waveform), keys[2])
    if flips_polarity:
        flip = tf.random.stateless_uniform((), keys[3]) < 0.5
        waveform = tf.where(flip, -waveform, waveform)
    return waveform


def at_speed(waveform, speed):
    """Returns a sound played at another speed, by linear interpolation.

    Args:
        waveform: float32 (n,), or (n, channels).
        speed: scalar float32, near 1.

    Returns:
        float32 (n / speed,) or (n / speed, channels), rounded, at least 1 sample; of none, none.
    """
    count = tf.shape(waveform)[0]
    last, least = count - 1, tf.minimum(count, 1)
    length = tf.maximum(tf.cast(tf.round(tf.cast(count, tf.float32) / speed), tf.int32), least)
    places = tf.minimum(tf.range(length, dtype=tf.float32) * speed, tf.cast(last, tf.float32))
    before = tf.cast(places, tf.int32)
    after = tf.minimum(before + 1, last)
    share = places - tf.cast(before, tf.float32)
    share = tf.reshape(share, [-1] + [1] * (len(waveform.shape) - 1))
    return tf.gather(waveform, before) * (1.0 - share) + tf.gather(waveform, after) * share


def turned(samples, key, max_rotation):
    """Returns a sensor's series as if it had been worn turned.

    Args:
        samples: float32 (n, channels), in threes: x, y, z of a vector, such as an acceleration or
            a rate of rotation. All vectors are turned alike.
        key: int32 (2,), which the draws depend on alone.
        max_rotation: float, degrees; the angle is drawn from 0 to it, about any axis.

    Returns:
        float32 (n, channels).
    """
    axis_key, angle_key = tf.unstack(tf.random.split(key, 2))
    axis = tf.math.l2_normalize(tf.random.stateless_normal((3,), axis_key))
    angle = tf.random.stateless_uniform((), angle_key, 0.0, math.radians(max_rotation))
    vectors = tf.reshape(samples, (-1, samples.shape[-1] // 3, 3))
    # Rodrigues' formula.
    along = tf.reduce_sum(vectors * axis, axis=-1, keepdims=True) * axis
    across = tf.linalg.cross(tf.broadcast_to(axis, tf.shape(vectors)), vectors)
    rotated = along + (vectors - along) * tf.cos(angle) + across * tf.sin(angle)
    return tf.reshape(rotated, tf.shape(samples))
