"""Point clouds: the one preprocessing of training and serving, and the pipeline around it."""

import dataclasses

import tensorflow as tf

from zoo.data.example_pipeline import ExamplePipeline, Split
from zoo.errors import ZooError
from zoo.point_clouds.augment import augment
from zoo.point_clouds.sources import open_point_clouds

MESH_OVERSAMPLING = 2


class PointCloudPreprocess:
    """Chooses the points of a cloud and normalises them.

    The same object works in the training pipeline and inside the served graph, so that both
    compute the same numbers. It has no state and uses TensorFlow's own operations only.

    Args:
        num_points: int, points of an example.

    Example:

    >>> preprocess = PointCloudPreprocess(64)
    >>> preprocess(tf.zeros((2, 30, 3)), tf.ones((2, 30), tf.bool)).shape
    TensorShape([2, 30, 3])
    """

    def __init__(self, num_points):
        self.num_points = num_points

    @property
    def num_mesh_samples(self):
        """How many points of a mesh are sampled: more than are chosen, so that they vary."""
        return MESH_OVERSAMPLING * self.num_points

    def __call__(self, points, mask):
        """Returns clouds of zero mean in the unit cube [-1, 1]^3 (arXiv:2103.03206 section 4.3).

        The mean of a cloud is taken away, and its largest absolute coordinate becomes 1. A cloud
        of a single place becomes zeros.

        Args:
            points: float32 (b, n, 3), finite where the mask is True.
            mask: bool (b, n), False for padding.

        Returns:
            float32 (b, n, 3), zero at padding.
        """
        is_point = mask[..., None]
        points = tf.where(is_point, tf.cast(points, tf.float32), 0.0)
        points = _to_unit_cube(points)  # before the sum, which overflows for the largest floats
        count = tf.reduce_sum(tf.cast(is_point, tf.float32), axis=1, keepdims=True)
        mean = tf.math.divide_no_nan(tf.reduce_sum(points, axis=1, keepdims=True), count)
        return _to_unit_cube(tf.where(is_point, points - mean, 0.0))

    def choose(self, points, key=None):
        """Returns `num_points` points of a cloud.

        Args:
            points: float32 (n, 3), n at least 1.
            key: int32 (2,) that decides which points, and their order; None: evenly spaced ones
                in their order.

        Returns:
            float32 (num_points, 3), zeros behind the points of a smaller cloud; and bool
            (num_points,), False there.
        """
        count = tf.shape(points, tf.int64)[0]
        places = tf.range(self.num_points, dtype=tf.int64)
        rows = tf.where(count > self.num_points, places * count // self.num_points, places)
        if key is not None:
            order = tf.random.experimental.stateless_shuffle(tf.range(count), key)
            rows = tf.gather(order, tf.minimum(places, count - 1))
        mask = places < count
        chosen = tf.gather(points, tf.minimum(rows, count - 1))
        return tf.where(mask[:, None], chosen, 0.0), mask


class PointCloudPipeline(ExamplePipeline):
    """Delivers `(inputs, targets)`: a dict of `points` and `mask`, and one-hot labels.

    Training takes a random choice of each cloud's points, changed as the configuration says;
    evaluation always the same ones, as they are.

    Args:
        config: `PointCloudClassifierConfig`.
        source_spec: where the clouds are, see `zoo.point_clouds.sources.open_point_clouds`.
        skip_corrupt: bool. Leave out, and count, clouds that cannot be used.
        source: `CloudSource` that was opened already, or None: opened when it is needed.
    """

    def __init__(self, config, source_spec, skip_corrupt=False, source=None):
        super().__init__(
            f"the point clouds {source_spec}", self._read, PointCloudPreprocess(config.num_points)
        )
        self.config, self.source_spec, self.skip_corrupt = config, source_spec, skip_corrupt
        self._source = source
        if source is not None and source.num_classes == config.num_classes:
            self.class_names = source.class_names

    @property
    def source(self):
        """The `CloudSource`.

        Raises:
            ZooError: if there is no such data.
        """
        if self._source is None:
            self._source = open_point_clouds(
                self.source_spec, self.preprocess.num_mesh_samples, skip_corrupt=self.skip_corrupt
            )
        return self._source

    @property
    def skipped(self):
        """Tuple of str: what was left out so far, and why."""
        return () if self._source is None else self._source.skipped

    def _read(self):
        source, num_classes = self.source, self.config.num_classes
        if source.num_classes > num_classes:
            raise ZooError(
                "The model must have an output for each class of the data. Received: "
                f"{num_classes} outputs for the {source.num_classes} classes of "
                f"{self.source_spec}."
            )
        if source.num_classes == num_classes:
            self.class_names = source.class_names
        return {
            split: _split(self.config, self.preprocess, source.clouds(split))
            for split in source.splits
        }


def point_cloud_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the `PointCloudPipeline` of a `PointCloudClassifierConfig`."""
    return PointCloudPipeline(config, source_spec, skip_corrupt)


def with_classes_of_the_data(config, pipeline):
    """Returns the configuration and the pipeline for as many classes as the data has."""
    source = pipeline.source
    config = dataclasses.replace(config, num_classes=source.num_classes)
    return config, PointCloudPipeline(config, pipeline.source_spec, pipeline.skip_corrupt, source)


def _split(config, preprocess, clouds):
    """Returns the `Split` of some `zoo.point_clouds.sources.Clouds`."""
    with tf.init_scope(), tf.device("CPU:0"):
        points, starts = tf.constant(clouds.points), tf.constant(clouds.starts)
        labels = tf.constant(clouds.labels)

    def example(index, key, training):
        choice_key, change_key = (tf.random.fold_in(key, number) for number in range(2))
        cloud = points[starts[index] : starts[index + 1]]
        chosen, mask = preprocess.choose(cloud, choice_key if training else None)
        chosen = preprocess(chosen[None], mask[None])
        if training:
            changed = augment(chosen[0], change_key, config)
            chosen = preprocess(changed[None], mask[None])
        inputs = {"points": chosen[0], "mask": mask}
        return inputs, tf.one_hot(labels[index], config.num_classes)

    return Split(clouds.num_clouds, example)


def _to_unit_cube(points):
    """Returns (b, n, 3) divided by the largest absolute coordinate of each cloud, 0 by 0 as 0."""
    largest = tf.reduce_max(tf.abs(points), axis=(1, 2), keepdims=True)
    return tf.math.divide_no_nan(points, largest)
