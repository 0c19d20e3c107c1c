"""Frame pairs with a known flow, made of photographs; and random views of given pairs.

All of this is made of TensorFlow's operations and draws from keys alone. Points are float
(..., 2), x to the right and y down, in pixels of the frame that is made, the centre of its first
pixel at (0, 0). The motion of a point of the first frame says how far it moves to the second.
"""

import math
from dataclasses import dataclass

import tensorflow as tf

NUM_SHAPES = 4
PLAIN_SHARE = 0.5
MAX_ZOOM = 1.6
MAX_ROTATION = 0.5
MAX_LINEAR_MOTION = 0.15
MAX_BUMPS = 0.1
MAX_GAIN = 2.0
MAX_BRIGHTENING = 40.0
SHIFT_POWER = 1.5
_NUM_HARMONICS = 4


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
    zoom, turn, mirror, across, down = tf.unstack(_uniform(key, (5,)))
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


def warped_pair(key, frames, photograph, max_motion):
    """Returns a frame pair with its flow: a photograph that moves, and shapes moving before it.

    Shapes show other photographs, or one colour with a shade from side to side, as furniture has
    it: inside of these only the borders tell the motion.

    The second frame is drawn first; the first one takes each point's colour from where the point
    moves to, so that the flow is exact. Shapes cover what is behind them in both frames.

    Args:
        key: int32 (2,).
        frames: `Frames`.
        photograph: callable from a key to a random photograph, float32 (grid height, grid width,
            3).
        max_motion: float, pixels, about the largest motion.

    Returns:
        float32 (2, height, width, 3) and float32 (height, width, 2).
    """
    points = frames.points
    has_shapes = tf.cast(_uniform(tf.random.fold_in(key, -1), ()) > 0, tf.float32)
    first = second = flow = None
    for layer in range(1 + NUM_SHAPES):
        keys = tf.random.split(tf.random.fold_in(key, layer), 4)
        motion = _smooth_motion(keys[0], frames, max_motion)
        grid = photograph(keys[1])
        matrix, offset = random_view(keys[2], frames, grid)

        def photographed(points, grid=grid, matrix=matrix, offset=offset):
            return sample(grid, tf.linalg.matvec(matrix, points) + offset)

        if layer == 0:
            first, second, flow = photographed(points + motion), photographed(points), motion
            continue
        look = _plain_or(tf.random.fold_in(keys[3], 1), frames, photographed)
        before, after = look(points + motion), look(points)
        inside = _random_shape(keys[3], frames)
        mask = has_shapes * inside(points + motion)
        first = first + (before - first) * mask
        second = second + (after - second) * has_shapes * inside(points)
        flow = tf.where(mask > 0.5, motion, flow)
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
    gain = tf.pow(MAX_GAIN, _uniform(keys[1], (3,)))
    shift = MAX_BRIGHTENING * _uniform(keys[2], (3,))
    return tf.clip_by_value((pair - 127.5) * gain + 127.5 + shift, 0.0, 255.0)


def _smooth_motion(key, frames, max_motion):
    """Returns the motion of all points, (height, width, 2): shift, linear part, soft bumps.

    Small shifts are more frequent than large ones.
    """
    keys = tf.random.split(key, 4)
    angle = math.pi * _uniform(keys[0], ())
    strength = tf.abs(_uniform(keys[1], (3,)))
    shift = max_motion * strength[0] ** SHIFT_POWER * tf.stack([tf.cos(angle), tf.sin(angle)])
    linear = MAX_LINEAR_MOTION * strength[1] * _uniform(keys[2], (2, 2))
    bumps = MAX_BUMPS * max_motion * strength[2] * _uniform(keys[3], (3, 4, 2))
    bumps = tf.image.resize(bumps, (frames.height, frames.width), method="bicubic")
    return shift + tf.linalg.matvec(linear, frames.points - frames.centre) + bumps


def _plain_or(key, frames, photographed):
    """Returns a function from points (h, w, 2) to colours (h, w, 3): one colour, or `photographed`.

    The colour becomes darker or brighter from one side of the frame to the other.
    """
    keys = tf.random.split(key, 3)
    is_plain = tf.random.stateless_uniform((), keys[0]) < PLAIN_SHARE
    colour = 127.5 + 127.5 * _uniform(keys[1], (3,))
    size = tf.constant([frames.width, frames.height], tf.float32)
    shade = 60.0 * _uniform(keys[2], (2,)) / size

    def look(points):
        plain = colour + tf.reduce_sum((points - frames.centre) * shade, axis=-1, keepdims=True)
        return tf.where(is_plain, tf.clip_by_value(plain, 0.0, 255.0), photographed(points))

    return look


def _random_shape(key, frames):
    """Returns a function from points (h, w, 2) to how far they are inside of a random shape.

    The result is float32 (h, w, 1): 1 inside, 0 outside, between these within a pixel of its
    border. The shape is a distorted ellipse, of any place and a size up to that of the frame.
    """
    keys = tf.random.split(key, 4)
    middle = frames.centre * (1.0 + _uniform(keys[0], (2,)))
    side = float(min(frames.height, frames.width))
    radii = side * (0.04 + 0.36 * tf.abs(_uniform(keys[1], (2,))) ** 1.5)
    amplitude, phase = tf.unstack(_uniform(keys[2], (2, _NUM_HARMONICS)))
    turn = math.pi * _uniform(keys[3], ())
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


def _between(rows, first, second, share):
    first, second = tf.gather(rows, first), tf.gather(rows, second)
    return first + (second - first) * share


def _uniform(key, shape):
    """Returns float32 numbers from -1 to 1."""
    return tf.random.stateless_uniform(shape, key, -1.0, 1.0)
