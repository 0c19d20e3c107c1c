"""What is served of a model of sound: waveforms or WAV files in, scores of the classes out."""

import tensorflow as tf

from zoo.audio.resampling import resampled_length
from zoo.predictions.served_scores import ServedScores, ServedTags


class ServedAudioModel(ServedScores):
    """The functions that are served; exported graph and in-process prediction both run them.

    Args:
        model: what `zoo.audio.models.audio_model` returns.
        preprocess: `zoo.audio.preprocess.AudioPreprocess`.
        class_names: the k labels in the order of the logits, or None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """

    def endpoints(self):
        """Returns the functions that are served, by signature, with what they take."""
        waveforms = [
            tf.TensorSpec((None, None), tf.float32, name="waveform"),
            tf.TensorSpec((), tf.int32, name="sample_rate"),
            tf.TensorSpec((None,), tf.int32, name="num_samples"),
        ]
        return {
            "serving_default": (self.of_waveforms, waveforms),
            f"{self.verb}_sound": (self.of_waveforms, waveforms),
            f"{self.verb}_wav": (self.of_wav, [tf.TensorSpec((None,), tf.string, name="wav")]),
        } | self._names_endpoint()

    def of_waveforms(self, waveform, sample_rate, num_samples):
        """Scores a batch of sounds.

        Args:
            waveform: float32 (b, n), mono, in [-1, 1].
            sample_rate: int32 (), samples of a second that all of them have.
            num_samples: int32 (b,), from 1 to n: the length of each; what follows is padding.

        Returns:
            `scores`, float32 (b, k): softmax over the classes, or for a tagger the sigmoid of
            each; and `label`, string (b,), the name of the best class, if the names are known.
            Of a recording longer than a window, the mean over its windows.
        """
        fits = tf.reduce_all((num_samples >= 1) & (num_samples <= tf.shape(waveform)[1]))
        check = tf.debugging.Assert(
            fits,
            ["`num_samples` must be from 1 to the length of `waveform`. Received:", num_samples],
        )
        with tf.control_dependencies([check]):
            number = tf.range(tf.shape(waveform)[1])
        # Behind its end a sound is silent.
        silenced = tf.where(number < num_samples[:, None], waveform, 0.0)
        resampled = self.preprocess.resampled(silenced, sample_rate)
        with tf.control_dependencies([resampled]):  # refuses a rate of 0, a divisor
            lengths = resampled_length(num_samples, sample_rate, self.preprocess.sample_rate)

        def described(sound):
            samples, length = sound
            return self.preprocess(samples[:length])

        signature = self.preprocess.signature
        return self._scores(
            tf.map_fn(described, (resampled, lengths), fn_output_signature=signature)
        )

    def of_wav(self, wav):
        """Scores a batch of WAV files.

        Args:
            wav: string (b,), the bytes of WAV files of 16 bits, any sample rate and channels.

        Returns:
            as `of_waveforms`.
        """

        def described(content):
            samples, rate = tf.audio.decode_wav(content)
            holds_some = tf.debugging.Assert(
                tf.shape(samples)[0] > 0, ["A sound must have at least one sample. Received: none."]
            )
            with tf.control_dependencies([holds_some]):
                mono = tf.reduce_mean(samples, axis=1)
            return self.preprocess(self.preprocess.resampled(mono, rate))

        signature = self.preprocess.signature
        return self._scores(tf.map_fn(described, wav, fn_output_signature=signature))


class ServedAudioTagger(ServedTags, ServedAudioModel):
    """As `ServedAudioModel`, for any number of labels of a sound."""
