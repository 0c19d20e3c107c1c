"""Sounds: the pipeline of classifiers and taggers of sound, from files to examples."""

import dataclasses

import numpy as np
import tensorflow as tf

from zoo.audio.configs import AudioClassifierConfig
from zoo.audio.files import list_sounds
from zoo.audio.preprocess import AudioPreprocess
from zoo.audio.sounds import Sounds
from zoo.audio.tfds import open_stored_sounds
from zoo.data.example_pipeline import ExamplePipeline, Split
from zoo.errors import ZooError


class AudioPipeline(ExamplePipeline):
    """Delivers `(inputs, targets)`: see `zoo.audio.preprocess.AudioPreprocess`, and labels.

    In training an example is one window of a sound, at a random place and varied; held out it is
    `num_windows` windows, evenly spread. Labels are float32 (b, num_classes), 1 for those that a
    sound has.

    Args:
        config: `zoo.audio.configs.AudioConfig`.
        source_spec: where the sounds are, see `zoo.audio.files.list_sounds`; or the name of a
            data set, see `zoo.audio.tfds`.
        skip_corrupt: bool. Leave out, and count, sounds that cannot be read.
        class_names: names of the classes; None: known once the data is read, if it has as many
            as the model.

    Attributes:
        skipped: tuple of str, what was left out so far as it cannot be read, and why.
    """

    skipped = ()

    def __init__(self, config, source_spec, skip_corrupt=False, class_names=None):
        preprocess = AudioPreprocess(config)
        super().__init__(f"the sounds {source_spec}", self._read, preprocess, class_names)
        self.config = config
        self.source_spec = source_spec
        self.skip_corrupt = skip_corrupt

    def _read(self):
        num_classes = self.config.num_classes
        data = open_stored_sounds(self.source_spec)
        if data is None:
            splits, names = list_sounds(self.source_spec, num_classes)
        else:
            splits, names = {}, data.class_names
        if len(names) > num_classes:
            raise ZooError(
                "The model must have an output for each class of the data. Received: "
                f"{num_classes} outputs for the {len(names)} classes of {self.source_spec}."
            )
        if isinstance(self.config, AudioClassifierConfig):
            _check_one_label_each(splits)
        if len(names) == num_classes:
            self.class_names = names
        if data is not None:
            return {split: self._stream_of(data, split) for split in data.splits}
        return {split: self._split_of(sounds) for split, sounds in splits.items()}

    def _stream_of(self, data, split):
        config = self.config

        def example(stored, key, training):
            waveform, label = data.sound(stored, config.sample_rate)
            return self._inputs(waveform, key, training), tf.one_hot(label, config.num_classes)

        return data.stream(split, example)

    def _inputs(self, waveform, key, training):
        preprocess = self.preprocess
        return preprocess.training(waveform, key) if training else preprocess(waveform)

    def _split_of(self, listed):
        config = self.config
        sounds = Sounds(listed, config.sample_rate, self.skip_corrupt)
        self.skipped += sounds.skipped
        counts = [len(sound.labels) for sound in sounds.sounds]
        with tf.init_scope(), tf.device("CPU:0"):
            bounds = tf.constant(np.cumsum([0, *counts]), tf.int64)
            labels = tf.constant([n for s in sounds.sounds for n in s.labels], tf.int32)

        def example(fetched, key, training):
            index, waveform = sounds.waveform(fetched)
            inputs = self._inputs(waveform, key, training)
            heard = labels[bounds[index] : bounds[index + 1]]
            # A sound without labels has a row of zeros, which the maximum of nothing is not.
            rows = tf.one_hot(tf.concat([heard, [-1]], axis=0), config.num_classes)
            return inputs, tf.reduce_max(rows, axis=0)

        return Split(len(sounds.sounds), example, sounds.fetch)


def audio_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the `AudioPipeline` of a model of sound on the given data."""
    return AudioPipeline(config, source_spec, skip_corrupt)


def with_classes_of_the_data(config, pipeline):
    """Returns the configuration and the pipeline for as many classes as the data has."""
    data = open_stored_sounds(pipeline.source_spec)
    names = list_sounds(pipeline.source_spec)[1] if data is None else data.class_names
    config = dataclasses.replace(config, num_classes=len(names))
    return config, AudioPipeline(config, pipeline.source_spec, pipeline.skip_corrupt, names)


def _check_one_label_each(splits):
    for sounds in splits.values():
        for sound in sounds:
            if len(sound.labels) != 1:
                raise ZooError(
                    "A sound must have one label for a classifier; a tagger takes any number. "
                    f"Received: {sound.path} with {len(sound.labels)}."
                )
