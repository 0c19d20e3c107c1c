"""From the frames of a video to what a model of video takes; trained and served models share it."""

import tensorflow as tf

from zoo.images.pipeline import PHOTO_CROP, PHOTO_SIDE, ImagePreprocess
from zoo.video.augment import mirrored, random_crop, recoloured
from zoo.video.depth import depth_channels, described_depth


class VideoPreprocess:
    """Chooses the frames of the windows of a video, cuts them and scales them to [-1, 1].

    A video of fewer frames than a window is padded, and the padding masked: the model does not
    look at it.

    Args:
        config: `zoo.video.configs.VideoConfig`.

    Call arguments:
        frames: uint8 (n, h, w, 1 or 3), grey or RGB, at the model's frame rate if it has one; n
            at least 1.
        decode: None, or a callable from a frame to uint8 (h, w, 1 or 3): then `frames` are encoded
            ones, a tensor (n, ...), and those that are chosen are decoded.

    Returns:
        dict of `video` float32 (w, num_frames, height, width, channels) in [-1, 1], for a
        `depth_range` as `zoo.video.depth.described_depth` has it, and `mask` bool (w, num_frames),
        False for padding; w is `num_windows`: if all frames are in one window, the others are
        masked as a whole.

    Example:

    >>> inputs = VideoPreprocess(configuration("perceiver_audioset_video"))(frames)
    """

    def __init__(self, config):
        self._config = config
        side = min(config.frame_shape[:2])
        self._frames = ImagePreprocess(
            config.frame_shape,
            mean=0.5,
            std=0.5,
            crop_fraction=PHOTO_CROP if side >= PHOTO_SIDE else 1.0,
        )

    def __call__(self, frames, decode=None):
        config = self._config
        count, size = tf.shape(frames)[0], config.num_frames
        numbers, places = tf.range(config.num_windows), tf.range(size)
        if config.frame_rate is None:
            # The middles of the parts of the video that belong to each frame of each window.
            middles = 2 * (places * config.num_windows + numbers[:, None]) + 1
            rows = middles * count // (2 * config.num_windows * size)
            rows = tf.where(count > size, rows, places[None])
        else:
            spare = tf.maximum(count - size, 0)
            between = max(config.num_windows - 1, 1)
            starts = numbers * spare // between if config.num_windows > 1 else spare[None] // 2
            rows = starts[:, None] + places
        used = (numbers == 0) | (count > size)
        mask = (rows < count) & used[:, None]
        rows = tf.reshape(tf.minimum(rows, count - 1), [-1])
        if decode is not None and self._config.depth_range is None:
            # One by one: all of them before they are resized may be much.
            resized = of_each(
                frames, rows, lambda frame: self._frames.resize(decode(frame)), tf.float32
            )
        else:
            chosen = tf.gather(frames, rows) if decode is None else of_each(frames, rows, decode)
            resized = self._resized(chosen)
        return self._described(resized, mask)

    def training(self, frames, key, decode=None):
        """Returns one window of a video, at a place and with changes that are drawn from a key.

        Args:
            frames, decode: see above.
            key: int32 (2,).

        Returns:
            as above, of one window.
        """
        config = self._config
        keys = tf.random.split(key, 4)
        rows = self._drawn_rows(tf.shape(frames)[0], keys[0])
        count = tf.shape(frames)[0]
        mask = rows < count
        rows = tf.minimum(rows, count - 1)
        chosen = tf.gather(frames, rows) if decode is None else of_each(frames, rows, decode)
        if config.crop_area is None:
            chosen = self._resized(chosen)
        else:
            chosen = self._channels(chosen)
            shape, area = config.frame_shape, config.crop_area
            chosen = random_crop(chosen, shape, area, config.crop_aspect, keys[1])
        if config.flip:
            chosen = mirrored(chosen, keys[2])
        if config.max_brightness or config.max_contrast:
            chosen = recoloured(chosen, keys[3], config.max_brightness, config.max_contrast)
        return self._described(chosen, mask[None])

    @property
    def frame_rate(self):
        """Frames of a second that the model takes, or None: any."""
        return self._config.frame_rate

    @property
    def frame_shape(self):
        """(height, width, channels) of the frames that the model sees."""
        return self._config.frame_shape

    @property
    def num_frames(self):
        """Frames of a window."""
        return self._config.num_frames

    @property
    def num_windows(self):
        """Windows of a video that is evaluated or served."""
        return self._config.num_windows

    @property
    def signature(self):
        """What a call returns, a dict of `tf.TensorSpec`."""
        config = self._config
        shape = (config.num_windows, config.num_frames)
        return {
            "video": tf.TensorSpec((*shape, *config.seen_shape)),
            "mask": tf.TensorSpec(shape, tf.bool),
        }

    def _drawn_rows(self, count, key):
        """Returns int32 (num_frames,): which frames a window for training has, rising."""
        config, size = self._config, self._config.num_frames
        places = tf.range(size)
        start_key, speed_key, jitter_key = tf.unstack(tf.random.split(key, 3))
        change = tf.random.stateless_uniform((), speed_key, -1.0, 1.0) * config.max_speed_change
        start = tf.random.stateless_uniform((), start_key)
        total = tf.cast(count, tf.float32)
        if config.frame_rate is None:
            span = total * (1.0 - tf.abs(change))
            jitter = tf.random.stateless_uniform((size,), jitter_key)
            times = start * (total - span) + (tf.cast(places, tf.float32) + jitter) * span / size
            rows = tf.minimum(tf.cast(times, tf.int32), count - 1)
            return tf.where(count >= size, rows, places)
        speed = 1.0 + change
        offsets = tf.cast(tf.cast(places, tf.float32) * speed, tf.int32)
        spare = tf.maximum(count - 1 - offsets[-1], 0)
        return offsets + tf.cast(start * tf.cast(spare + 1, tf.float32), tf.int32)

    def _described(self, frames, mask):
        """Returns the inputs of frames (w * num_frames, ...), float32 0-255."""
        seen_shape = self._config.seen_shape
        frames = tf.ensure_shape(frames, (None, *seen_shape))
        is_depth = self._config.depth_range is not None
        frames = described_depth(frames) if is_depth else self._frames.normalise(frames)
        shape = (-1, self._config.num_frames, *seen_shape)
        return {"video": tf.reshape(frames, shape), "mask": mask}

    def _channels(self, frames):
        """Returns frames float32 0-255 (n, h, w, channels that the model sees)."""
        frames = self._frames.with_channels(tf.cast(frames, tf.float32))
        depth_range = self._config.depth_range
        return frames if depth_range is None else depth_channels(frames, depth_range)

    def _resized(self, frames):
        """Returns frames as `_channels` does, at the model's size."""
        if self._config.depth_range is None:
            return self._frames.resize(frames)
        measured, relative = tf.split(self._channels(frames), 2, axis=-1)
        channels = [self._frames.resize(measured), self._frames.resize(relative)]
        return tf.concat(channels, axis=-1)


def of_each(frames, rows, function, dtype=tf.uint8):
    """Returns `function` of the frames with some numbers, each of which is computed once.

    Args:
        frames: tensor (n, ...).
        rows: int (k,), some of them perhaps equal.
        function: callable from a frame to a tensor (h, w, channels).
        dtype: of that tensor.

    Returns:
        (k, h, w, channels).
    """
    numbers, places = tf.unique(rows)
    signature = tf.TensorSpec((None, None, None), dtype)
    return tf.gather(
        tf.map_fn(function, tf.gather(frames, numbers), fn_output_signature=signature), places
    )
