"""The cosines of which small models' first projections of patches are made."""

import numpy as np


def cosines(size):
    """Return the orthonormal cosines of `size` samples, one in each row, slow ones first."""
    frequencies, places = np.arange(size)[:, None], np.arange(size) + 0.5
    waves = np.cos(np.pi * frequencies * places / size) * np.sqrt(2 / size)
    waves[0] /= np.sqrt(2)
    return waves
