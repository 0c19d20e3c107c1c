"""What is served of a model of video with sound: frames and samples in, scores of classes out."""

import tensorflow as tf

from zoo.predictions.served_scores import ServedScores, ServedTags

_LENGTHS = "`num_samples` must be from {} to the length of `audio`. Received:"


class ServedAudioVideo(ServedScores):
    """The functions that are served; exported graph and in-process prediction both run them.

    Args:
        model: what `zoo.audio_video.models.audio_video_model` returns.
        preprocess: `zoo.audio_video.preprocess.AudioVideoPreprocess`.
        class_names: the k labels in the order of the logits, or None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """

    def __init__(self, model, preprocess, class_names=None):
        super().__init__(model, preprocess, class_names)
        self._streams = preprocess.config.streams

    def endpoints(self):
        """Returns the functions that are served, by signature, with what they take.

        `serving_default` and `classify_audio_video` (of taggers `tag_audio_video`) take what the
        model reads; of a model of both, `classify_video_only` and `classify_audio_only` take one
        stream, and the other is masked.
        """
        specs = {"video": self._video_specs(), "audio": self._audio_specs()}
        both = [spec for stream in self._streams for spec in specs[stream]]
        endpoints = {
            "serving_default": (self.of_streams, both),
            f"{self.verb}_audio_video": (self.of_streams, both),
            "clip_format": (self.clip_format, []),
        }
        if len(self._streams) == 2:
            endpoints[f"{self.verb}_video_only"] = (self.of_video, specs["video"])
            endpoints[f"{self.verb}_audio_only"] = (self.of_audio, specs["audio"])
        return endpoints | self._names_endpoint()

    def of_streams(self, *tensors):
        """Scores a batch of clips.

        Args:
            *tensors: of what the model reads: `video`, uint8 (b, frames, any height, any width,
                1 to 4 channels), as many frames as `clip_format` says, or fewer, from 1 on, the
                others being masked; `audio`, float32 (b, n), or
                (b, n, channels) for a model of several, sound in [-1, 1], at the rate that
                `clip_format` says; and `num_samples`, int32 (b,), from 0 to n: the length of each,
                what follows is padding. 0 says that this clip has no sound; a model of sound alone
                takes no such clip.

        Returns:
            `scores`, float32 (b, k): softmax over the classes, or for a tagger the sigmoid of
            each; and `label`, string (b,), the name of the best class, if the names are known.
        """
        inputs, tensors = {}, list(tensors)
        if "video" in self._streams:
            inputs |= self.preprocess.video(tensors.pop(0))
        if "audio" in self._streams:
            inputs |= self._audio(*tensors, least=0 if "video" in self._streams else 1)
        return self._scores(inputs)

    def of_video(self, video):
        """Scores a batch of clips by their video alone, see `of_streams`."""
        inputs = self.preprocess.video(video)
        return self._scores({**inputs, **self.preprocess.missing("audio", tf.shape(video)[0])})

    def of_audio(self, audio, num_samples):
        """Scores a batch of clips by their sound alone, see `of_streams`; `num_samples` from 1."""
        inputs = self._audio(audio, num_samples, least=1)
        return self._scores({**inputs, **self.preprocess.missing("video", tf.shape(audio)[0])})

    def clip_format(self):
        """Returns what clips must be like.

        Returns:
            dict of scalars `num_frames`, `height`, `width`, `num_audio_samples`,
            `num_audio_channels` and `sample_rate` (int32), `frame_rate` (float32), `sees_video`
            and `sees_audio` (bool). Of a longer sound the middle is read.
        """
        config = self.preprocess.config
        num_frames, height, width, _ = config.image_shape
        return {
            "num_frames": tf.constant(num_frames),
            "height": tf.constant(height),
            "width": tf.constant(width),
            "num_audio_samples": tf.constant(config.num_audio_samples),
            "num_audio_channels": tf.constant(config.num_audio_channels),
            "sample_rate": tf.constant(config.sample_rate),
            "frame_rate": tf.constant(config.frame_rate, tf.float32),
            "sees_video": tf.constant("video" in self._streams),
            "sees_audio": tf.constant("audio" in self._streams),
        }

    def _video_specs(self):
        return [tf.TensorSpec((None, None, None, None, None), tf.uint8, name="video")]

    def _audio_specs(self):
        channels = self.preprocess.config.num_audio_channels
        shape = (None, None) if channels == 1 else (None, None, channels)
        return [
            tf.TensorSpec(shape, tf.float32, name="audio"),
            tf.TensorSpec((None,), tf.int32, name="num_samples"),
        ]

    def _audio(self, audio, num_samples, least):
        fits = tf.reduce_all((num_samples >= least) & (num_samples <= tf.shape(audio)[1]))
        check = tf.debugging.Assert(fits, [_LENGTHS.format(least), num_samples])
        with tf.control_dependencies([check]):
            lengths = tf.identity(num_samples)
        if len(audio.shape) == 2:
            audio = audio[..., None]

        def described(clip):
            samples, length = clip
            return self.preprocess.audio(samples[:length])

        signature = self.preprocess.audio_signature
        return tf.map_fn(described, (audio, lengths), fn_output_signature=signature)


class ServedAudioVideoTagger(ServedTags, ServedAudioVideo):
    """As `ServedAudioVideo`, for any number of labels of a clip."""
