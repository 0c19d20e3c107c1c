"""What models of video have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

import math

from zoo.surroundings import Surroundings, around_patches


def around_videos(config) -> Surroundings:
    """Returns the space-time patches of a window, with their motion, and the head."""
    pixels = config.num_frames * math.prod(config.seen_shape)
    channels = config.seen_shape[-1] * (2 if config.use_motion else 1)
    return around_patches(config, (*config.grid, math.prod(config.patch) * channels), pixels)
