"""What models of optical flow have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

import math

from perceiver_tf.layers.reading import Rows
from zoo.surroundings import Surroundings

_FRAMES, _COLOURS, _FLOW = 2, 3, 2


def around_flow(config) -> Surroundings:
    """Returns the projected patches around all pixels, which are read and ask, and the head."""
    pixels, architecture = math.prod(config.frame_shape), config.architecture
    patch, content = _FRAMES * config.patch_size**2 * _COLOURS, config.content_channels
    rows = Rows(config.frame_shape, content, (2 * config.num_frequency_bands + 1,) * 2)
    inputs = _FRAMES * _COLOURS * pixels
    return Surroundings(
        rows=rows,
        queries=rows,
        multiply_adds=pixels * (patch * content + rows.channels * _FLOW),
        num_weights=architecture.num_latents * architecture.latent_channels
        + (patch + 1) * content
        + (rows.channels + 1) * _FLOW,
        held=inputs + pixels * content,  # the decoder needs them once more
        forward=inputs + 2 * pixels * patch,
        kept=inputs + pixels * (patch + content + rows.channels),
        rows_have_gradients=True,
    )
