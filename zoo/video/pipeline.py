"""Videos: the pipeline of classifiers and taggers of video, from files to examples."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from zoo.data.example_pipeline import ExamplePipeline, Split
from zoo.data.mix_up import with_mix_up
from zoo.errors import ZooError
from zoo.video.arrays import ArrayVideos, parse_array_spec
from zoo.video.configs import VideoClassifierConfig
from zoo.video.files import list_videos
from zoo.video.preprocess import VideoPreprocess
from zoo.video.tfds import open_tfds_videos
from zoo.video.times import VideoForm
from zoo.video.videos import Videos


class VideoPipeline(ExamplePipeline):
    """Delivers `(inputs, targets)`: see `zoo.video.preprocess.VideoPreprocess`, and labels.

    In training an example is one window of a video, at a random place and varied; held out it is
    `num_windows` windows, evenly spread. Labels are float32 (b, num_classes), 1 for those that a
    video has.

    Args:
        config: `zoo.video.configs.VideoConfig`.
        source_spec: where the videos are: a folder or a manifest, see
            `zoo.video.files.list_videos`, an `.npz` file, see `zoo.video.arrays`, or the name of
            a data set, see `zoo.video.tfds`.
        skip_corrupt: bool. Leave out, and count, videos that cannot be read.
        class_names: names of the classes; None: known once the data is read, if it has as many
            as the model.

    Attributes:
        skipped: tuple of str, what was left out so far as it cannot be read, and why.
    """

    skipped = ()

    def __init__(self, config, source_spec, skip_corrupt=False, class_names=None):
        preprocess = VideoPreprocess(config)
        super().__init__(f"the videos {source_spec}", self._read, preprocess, class_names)
        self.config = config
        self.source_spec = source_spec
        self.skip_corrupt = skip_corrupt

    def classes_of_the_data(self):
        """Returns the names of all classes that the data has.

        Raises:
            ZooError: if there is no such data.
        """
        data = open_tfds_videos(self.source_spec)
        if data is not None:
            return _class_names(data)
        spec = parse_array_spec(self.source_spec)
        return list_videos(self.source_spec)[1] if spec is None else ArrayVideos(spec).class_names

    def _read(self):
        config = self.config
        data = open_tfds_videos(self.source_spec)
        if data is not None:
            return self._streams(data)
        spec = parse_array_spec(self.source_spec)
        if spec is None:
            files, names = list_videos(self.source_spec, config.num_classes)
            self._check(files, names)
            videos = {split: self._decoded(listed, split) for split, listed in files.items()}
        else:
            arrays = ArrayVideos(spec)
            names = arrays.class_names
            self._check({}, names)
            videos = {split: arrays.split(split) for split in arrays.rows}
        return {split: self._split_of(stored) for split, stored in videos.items()}

    def _check(self, files, names):
        num_classes = self.config.num_classes
        if len(names) > num_classes:
            raise ZooError(
                "The model must have an output for each class of the data. Received: "
                f"{num_classes} outputs for the {len(names)} classes of {self.source_spec}."
            )
        if len(names) == num_classes:
            self.class_names = names
        if not isinstance(self.config, VideoClassifierConfig):
            return
        for file in (file for listed in files.values() for file in listed):
            if len(file.labels) != 1:
                raise ZooError(
                    "A video must have one label for a classifier; a tagger takes any number. "
                    f"Received: {file.path} with {len(file.labels)}."
                )

    def _decoded(self, files, split):
        config = self.config
        form = VideoForm(
            config.num_frames, config.frame_rate, config.frame_shape, config.num_windows
        )
        videos = Videos(files, form, split == "train", config.max_speed_change, self.skip_corrupt)
        self.skipped += videos.skipped
        return videos

    def _streams(self, data):
        """Returns the `Stream` of each split of `TfdsVideos`."""
        preprocess, num_classes = self.preprocess, self.config.num_classes
        self._check({}, _class_names(data))

        def example(stored, key, training):
            make = functools.partial(preprocess.training, key=key) if training else preprocess
            inputs = make(data.frames(stored), decode=data.decode)
            return inputs, tf.one_hot(data.label(stored), num_classes)

        return {split: data.stream(split, example) for split in data.splits}

    def _split_of(self, videos):
        """Returns the `Split` of `Videos` or `StoredVideos`."""
        preprocess, num_classes = self.preprocess, self.config.num_classes
        with tf.init_scope(), tf.device("CPU:0"):
            bounds = tf.constant(np.cumsum([0, *map(len, videos.labels)]), tf.int64)
            labels = tf.constant([label for one in videos.labels for label in one], tf.int32)

        def example(index, key, training):
            if training:
                place_key, change_key = tf.unstack(tf.random.split(key, 2))
                place = tf.random.stateless_uniform((), place_key)
                inputs = preprocess.training(videos.frames(index, place), change_key)
            else:
                inputs = preprocess(videos.frames(index, tf.constant(-1.0)))
            shown = labels[bounds[index] : bounds[index + 1]]
            # A video without labels has a row of zeros, which the maximum of nothing is not.
            rows = tf.one_hot(tf.concat([shown, [-1]], axis=0), num_classes)
            return inputs, tf.reduce_max(rows, axis=0)

        count = len(videos.labels)
        return Split(count, with_mix_up(example, count, self.config.mix_up))


def video_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the `VideoPipeline` of a model of video on the given data."""
    return VideoPipeline(config, source_spec, skip_corrupt)


def with_classes_of_the_data(config, pipeline):
    """Returns the configuration and the pipeline for as many classes as the data has."""
    names = pipeline.classes_of_the_data()
    config = dataclasses.replace(config, num_classes=len(names))
    return config, VideoPipeline(config, pipeline.source_spec, pipeline.skip_corrupt, names)


def _class_names(data):
    """Returns the names of the classes of `TfdsVideos`."""
    if not data.class_names:
        raise ZooError(
            "Videos must have labels, the feature `label` of type ClassLabel, for a classifier or "
            f"a tagger; an autoencoder needs none. Received: the data set {data.name!r}."
        )
    return data.class_names
