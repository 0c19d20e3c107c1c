"""What models of sound have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

import math

from zoo.surroundings import Surroundings, around_patches


def around_sounds(config) -> Surroundings:
    """Returns the patches of a window, samples or parts of its spectrogram, and the head."""
    patch = math.prod(config.patch)
    return around_patches(config, (*config.grid, patch), math.prod(config.grid) * patch)
