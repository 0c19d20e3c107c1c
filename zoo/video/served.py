"""What is served of a model of video: frames or GIF files in, scores of the classes out."""

import tensorflow as tf

from zoo.predictions.served_scores import ServedScores, ServedTags


class ServedVideoModel(ServedScores):
    """The functions that are served; exported graph and in-process prediction both run them.

    Args:
        model: what `zoo.video.models.video_model` returns.
        preprocess: `zoo.video.preprocess.VideoPreprocess`.
        class_names: the k labels in the order of the logits, or None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """

    def endpoints(self):
        """Returns the functions that are served, by signature, with what they take."""
        video = tf.TensorSpec((None, None, None, None, None), tf.uint8, name="video")
        num_frames = tf.TensorSpec((None,), tf.int32, name="num_frames")
        return {
            "serving_default": (self.of_videos, [video]),
            f"{self.verb}_video": (self.of_videos, [video]),
            f"{self.verb}_padded_video": (self.of_padded_videos, [video, num_frames]),
            f"{self.verb}_gif": (self.of_gifs, [tf.TensorSpec((None,), tf.string, name="gif")]),
            "video_format": (self.video_format, []),
        } | self._names_endpoint()

    def of_videos(self, video):
        """Scores a batch of videos that have equally many frames.

        Args:
            video: uint8 (b, n, h, w, channels), any n and size, grey (1) or RGB (3), at the frame
                rate that `video_format` tells.

        Returns:
            `scores`, float32 (b, k): softmax over the classes, or for a tagger the sigmoid of
            each; and `label`, string (b,), the name of the best class, if the names are known.
            Of a video longer than a window, the mean over its windows.
        """
        return self.of_padded_videos(video, tf.fill(tf.shape(video)[:1], tf.shape(video)[1]))

    def of_padded_videos(self, video, num_frames):
        """Scores a batch of videos, of which some are padded.

        Args:
            video: as `of_videos` takes them; anything at padding.
            num_frames: int32 (b,), from 1 to n: the length of each; what follows is padding.

        Returns:
            as `of_videos`.
        """
        fits = tf.reduce_all((num_frames >= 1) & (num_frames <= tf.shape(video)[1]))
        check = tf.debugging.Assert(
            fits,
            ["A video must have at least one frame, and no more than there are. Received:"]
            + [num_frames],
        )
        with tf.control_dependencies([check]):
            video = tf.identity(video)

        def described(one):
            frames, length = one
            return self.preprocess(frames[:length])

        return self._scores_of(described, (video, num_frames))

    def of_gifs(self, gif):
        """Scores a batch of GIF files.

        Args:
            gif: string (b,), the bytes of GIF files; each frame counts as one of the model's.

        Returns:
            as `of_videos`.
        """

        def described(content):
            return self.preprocess(tf.io.decode_gif(content))

        return self._scores_of(described, gif)

    def video_format(self):
        """Returns what the model makes of a video.

        Returns:
            dict of scalars: `num_frames` of a window, `num_windows`, `height`, `width` and
            `channels` of what it sees (int32), and `frame_rate`, frames of a second (float32), 0
            where a window is a whole video of any rate.
        """
        height, width, channels = self.preprocess.frame_shape
        return {
            "num_frames": tf.constant(self.preprocess.num_frames),
            "num_windows": tf.constant(self.preprocess.num_windows),
            "height": tf.constant(height),
            "width": tf.constant(width),
            "channels": tf.constant(channels),
            "frame_rate": tf.constant(self.preprocess.frame_rate or 0.0, tf.float32),
        }

    def _scores_of(self, described, videos):
        """Returns what is served of a batch, each of which `described` makes windows of."""
        signature = self.preprocess.signature
        inputs = tf.map_fn(described, videos, fn_output_signature=signature)
        return self._scores(inputs)


class ServedVideoTagger(ServedTags, ServedVideoModel):
    """As `ServedVideoModel`, for any number of labels of a video."""
