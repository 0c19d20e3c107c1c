"""What is served of an optical-flow model: frames of any size in, their flow out."""

import tensorflow as tf

from zoo.optical_flow.tiles import tiled_flow

MIN_OVERLAP = 20


class ServedFlow:
    """The function that is served; exported graph and in-process prediction both run it.

    Frames larger than the model's are covered by tiles that overlap by `MIN_OVERLAP` pixels, or by
    three quarters of a tile where that is less.

    Args:
        model: functional `keras.Model` from float32 frames (b, 2, h, w, 3) to float32 flow (b, h,
            w, 2).
        preprocess: `zoo.optical_flow.preprocess.FlowPreprocess`.
        class_names: None; flow has no classes.
    """

    def __init__(self, model, preprocess, class_names=None):
        self.model = model
        self.preprocess = preprocess
        self.tile_shape = tuple(model.input_shape[2:4])
        self.min_overlap = min(MIN_OVERLAP, 3 * min(self.tile_shape) // 4)

    def endpoints(self):
        """Returns `serving_default`, and the same as `flow`: name to (function, specs)."""
        specs = [
            tf.TensorSpec((None, None, None, 3), tf.uint8, name=name)
            for name in ("first", "second")
        ]
        return {"serving_default": (self.flow, specs), "flow": (self.flow, specs)}

    def flow(self, first, second):
        """Returns the optical flow of frame pairs.

        Args:
            first, second: uint8 (b, height, width, 3), RGB, of any size, the same for both.

        Returns:
            dict of `flow`, float32 (b, height, width, 2): by how many pixels what is at a pixel of
            `first` lies further right and further down in `second`.
        """
        batch_size = tf.shape(first)[0]
        both = tf.concat([first, second], axis=0)
        frames = self.preprocess(both)
        frames = tf.stack([frames[:batch_size], frames[batch_size:]], axis=1)
        reduced = tiled_flow(self._tile_flow, frames, self.tile_shape, self.min_overlap)
        flow = self.preprocess.enlarge(reduced, first)
        return {"flow": tf.ensure_shape(flow, (*first.shape[:-1], 2))}

    def _tile_flow(self, frames):
        return tf.cast(self.model(frames, training=False), tf.float32)
