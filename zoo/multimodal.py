"""Clips with sound: the pipeline of the multimodal autoencoder."""

import dataclasses
import os
from pathlib import Path

import tensorflow as tf

from perceiver_tf.layers.space_to_depth import space_to_depth
from zoo.clip_files import StoredClips, list_clips
from zoo.errors import ZooError
from zoo.example_pipeline import ExamplePipeline, Split
from zoo.multimodal_preprocess import ClipPreprocess
from zoo.spoken_digits import open_spoken_digits

DIGITS = tuple("0123456789")


class ClipPipeline(ExamplePipeline):
    """Delivers clips as inputs and targets, see `multimodal_models.multimodal_autoencoder`.

    Training draws the points to decode anew in every epoch; held-out examples always have the
    same. A label that is not known is all zeros.

    Args:
        config: `zoo.multimodal_configs.MultimodalAutoencoderConfig`.
        source_spec: where the clips are, one of:
            "IMAGES.npz+SOUNDS/", such as "mnist.npz+fsdd/": clips made of MNIST's digits, which
            bounce, and of FSDD's recordings of the same digits, see `zoo.spoken_digits`;
            a folder of clips with sound, or a text file that lists such, see
            `zoo.clip_files.list_clips`.
        skip_corrupt: bool. Leave out clips that cannot be read, are too short or mute.
    """

    def __init__(self, config, source_spec, skip_corrupt=False):
        self.config, self.source_spec = config, os.fspath(source_spec)
        self.skip_corrupt = skip_corrupt
        preprocess = ClipPreprocess(
            config.image_shape, config.num_audio_samples, config.frame_rate, config.sample_rate
        )
        super().__init__(f"the clips {self.source_spec}", self._read, preprocess)
        images, self._is_made, sounds = self.source_spec.partition(".npz+")
        self._parts = Path(images + ".npz").expanduser(), Path(sounds).expanduser()
        try:
            names = self.classes_of_the_data()
        except ZooError:  # the data may be elsewhere; it is needed for batches only
            names = ()
        self.class_names = names if len(names) == config.num_classes else None

    def classes_of_the_data(self):
        """Returns the names of all classes that the data has, none if its clips have no label.

        Raises:
            ZooError: if there is no such data.
        """
        return DIGITS if self._is_made else list_clips(Path(self.source_spec).expanduser())[1]

    def _read(self):
        if self._is_made:
            clips = open_spoken_digits(*self._parts, self.config)
        else:
            files, names = list_clips(Path(self.source_spec).expanduser())
            if len(names) > self.config.num_classes:
                raise ZooError(
                    "The model must have an output for each class of the data. Received: "
                    f"{self.config.num_classes} outputs for the {len(names)} classes of "
                    f"{self.source_spec}."
                )
            clips = {
                split: StoredClips(listed, names, self.config, self.skip_corrupt)
                for split, listed in files.items()
            }
        return {split: _split(self.config, self.preprocess, of) for split, of in clips.items()}


def multimodal_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the `ClipPipeline` of an autoencoder of clips on the given data."""
    return ClipPipeline(config, source_spec, skip_corrupt)


def with_classes_of_the_data(config, pipeline):
    """Returns the configuration and the pipeline for as many classes as the data has, if any."""
    names = pipeline.classes_of_the_data()
    if names:
        config = dataclasses.replace(config, num_classes=len(names))
    return config, ClipPipeline(config, pipeline.source_spec, pipeline.skip_corrupt)


def _split(config, preprocess, clips):
    def example(index, key, training):
        if not training:
            key = tf.stack([tf.cast(index, tf.int32), 0])
        keys = tf.random.split(key, 2)
        video, audio, label = clips.clip(index, keys[0])
        values = {
            "audio": preprocess.audio(audio[None])[0],
            "image": preprocess.image(video[None])[0],
            "label": tf.one_hot(label, config.num_classes),
        }
        return _asked(config, values, keys[1])

    return Split(clips.num_clips, example)


def _asked(config, values, key):
    """Returns inputs and targets: all of the clip, or the patches at points drawn from `key`."""
    inputs = {name: x for name, x in values.items() if name not in config.masked}
    targets = dict(values)
    for number, (name, count, patch) in enumerate(
        (
            ("audio", config.num_audio_points, (config.audio_patch,)),
            ("image", config.num_image_points, config.image_output_patch),
        )
    ):
        if count is not None:
            patches = space_to_depth(values[name][None], patch)
            patches = tf.reshape(patches, (-1, patches.shape[-1]))
            fold = tf.random.fold_in(key, number)
            points = tf.random.stateless_uniform((count,), fold, 0, patches.shape[0], tf.int32)
            inputs[f"{name}_points"] = points
            targets[name] = tf.gather(patches, points)
    return inputs, targets
