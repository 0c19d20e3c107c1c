"""Clips with sound: the pipeline of the multimodal autoencoder."""

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


def multimodal_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the pipeline of an autoencoder of clips on the given data.

    Args:
        config: `zoo.multimodal_configs.MultimodalAutoencoderConfig`.
        source_spec: where the clips are, one of:
            "IMAGES.npz+SOUNDS/", such as "mnist.npz+fsdd/": clips made of MNIST's digits, which
            bounce, and of FSDD's recordings of the same digits, see `zoo.spoken_digits`;
            a folder of clips with sound, or a text file that lists such, see
            `zoo.clip_files.list_clips`.
        skip_corrupt: bool. Leave out clips that cannot be read, are too short or mute.

    Returns:
        `zoo.example_pipeline.ExamplePipeline` of inputs and targets as the model has them, see
        `zoo.multimodal_models.multimodal_autoencoder`. Training draws the points to decode anew in
        every epoch; held-out examples always have the same. A label that is not known is all
        zeros.

    Raises:
        ZooError: if there is no such data.
    """
    text = os.fspath(source_spec)
    preprocess = ClipPreprocess(
        config.image_shape, config.num_audio_samples, config.frame_rate, config.sample_rate
    )
    images, plus, sounds = text.partition(".npz+")
    if plus:
        paths = Path(images + ".npz").expanduser(), Path(sounds).expanduser()

        def open_digits():
            clips = open_spoken_digits(*paths, config)
            return {split: _split(config, preprocess, made) for split, made in clips.items()}

        return ExamplePipeline(text, open_digits, preprocess, DIGITS)

    path = Path(text).expanduser()

    def open_files():
        splits, class_names = list_clips(path)
        if len(class_names) > config.num_classes:
            raise ZooError(
                f"The model must have an output for each class of the data. Received: "
                f"{config.num_classes} outputs for the {len(class_names)} classes of {text}."
            )
        return {
            split: _split(config, preprocess, StoredClips(clips, class_names, config, skip_corrupt))
            for split, clips in splits.items()
        }

    return ExamplePipeline(text, open_files, preprocess, _class_names(path, config))


def _class_names(path, config):
    """Returns the names of the classes, or None if the data cannot say one for each output."""
    try:
        _, names = list_clips(path)
    except ZooError:
        return None
    return names if len(names) == config.num_classes else None


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
