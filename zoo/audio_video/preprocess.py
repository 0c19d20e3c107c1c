"""From video and sound to what a model of both takes; trained and served models share it."""

import math

import tensorflow as tf

from zoo.audio.augment import turned, vary
from zoo.audio.features import LogMel, spec_augment
from zoo.images.pipeline import ImagePreprocess
from zoo.multimodal.preprocess import ClipPreprocess
from zoo.video.augment import random_crop
from zoo.video.depth import depth_channels, described_depth

# Where a window's root mean square is below, it is not raised to 1.
QUIETEST = 1e-3


class AudioVideoPreprocess:
    """Describes frames by pixels, and sound by samples or a log-mel spectrogram.

    Args:
        config: `zoo.audio_video.configs.AudioVideoConfig`.

    Raises:
        ZooError: when sound is described, if the model takes spectrograms and tensorflow-io is not
            installed.
    """

    def __init__(self, config):
        self.config = config
        self._frames = ClipPreprocess(
            config.image_shape, config.num_audio_samples, config.frame_rate, config.sample_rate
        )
        self._pixels = ImagePreprocess(config.image_shape[1:], mean=0.0, std=1.0)
        self._log_mel = LogMel(config) if config.representation == "mel" else None

    def video(self, video):
        """Returns the inputs of videos.

        Args:
            video: uint8 (b, frames, any height, any width, 1 to 4 channels), from 1 frame to as
                many as the model takes. Behind fewer the last is repeated, and masked.

        Returns:
            dict of `video` float32 (b, *seen_shape) in [0, 1], for a `depth_range` as
            `zoo.video.depth.described_depth` has it, cut to the model's aspect ratio and resized,
            and `video_mask` bool (b, rows), False for rows of repeated frames alone.

        Raises:
            ZooError: as `zoo.multimodal.preprocess.ClipPreprocess.image`, of more frames.
        """
        num_frames, depth_range = tf.shape(video)[1], self.config.depth_range
        if depth_range is None:
            return self._with_mask(self._frames.image(self._lengthened(video)), num_frames)
        pixels = self._pixels.with_channels(tf.cast(video, tf.float32))
        channels = self._lengthened(depth_channels(pixels, depth_range))
        frames = [self._frames.image(one) for one in tf.split(channels, 2, axis=-1)]
        return self._with_mask(described_depth(255.0 * tf.concat(frames, axis=-1)), num_frames)

    def _lengthened(self, video):
        """Returns videos (b, n, h, w, c) with the last frame repeated up to the model's number."""
        missing = tf.maximum(self.config.image_shape[0] - tf.shape(video)[1], 0)
        return tf.concat([video, tf.repeat(video[:, -1:], missing, axis=1)], axis=1)

    def _with_mask(self, frames, num_frames):
        """Returns the inputs of described videos, of which so many frames are their own."""
        depth, *sides = self.config.grids["video"]
        is_shown = tf.range(depth) * self.config.image_patch[0] < num_frames
        mask = tf.repeat(is_shown, math.prod(sides))
        return {"video": frames, "video_mask": tf.tile(mask[None], [tf.shape(frames)[0], 1])}

    def _cropped(self, video, key):
        """Returns the inputs of videos, a random part of each as large as the model's frames."""
        config, pixels = self.config, self._pixels.with_channels(tf.cast(video, tf.float32))
        is_depth = config.depth_range is not None
        frames = depth_channels(pixels, config.depth_range) if is_depth else pixels
        frames, shape = self._lengthened(frames[None])[0], config.seen_shape[1:]
        frames = random_crop(frames, shape, config.crop_area, config.crop_aspect, key)
        frames = described_depth(frames) if is_depth else self._pixels.normalise(frames)
        frames = tf.ensure_shape(frames, config.seen_shape)[None]
        return self._with_mask(frames, tf.shape(video)[0])

    def audio(self, samples, key=None):
        """Returns the inputs of the sound of one clip.

        Args:
            samples: float32 (n, channels), at the model's sample rate; sound in [-1, 1]. Of more
                samples than the model takes the middle is read, fewer are padded; none is a sound
                that is missing.
            key: int32 (2,) that decides where in the window a shorter sound begins, see
                `max_audio_shift`; None: in the middle of these places.

        Returns:
            dict of `audio` float32 `audio_shape` and `audio_mask` bool (rows,), False for rows of
            padding alone.
        """
        config = self.config
        size, length = config.num_audio_samples, tf.shape(samples)[0]
        start = tf.maximum(length - size, 0) // 2
        length = tf.minimum(length, size)
        begin = self._begin(length, key)
        margins = [[begin, size - length - begin], [0, 0]]
        window = tf.pad(samples[start : start + length], margins)
        window = tf.ensure_shape(window, (size, config.num_audio_channels))
        if self._log_mel is not None:
            described, row_length = self._log_mel(window[None, :, 0])[0], config.mel_stride
        else:
            described, row_length = self._scaled(window, length), 1
        row_length *= config.audio_patch
        firsts = tf.range(config.grids["audio"][0]) * row_length
        mask = (length > 0) & (firsts + row_length > begin) & (firsts < begin + length)
        return {"audio": described, "audio_mask": mask}

    def _begin(self, length, key):
        """Returns where in the window a sound of that length begins."""
        room = tf.clip_by_value(
            self.config.num_audio_samples - length, 0, self.config.max_audio_shift
        )
        if key is None:
            return room // 2
        return tf.random.stateless_uniform((), key, 0, room + 1, tf.int32)

    def training_video(self, video, key):
        """Returns the inputs of one video, changed as the configuration says.

        Args:
            video: uint8 (frames, height, width, channels).
            key: int32 (2,), which all draws depend on.

        Returns:
            as `video`, without the axis of the batch.
        """
        config, keys = self.config, tf.random.split(key, 2)
        if config.crop_area is None:
            inputs = self.video(video[None])
        else:
            inputs = self._cropped(video, tf.random.fold_in(key, 0))
        inputs = {name: x[0] for name, x in inputs.items()}
        shift, zoom = config.max_image_shift, config.max_image_zoom
        shifts = config.max_video_shift, shift, shift
        zooms = config.max_video_speed_change, zoom, zoom
        inputs["video"] = _moved(inputs["video"], keys[0], shifts, zooms)
        if config.flips:
            flip = tf.random.stateless_uniform((), keys[1]) < 0.5
            inputs["video"] = tf.where(flip, inputs["video"][:, :, ::-1], inputs["video"])
        return inputs

    def training_audio(self, samples, key):
        """Returns the inputs of the sound of one clip, changed as the configuration says.

        Args:
            samples: see `audio`.
            key: int32 (2,), which all draws depend on.

        Returns:
            as `audio`.
        """
        config, keys = self.config, tf.random.split(key, 4)
        samples = vary(
            samples, keys[0], config.max_speed_change, config.max_noise, flips_polarity=False
        )
        if config.max_rotation:
            samples = turned(samples, tf.random.fold_in(key, 0), config.max_rotation)
        gains = (1 - config.max_gain, 1 + config.max_gain)
        shape = (config.num_audio_channels,)
        samples *= tf.random.stateless_uniform(shape, keys[2], *gains)
        inputs = self.audio(samples, keys[3])
        if self._log_mel is not None:
            inputs["audio"] = spec_augment(
                inputs["audio"],
                keys[1],
                config.frequency_mask,
                config.time_mask,
                config.num_masks,
            )
        return inputs

    @property
    def audio_signature(self):
        """What `audio` returns, a dict of `tf.TensorSpec`."""
        config = self.config
        return {
            "audio": tf.TensorSpec(config.audio_shape),
            "audio_mask": tf.TensorSpec(config.grids["audio"], tf.bool),
        }

    def missing(self, stream, batch_size):
        """Returns the inputs of a stream that no example of a batch has: nothing to attend to."""
        config = self.config
        shape = {"video": config.seen_shape, "audio": config.audio_shape}[stream]
        rows = math.prod(config.grids[stream])
        return {
            stream: tf.zeros((batch_size, *shape)),
            f"{stream}_mask": tf.zeros((batch_size, rows), tf.bool),
        }

    def _scaled(self, window, length):
        scale = self.config.audio_scale
        if scale:
            return window / tf.constant(scale)
        count = tf.cast(tf.maximum(length, 1) * self.config.num_audio_channels, tf.float32)
        power = tf.reduce_sum(tf.square(window)) / count
        return window / tf.maximum(tf.sqrt(power), QUIETEST)


def drop_streams(inputs, key, video_dropout, audio_dropout):
    """Returns the inputs of one example with one of its streams masked, or none.

    Args:
        inputs: dict with `video_mask` and `audio_mask`, bool (rows,).
        key: int32 (2,), which the draw depends on alone.
        video_dropout, audio_dropout: shares of the examples that lose that stream; together at
            most 1. A stream that is there alone stays.

    Returns:
        dict, as `inputs`.
    """
    draw = tf.random.stateless_uniform((), key)
    drops = {
        "video": draw < video_dropout,
        "audio": (draw >= video_dropout) & (draw < video_dropout + audio_dropout),
    }
    dropped = dict(inputs)
    for stream, other in (("video", "audio"), ("audio", "video")):
        drop = drops[stream] & tf.reduce_any(inputs[f"{other}_mask"])
        dropped[f"{stream}_mask"] = inputs[f"{stream}_mask"] & ~drop
    return dropped


def _moved(video, key, shifts, zooms):
    """Returns a video moved, stretched and squeezed along each axis; its ends are repeated.

    Args:
        video: float32 (frames, height, width, channels).
        key: int32 (2,).
        shifts: three numbers, most pixels (or frames) of each axis.
        zooms: three numbers, the largest relative change of each axis, about its middle.
    """
    draws = tf.random.stateless_uniform((2, 3), key, -1.0, 1.0)
    for axis, (shift, zoom) in enumerate(zip(shifts, zooms, strict=True)):
        if shift or zoom:
            last = video.shape[axis] - 1
            places = (tf.range(last + 1, dtype=tf.float32) - last / 2) * (1 + zoom * draws[0, axis])
            places = tf.cast(tf.round(places + last / 2 + shift * draws[1, axis]), tf.int32)
            video = tf.gather(video, tf.clip_by_value(places, 0, last), axis=axis)
    return video
