"""Video with sound: the pipeline of classifiers and taggers of both, from files to examples."""

import dataclasses
import os
from pathlib import Path

import tensorflow as tf

from zoo.audio_video.arrays import open_array_clips
from zoo.audio_video.clips import StoredAudioVideo
from zoo.audio_video.configs import AudioVideoTaggerConfig
from zoo.audio_video.preprocess import AudioVideoPreprocess, drop_streams
from zoo.clips.files import list_clips
from zoo.clips.spoken_digits import open_spoken_digits
from zoo.data.example_pipeline import ExamplePipeline, Split
from zoo.data.mix_up import with_mix_up
from zoo.errors import ZooError
from zoo.multimodal.pipeline import DIGITS

LABEL_SEPARATOR = ";"


class AudioVideoPipeline(ExamplePipeline):
    """Delivers `(inputs, targets)`: see `zoo.audio_video.models`, and labels.

    In training streams are varied, and masked as a whole at the configuration's rates; held-out
    examples are always the same. Labels are float32 (b, num_classes), 1 for those of an example.

    Args:
        config: `zoo.audio_video.configs.AudioVideoConfig`.
        source_spec: where the clips are, one of:
            "IMAGES.npz+SOUNDS/", such as "mnist.npz+fsdd/": clips made of MNIST's digits, which
            bounce, and of FSDD's recordings of the same digits, see `zoo.clips.spoken_digits`;
            "VIDEOS.npz+SERIES.npz": arrays, see `zoo.audio_video.arrays.open_array_clips`;
            a folder of clips by class, or a text file that lists such, see
            `zoo.clips.files.list_clips`; for a tagger a clip may have several labels, with ";"
            between. The sound of clips without a sound track is masked, and so is what those lack
            that end before the model's length.
        skip_corrupt: bool. Leave out clips that cannot be read.
        opened: `(clips by split, class names)` that were read already, or None.

    Attributes:
        skipped: tuple of str, what was left out so far as it cannot be read, and why.
    """

    skipped = ()

    def __init__(self, config, source_spec, skip_corrupt=False, opened=None):
        self.config, self.source_spec = config, os.fspath(source_spec)
        self.skip_corrupt = skip_corrupt
        name = f"the clips {self.source_spec}"
        super().__init__(name, self._read, AudioVideoPreprocess(config))
        self._clips_and_names = opened
        if opened is not None and len(opened[1]) == config.num_classes:
            self.class_names = opened[1]

    @property
    def clips_and_names(self):
        """The clips by split and the names of all classes.

        Raises:
            ZooError: if there is no such data.
        """
        if self._clips_and_names is None:
            self._clips_and_names = _open(self.config, self.source_spec, self.skip_corrupt)
        return self._clips_and_names

    def _read(self):
        (clips, names), num_classes = self.clips_and_names, self.config.num_classes
        if len(names) > num_classes:
            raise ZooError(
                "The model must have an output for each class of the data. Received: "
                f"{num_classes} outputs for the {len(names)} classes of {self.source_spec}."
            )
        if len(names) == num_classes:
            self.class_names = names
        self.skipped = tuple(reason for of in clips.values() for reason in of.skipped)
        return {split: _split(self.config, self.preprocess, of) for split, of in clips.items()}


def audio_video_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the `AudioVideoPipeline` of a model of video with sound on the given data."""
    return AudioVideoPipeline(config, source_spec, skip_corrupt)


def with_classes_of_the_data(config, pipeline):
    """Returns the configuration and the pipeline for as many classes as the data has."""
    opened = pipeline.clips_and_names
    config = dataclasses.replace(config, num_classes=len(opened[1]))
    return config, AudioVideoPipeline(config, pipeline.source_spec, pipeline.skip_corrupt, opened)


def without_stream(config):
    """Returns what a model of both streams is measured by beside its usual inputs.

    Returns:
        dict from "without_audio" and "without_video" to a function from the inputs of a batch to
        those with this stream masked, but where an example has no other; empty for a model of one
        stream.
    """
    if len(config.streams) == 1:
        return {}

    def masking(stream, other):
        def masked(inputs):
            has_other = tf.reduce_any(inputs[f"{other}_mask"], axis=1, keepdims=True)
            name = f"{stream}_mask"
            return {**inputs, name: inputs[name] & ~has_other}

        return masked

    pairs = (("audio", "video"), ("video", "audio"))
    return {f"without_{stream}": masking(stream, other) for stream, other in pairs}


def _open(config, source_spec, skip_corrupt):
    """Returns the clips by split, and the class names."""
    first, is_pair, second = source_spec.partition(".npz+")
    if is_pair:
        first, second = Path(first + ".npz").expanduser(), Path(second).expanduser()
        if second.suffix == ".npz":
            return open_array_clips(first, second, config.num_audio_channels, config.image_shape[0])
        made = open_spoken_digits(first, second, dataclasses.replace(config, num_classes=10))
        return {split: _MadeClips(clips) for split, clips in made.items()}, DIGITS
    files, names = list_clips(Path(source_spec).expanduser())
    several = isinstance(config, AudioVideoTaggerConfig)
    if several:
        names = tuple(sorted({label for name in names for label in name.split(LABEL_SEPARATOR)}))
    if config.num_audio_channels != 1:
        raise ZooError(
            "A model that reads clips must have `num_audio_channels`=1. "
            f"Received: num_audio_channels={config.num_audio_channels}."
        )

    def label_numbers(path, name):
        if name is None:
            raise ZooError(f"Every clip must have a class. Received: {path} without one.")
        labels = name.split(LABEL_SEPARATOR) if several else [name]
        return [names.index(label) for label in labels]

    stored = {
        split: StoredAudioVideo(listed, label_numbers, config, skip_corrupt)
        for split, listed in files.items()
    }
    return stored, names


class _MadeClips:
    """Clips of spoken digits in the form of the others."""

    skipped = ()

    def __init__(self, clips):
        self._clips, self.num_clips = clips, clips.num_clips

    def clip(self, index, key):
        video, audio, label = self._clips.clip(index, key)
        return video, audio[:, None], label[None], tf.constant(True)


def _split(config, preprocess, clips):
    def example(index, key, training):
        if not training:
            key = tf.stack([tf.cast(index, tf.int32), 0])
        keys = tf.random.split(key, 4)
        video, samples, labels, has_audio = clips.clip(index, keys[0])
        if training:
            inputs = preprocess.training_video(video, keys[1])
            inputs |= preprocess.training_audio(samples, keys[2])
        else:
            inputs = {name: x[0] for name, x in preprocess.video(video[None]).items()}
            inputs |= preprocess.audio(samples)
        inputs["audio_mask"] &= has_audio
        targets = tf.reduce_max(tf.one_hot(labels, config.num_classes), axis=0)
        names = [name for stream in config.streams for name in (stream, f"{stream}_mask")]
        return {name: inputs[name] for name in names}, targets

    def with_dropped_streams(index, key, training):
        inputs, targets = mixing(index, key, training)
        if training and len(config.streams) == 2:
            rates = config.video_dropout, config.audio_dropout
            inputs = drop_streams(inputs, tf.random.split(key, 4)[3], *rates)
        return inputs, targets

    mixing = with_mix_up(example, clips.num_clips, config.mix_up)
    return Split(clips.num_clips, with_dropped_streams)
