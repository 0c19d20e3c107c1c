"""What models of point clouds have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

from perceiver_tf.layers.reading import Rows
from zoo.point_clouds.configs import NUM_AXES
from zoo.surroundings import Surroundings


def around_points(config) -> Surroundings:
    """Returns the points, which have no trained adapter, and the classifier's head."""
    channels, inputs = config.architecture.latent_channels, NUM_AXES * config.num_points
    return Surroundings(
        rows=Rows((config.num_points,), config.row_channels),
        queries=(1, None),
        multiply_adds=channels * config.num_classes,
        num_weights=config.architecture.num_latents * channels
        + (channels + 1) * config.num_classes,
        held=inputs,
        forward=0,
        kept=inputs,
        rows_have_gradients=False,
    )
