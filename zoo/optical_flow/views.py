"""Views of photographs and frame pairs: where they look, and what is seen there.

Points are float (..., 2), x to the right and y down, in pixels of the frame that is made, the
centre of its first pixel at (0, 0).
"""

from dataclasses import dataclass

import tensorflow as tf

from zoo.optical_flow.draws import uniform

MAX_ZOOM = 1.6
MAX_ROTATION = 0.5


@dataclass(frozen=True)
class Frames:
    """The frames that are made: their size, and how dense the photographs' pixels lie in them.

    Args:
        height, width: ints.
        density: float, pixels of a photograph to one of a frame, both ways, at zoom 1.
    """

    height: int
    width: int
    density: float = 1.0

    @property
    def points(self):
        """The points of all pixels, float32 (height, width, 2)."""
        rows, columns = tf.meshgrid(tf.range(self.height), tf.range(self.width), indexing="ij")
        return tf.cast(tf.stack([columns, rows], axis=-1), tf.float32)

    @property
    def centre(self):
        """The point in the middle, float32 (2,)."""
        return tf.constant([(self.width - 1) / 2, (self.height - 1) / 2])


def sample(grid, points):
    """Returns the values of a grid at any points, between its pixels linearly.

    Args:
        grid: float (height, width, channels).
        points: float (..., 2), in pixels of the grid; beyond its borders their values count.

    Returns:
        float (..., channels).
    """
    height, width, channels = tf.unstack(tf.shape(grid))
    rows = tf.reshape(grid, (-1, channels))
    x = tf.clip_by_value(points[..., 0], 0.0, tf.cast(width - 1, points.dtype))
    y = tf.clip_by_value(points[..., 1], 0.0, tf.cast(height - 1, points.dtype))
    left, top = tf.cast(x, tf.int32), tf.cast(y, tf.int32)
    right, below = tf.minimum(left + 1, width - 1), tf.minimum(top + 1, height - 1)
    share_x = (x - tf.cast(left, x.dtype))[..., None]
    share_y = (y - tf.cast(top, y.dtype))[..., None]
    upper = _between(rows, top * width + left, top * width + right, share_x)
    lower = _between(rows, below * width + left, below * width + right, share_x)
    values = upper + (lower - upper) * share_y
    return tf.ensure_shape(values, (*points.shape[:-1], grid.shape[-1]))


def random_view(key, frames, grid):
    """Returns where a random view of a grid looks: a part of it, zoomed, turned and mirrored.

    Args:
        key: int32 (2,).
        frames: `Frames`.
        grid: float (height, width, channels), of which only the size is read.

    Returns:
        matrix (2, 2) and offset (2,): the point p of a frame is `matrix @ p + offset` in the grid.
    """
    size = tf.cast(tf.shape(grid)[1::-1], tf.float32)
    frame_size = tf.constant([frames.width, frames.height], tf.float32)
    zoom, turn, mirror, across, down = tf.unstack(uniform(key, (5,)))
    scale = frames.density * tf.pow(MAX_ZOOM, zoom)
    scale = tf.minimum(scale, tf.reduce_min(size / frame_size))
    cosine, sine = tf.cos(MAX_ROTATION * turn), tf.sin(MAX_ROTATION * turn)
    matrix = scale * tf.stack([tf.stack([cosine, -sine]), tf.stack([sine, cosine])])
    matrix = matrix * tf.stack([tf.sign(mirror), 1.0])
    room = (size - scale * frame_size) / 2
    centre = (size - 1) / 2 + room * tf.stack([across, down])
    return matrix, centre - tf.linalg.matvec(matrix, frames.centre)


def central_view(frames, grid):
    """Returns the view (see `random_view`) of the middle of a grid, all of it if it fits."""
    size = tf.cast(tf.shape(grid)[1::-1], tf.float32)
    frame_size = tf.constant([frames.width, frames.height], tf.float32)
    available = tf.floor((size - 1) / frames.density) + 1
    begin = tf.floor((available - frame_size) / 2)
    return frames.density * tf.eye(2), frames.density * begin


def viewed_pair(view, frames, pair, flow):
    """Returns a view of a given frame pair and its flow.

    Args:
        view: see `random_view`.
        frames: `Frames`.
        pair: float32 (2, grid height, grid width, 3).
        flow: float32 (grid height, grid width, 2), in frames' pixels at zoom 1.

    Returns:
        float32 (2, height, width, 3) and float32 (height, width, 2).
    """
    matrix, offset = view
    points = tf.linalg.matvec(matrix, frames.points) + offset
    both = tf.stack([sample(pair[0], points), sample(pair[1], points)])
    to_view = frames.density * tf.linalg.inv(matrix)
    return both, tf.linalg.matvec(to_view, sample(flow, points))


def _between(rows, first, second, share):
    first, second = tf.gather(rows, first), tf.gather(rows, second)
    return first + (second - first) * share
