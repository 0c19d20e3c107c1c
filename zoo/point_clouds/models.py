"""From the configuration of a classifier of point clouds to its model."""

import keras

from perceiver_tf.layers.inputs import PointInputs
from perceiver_tf.models.perceiver import perceiver
from zoo.numerics import architecture_of
from zoo.point_clouds.configs import NUM_AXES


def point_cloud_classifier(config, name="point_cloud_classifier"):
    """Return the model of a `PointCloudClassifierConfig`.

    Args:
        config: `PointCloudClassifierConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from a dict of `points` float32 `(b, n, 3)` in [-1, 1] and `mask`
        bool `(b, n)`, False for padding, to float32 logits `(b, num_classes)`; any n. The order of
        the points does not matter.
    """
    inputs = {
        "points": keras.Input((None, NUM_AXES), name="points"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    adapter = PointInputs(
        config.num_frequency_bands, (config.max_resolution,) * NUM_AXES, name="inputs"
    )
    return perceiver(inputs, adapter, config.num_classes, architecture_of(config), name)
