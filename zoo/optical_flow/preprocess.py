"""The one preprocessing of frame pairs, of training and serving."""

import tensorflow as tf

from zoo.optical_flow.upsampling import joint_bilateral_upsampling

# The photographs from which training frames are drawn are twice as dense as those.
_DENSITY = 2


class FlowPreprocess:
    """Turns raw frames of any size into what an optical-flow model takes, and its flow back.

    The same object works in the training pipeline and inside the served graph. It has no state
    and uses TensorFlow's own operations only.

    Args:
        downscale: int, 1 or even; the model sees means over squares of so many pixels a side.

    Raises:
        ValueError: if `downscale` is another number.
    """

    def __init__(self, downscale=1):
        if downscale < 1 or (downscale > 1 and downscale % 2):
            raise ValueError(f"`downscale` must be 1 or even. Received: downscale={downscale}.")
        self.downscale = downscale
        self.density = _DENSITY if downscale > 1 else 1

    def __call__(self, frames):
        """Returns `normalise(reduce(frames))`."""
        return self.normalise(self.reduce(frames))

    def reduce(self, frames):
        """Returns frames smaller by `downscale`.

        Args:
            frames: uint8 or float 0-255 (b, height, width, 3). The last pixels are repeated to
                fill up the last squares.

        Returns:
            float32 0-255 (b, height / downscale, width / downscale, 3), rounded up.
        """
        frames = tf.cast(frames, tf.float32)
        if self.downscale == 1:
            return frames
        height, width = tf.unstack(tf.shape(frames)[1:3])
        frames = repeat_border(frames, self._multiple(height), self._multiple(width))
        return _means(frames, self.downscale, self.downscale)

    def enlarge(self, flow, frames):
        """Returns the flow of frames from that of the reduced ones.

        It is enlarged along the frames' edges, see `upsampling`.

        Args:
            flow: float32 (b, height / downscale, width / downscale, 2), in its own pixels.
            frames: uint8 or float 0-255 (b, height, width, 3).

        Returns:
            float32 (b, height, width, 2).
        """
        if self.downscale == 1:
            return flow
        frames = tf.cast(frames, tf.float32)
        flow = flow * self.downscale
        return joint_bilateral_upsampling(flow, self.reduce(frames), frames, self.downscale)

    def normalise(self, frames):
        """Returns `frames / 127.5 - 1`, float32: pixels 0-255 become numbers in [-1, 1]."""
        return tf.cast(frames, tf.float32) * (1 / 127.5) - 1.0

    def dense(self, values):
        """Returns values from which reduced frames can be drawn at any points.

        Args:
            values: uint8 or float (b, height, width, channels).

        Returns:
            float32 (b, grid height, grid width, channels): means over `downscale` pixels a side,
            `density` of them to one pixel of a reduced frame. Every `density`-th is one of
            `reduce`, from the first on; squares that are not full are left out.
        """
        values = tf.cast(values, tf.float32)
        if self.downscale == 1:
            return values
        height, width = tf.unstack(tf.shape(values)[1:3])
        values = values[:, : height - height % self.downscale, : width - width % self.downscale]
        return _means(values, self.downscale, self.downscale // self.density)

    def _multiple(self, size):
        return -(-size // self.downscale) * self.downscale


def repeat_border(frames, height, width):
    """Returns frames (b, h, w, c) with their last row and column repeated up to a size."""
    rows = tf.minimum(tf.range(height), tf.shape(frames)[1] - 1)
    columns = tf.minimum(tf.range(width), tf.shape(frames)[2] - 1)
    return tf.gather(tf.gather(frames, rows, axis=1), columns, axis=2)


def _means(values, side, stride):
    return tf.nn.avg_pool2d(values, side, stride, "VALID")
