"""Clips with sound: the pipeline of the multimodal autoencoder."""

import dataclasses
import os
from pathlib import Path

import tensorflow as tf

from perceiver_tf.layers.space_to_depth import space_to_depth
from zoo.clips.files import StoredClips, list_clips
from zoo.clips.spoken_digits import open_spoken_digits
from zoo.data.example_pipeline import ExamplePipeline, Split
from zoo.errors import ZooError
from zoo.multimodal.preprocess import ClipPreprocess
from zoo.video.preprocess import of_each
from zoo.video.tfds import open_tfds_videos

DIGITS = tuple("0123456789")


class ClipPipeline(ExamplePipeline):
    """Delivers clips as inputs and targets, see `multimodal_models.multimodal_autoencoder`.

    Training draws the points to decode anew in every epoch; held-out examples always have the
    same. A label that is not known is all zeros.

    Args:
        config: `zoo.multimodal.configs.MultimodalAutoencoderConfig`.
        source_spec: where the clips are, one of:
            "IMAGES.npz+SOUNDS/", such as "mnist.npz+fsdd/": clips made of MNIST's digits, which
            bounce, and of FSDD's recordings of the same digits, see `zoo.clips.spoken_digits`;
            a folder of clips with sound, or a text file that lists such, see
            `zoo.clips.files.list_clips`;
            the name of a data set of videos, see `zoo.video.tfds`: of each video as many frames as
            the model has, in training from a random one on, with silence; the label is known if
            there are labels. If it has a single split, not for training, a fifth is held out.
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
        if self._is_made:
            return DIGITS
        videos = open_tfds_videos(self.source_spec, hold_out=True)
        if videos is not None:
            return videos.class_names
        return list_clips(Path(self.source_spec).expanduser())[1]

    def _read(self):
        config, preprocess = self.config, self.preprocess
        if self._is_made:
            clips = open_spoken_digits(*self._parts, config)
            return {split: _split(config, preprocess, of) for split, of in clips.items()}
        videos = open_tfds_videos(self.source_spec, hold_out=True)
        if videos is not None:
            self._check_classes(videos.class_names)
            example = _example_of(config, preprocess, videos)
            return {split: videos.stream(split, example) for split in videos.splits}
        files, names = list_clips(Path(self.source_spec).expanduser())
        self._check_classes(names)
        clips = {
            split: StoredClips(listed, names, config, self.skip_corrupt)
            for split, listed in files.items()
        }
        return {split: _split(config, preprocess, of) for split, of in clips.items()}

    def _check_classes(self, names):
        num_classes = self.config.num_classes
        if len(names) > num_classes:
            raise ZooError(
                "The model must have an output for each class of the data. Received: "
                f"{num_classes} outputs for the {len(names)} classes of {self.source_spec}."
            )


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
        return _made(config, preprocess, clips.clip(index, keys[0]), keys[1])

    return Split(clips.num_clips, example)


def _example_of(config, preprocess, videos):
    """Returns what makes an example of a video of `TfdsVideos` as it is stored."""
    num_frames = config.image_shape[0]

    def example(stored, key, training):
        keys = tf.random.split(key, 2)
        frames = videos.frames(stored, num_frames)
        start = 0
        if training:
            places = tf.shape(frames)[0] - num_frames + 1
            start = tf.random.stateless_uniform((), keys[0], 0, places, tf.int32)
        video = of_each(frames, start + tf.range(num_frames), videos.decode)
        clip = video, tf.zeros(config.num_audio_samples), videos.label(stored)
        return _made(config, preprocess, clip, keys[1])

    return example


def _made(config, preprocess, clip, key):
    """Returns inputs and targets of a clip: frames, samples and the number of its class."""
    video, audio, label = clip
    values = {
        "audio": preprocess.audio(audio[None])[0],
        "image": preprocess.image(video[None])[0],
        "label": tf.one_hot(label, config.num_classes),
    }
    return _asked(config, values, key)


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
