"""What a model sees of depth video: where anything was measured, and how near it is."""

import tensorflow as tf


def depth_channels(frames, depth_range):
    """Returns two pictures in place of each depth picture, which may be resized and cropped.

    The mean of all that was measured is taken away, so that it does not matter how far from the
    camera somebody stands.

    Args:
        frames: uint8 (..., n, h, w, 1), the frames of a video (or of several); 0: nothing measured.
        depth_range: float above 0, how many levels from the mean count as far as can be.

    Returns:
        float32 0-255 (..., n, h, w, 2): 255 where anything was measured; and there 127.5 at the
        mean, 255 from `depth_range` levels above it on, 0 from so many below. Both 0 elsewhere.
    """
    depth = tf.cast(frames, tf.float32)
    measured = tf.cast(depth > 0, tf.float32)
    axes = [-4, -3, -2, -1]
    count = tf.maximum(tf.reduce_sum(measured, axes, keepdims=True), 1.0)
    mean = tf.reduce_sum(depth, axes, keepdims=True) / count
    relative = tf.clip_by_value((depth - mean) / depth_range, -1.0, 1.0)
    return 127.5 * measured * tf.concat([2.0 * tf.ones_like(depth), relative + 1.0], axis=-1)


def described_depth(channels):
    """Returns what `depth_channels` made, resized or not, as a model takes it.

    Args:
        channels: float32 0-255 (..., 2).

    Returns:
        float32 (..., 2): in [0, 1] how much of a pixel was measured, and in [-1, 1] the distance
        from the mean there, 0 elsewhere.
    """
    measured, relative = tf.split(channels / 255.0, 2, axis=-1)
    return tf.concat([measured, 2.0 * relative - measured], axis=-1)
