"""What models of optical flow have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

import math

from perceiver_tf.choices import COST_VOLUME_PATCHES
from perceiver_tf.layers.reading import Rows
from zoo.surroundings import Surroundings

_FRAMES, _COLOURS, _FLOW = 2, 3, 2


def around_flow(config) -> Surroundings:
    """Returns what describes the pixels, which are read and ask, and the head."""
    pixels, architecture = math.prod(config.frame_shape), config.architecture
    patch, content = _FRAMES * config.patch_size**2 * _COLOURS, config.content_channels
    displacements, found = 0, 0
    if config.max_displacement:
        displacements = len(COST_VOLUME_PATCHES) * (2 * config.max_displacement + 1) ** 2
        found = config.cost_volume_channels
    rows = Rows(config.frame_shape, content + found, (2 * config.num_frequency_bands + 1,) * 2)
    inputs = _FRAMES * _COLOURS * pixels
    volume_weights = (displacements + 1) * found + len(COST_VOLUME_PATCHES) * bool(found)
    return Surroundings(
        rows=rows,
        queries=rows,
        multiply_adds=pixels * (patch * content + displacements * found + rows.channels * _FLOW),
        num_weights=architecture.num_latents * architecture.latent_channels
        + (patch + 1) * content
        + volume_weights
        + (rows.channels + 1) * _FLOW,
        held=inputs + pixels * (content + found),  # the decoder needs them once more
        forward=inputs + 2 * pixels * (patch + displacements),
        # Of a volume: its logarithm, which is needed for the sharpness, and the probabilities.
        kept=inputs + pixels * (patch + content + found + 2 * displacements + rows.channels),
        rows_have_gradients=True,
    )
