"""What an autoencoder of clips takes: the one preprocessing of its training and serving."""

import tensorflow as tf

from zoo.errors import ZooError
from zoo.images.pipeline import ImagePreprocess


class ClipPreprocess:
    """Turns frames of any size and sound into what the model takes, and back.

    As in DeepMind's released code, pixels become [0, 1] and sound stays in [-1, 1]. Frames are cut
    to the largest centred window of the model's aspect ratio and resized. How many frames and
    samples there are must be right: what time they stand for cannot be told from the arrays, so
    sound of another rate and clips of another length are refused.

    Args:
        image_shape: (frames, height, width, channels) of the model, channels 1 or 3.
        num_audio_samples: int.
        frame_rate: frames of a second.
        sample_rate: samples of a second.
    """

    def __init__(self, image_shape, num_audio_samples, frame_rate, sample_rate):
        self.image_shape = tuple(image_shape)
        self.num_audio_samples = num_audio_samples
        self.frame_rate, self.sample_rate = float(frame_rate), sample_rate
        self._frames = ImagePreprocess(self.image_shape[1:], mean=0.0, std=1.0)

    def image(self, video):
        """Returns float32 (b, *image_shape) in [0, 1] of raw frames.

        Args:
            video: uint8 (b, frames, any height, any width, 1 to 4 channels).

        Raises:
            ZooError: if the number of frames is known and wrong; where it is known only in the
                graph, a `tf.errors.InvalidArgumentError`.
        """
        num_frames = self.image_shape[0]
        video = self._checked(
            video,
            num_frames,
            f"`video` must have {num_frames} frames, at {self.frame_rate:g} a second",
        )
        shape = tf.shape(video)
        frames = tf.reshape(video, (-1, shape[2], shape[3], video.shape[4] or shape[4]))
        frames = self._frames.normalise(self._frames.resize(frames))
        return tf.reshape(frames, (-1, *self.image_shape))

    def audio(self, audio):
        """Returns float32 (b, num_audio_samples, 1) of sound.

        Args:
            audio: float32 (b, num_audio_samples) in [-1, 1].

        Raises:
            ZooError: as `image`.
        """
        audio = self._checked(
            audio,
            self.num_audio_samples,
            f"`audio` must have {self.num_audio_samples} samples, at {self.sample_rate} a second "
            "(resample sound of another rate)",
        )
        return tf.cast(audio, tf.float32)[..., None]

    def video(self, image):
        """Returns uint8 frames of the model's output, the inverse of `image`."""
        return tf.cast(tf.round(tf.clip_by_value(image, 0.0, 1.0) * 255.0), tf.uint8)

    def sound(self, audio):
        """Returns float32 (b, num_audio_samples) in [-1, 1] of the model's output."""
        return tf.clip_by_value(audio[..., 0], -1.0, 1.0)

    def _checked(self, tensor, length, requirement):
        found = tensor.shape[1]
        if found is not None:
            if found != length:
                raise ZooError(f"{requirement}. Received: {found}.")
            return tensor
        found = tf.shape(tensor)[1]
        with tf.control_dependencies([tf.debugging.Assert(found == length, [requirement, found])]):
            return tf.ensure_shape(tf.identity(tensor), (None, length, *tensor.shape[2:]))
