"""What is served of a classifier of point clouds: coordinates in, named scores out."""

import tensorflow as tf

from zoo.predictions.served_scores import ServedScores

_NOT_FINITE = "The coordinates of a point cloud must be finite numbers"
_EMPTY = "A point cloud must have at least one point"


class ServedPointClouds(ServedScores):
    """The functions that are served of a classifier of point clouds.

    Args:
        model: functional `keras.Model` from `points` and `mask` to logits (b, k).
        preprocess: `zoo.point_clouds.pipeline.PointCloudPreprocess`, which is part of the graph:
            clouds may lie anywhere and be of any size.
        class_names: the k labels in the order of the logits, or None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """

    def endpoints(self):
        """Returns the functions that are served, by signature, with what they take."""
        points = tf.TensorSpec((None, None, 3), tf.float32, name="points")
        mask = tf.TensorSpec((None, None), tf.bool, name="mask")
        return {
            "serving_default": (self.classify_points, [points]),
            "classify_points": (self.classify_points, [points]),
            "classify_masked_points": (self.classify_masked_points, [points, mask]),
            "point_format": (self.point_format, []),
        } | self._names_endpoint()

    def classify_points(self, points):
        """Scores a batch of point clouds that have equally many points.

        Args:
            points: float32 (b, n, 3), any n, finite. Far from the origin float32 is coarse:
                subtract a cloud's own origin before.

        Returns:
            `scores`, float32 (b, k), softmax over the classes; and `label`, string (b,), the
            name of the best class, if the names are known.
        """
        return self.classify_masked_points(points, tf.ones(tf.shape(points)[:2], tf.bool))

    def classify_masked_points(self, points, mask):
        """Scores a batch of point clouds, of which some are padded.

        Args:
            points: float32 (b, n, 3), any n; anything at padding.
            mask: bool (b, n), False for padding.

        Returns:
            The same outputs as `classify_points`.
        """
        is_finite = tf.reduce_all(tf.math.is_finite(points) | ~mask[..., None])
        has_points = tf.reduce_all(tf.reduce_any(mask, axis=-1))
        checks = [
            tf.debugging.Assert(is_finite, [_NOT_FINITE]),
            tf.debugging.Assert(has_points, [_EMPTY]),
        ]
        with tf.control_dependencies(checks):
            points = self.preprocess(points, mask)
        return self._scores({"points": points, "mask": mask})

    def point_format(self):
        """Returns `num_points`, int32: how many points of a cloud the model was trained on."""
        return {"num_points": tf.constant(self.preprocess.num_points)}
