"""Which pixels of a frame move otherwise than its background: cut-outs for warps.

Like the photographs, what is cut out comes from given frame pairs; their flow tells its outline.
"""

import tensorflow as tf

THRESHOLD = 1.0
MAX_SHARE = 0.6
_STRIDE = 4
_NUM_STEPS = 20
_TINY = 1e-3


@tf.function(input_signature=[tf.TensorSpec((None, None, 2), tf.float32)], autograph=False)
def moving_parts(flow):
    """Returns where a flow differs from that of the background.

    The background's motion is the affine one that has the least sum of distances to the flow, so
    that what moves before it, on less than half of the frame, does not count much.

    Args:
        flow: float32 (height, width, 2), pixels of the frame as it is given; NaN where it is
            unknown.

    Returns:
        float32 (height, width, 1): 1 where the flow is more than `THRESHOLD` pixels off, 0
        elsewhere; 0 everywhere if that were more than `MAX_SHARE` of what is known, for then no
        background was found.
    """
    known = tf.reduce_all(tf.math.is_finite(flow), axis=-1, keepdims=True)
    flow = tf.where(known, flow, 0.0)
    known = tf.cast(known, tf.float32)
    axes = (tf.linspace(-1.0, 1.0, size) for size in tf.unstack(tf.shape(flow)[:2]))
    rows, columns = tf.meshgrid(*axes, indexing="ij")
    plane = tf.stack([tf.ones_like(rows), rows, columns], axis=-1)
    some = (slice(None, None, _STRIDE), slice(None, None, _STRIDE))
    background = tf.tensordot(plane, _affine_motion(plane[some], flow[some], known[some]), axes=1)
    distance = tf.norm(flow - background, axis=-1, keepdims=True)
    moves = known * tf.cast(distance > THRESHOLD, tf.float32)
    found = tf.reduce_sum(moves) <= MAX_SHARE * tf.reduce_sum(known)
    return moves * tf.cast(found, tf.float32)


def _affine_motion(plane, flow, known):
    """Returns the (3, 2) whose product with `plane` has the least sum of distances to `flow`.

    By least squares in which each point weighs the inverse of its distance before.

    Args:
        plane: float32 (h, w, 3).
        flow: float32 (h, w, 2).
        known: float32 (h, w, 1), 0 for points that do not count.
    """
    plane, flow, known = (tf.reshape(x, (-1, x.shape[-1])) for x in (plane, flow, known))

    def step(motion, weights):
        weighted = weights * plane
        squares = tf.matmul(weighted, plane, transpose_a=True) + 1e-6 * tf.eye(3)
        motion = tf.linalg.solve(squares, tf.matmul(weighted, flow, transpose_a=True))
        distance = tf.norm(flow - plane @ motion, axis=-1, keepdims=True)
        return motion, known / (distance + _TINY)

    motion, _ = tf.while_loop(
        lambda *_: True, step, (tf.zeros((3, 2)), known), maximum_iterations=_NUM_STEPS
    )
    return motion
