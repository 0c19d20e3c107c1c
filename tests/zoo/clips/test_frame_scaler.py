"""Frames of PyAV at the size that is wanted."""

import numpy as np
import pytest

av = pytest.importorskip("av", reason="needs PyAV: pip install 'perceiver-tf[video]'")

from zoo.clips.frame_scaler import FrameScaler  # noqa: E402


def frame(pixels):
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels, np.uint8), format="rgb24")


@pytest.mark.parametrize("factor", [4, 10])
def test_fine_stripes_become_grey_instead_of_a_pattern(factor):
    stripes = np.zeros((60, 120, 3)) + 200 * (np.arange(120) % 2)[None, :, None]
    small = FrameScaler((60 // factor, 120 // factor))(frame(stripes)).astype(int)
    assert small.shape == (60 // factor, 120 // factor, 3)
    assert np.abs(small - 100).max() <= 2


def test_sizes_keep_their_ratio_and_cover_what_is_wanted():
    pixels = np.zeros((40, 80, 3))
    assert FrameScaler((20, 20))(frame(pixels)).shape == (20, 40, 3)
    assert FrameScaler((20, 20), margin=1.5)(frame(pixels)).shape == (30, 60, 3)
    assert FrameScaler((90, 90))(frame(pixels)).shape == (40, 80, 3)  # not made larger
    assert FrameScaler((90, 90), enlarges=True)(frame(pixels)).shape == (90, 180, 3)


def test_a_smooth_picture_stays_what_it_is(random):
    rows, columns = np.mgrid[:96, :128]
    smooth = np.stack([rows * 2, columns, 255 - columns], axis=-1)
    for side in ((64, 85), (32, 42), (8, 10)):
        small = FrameScaler(side)(frame(smooth)).astype(float)
        height, width, _ = small.shape
        places = [(np.arange(n) + 0.5) * size / n - 0.5 for n, size in ((height, 96), (width, 128))]
        y, x = np.meshgrid(*places, indexing="ij")
        expected = np.stack([y * 2, x, 255 - x], axis=-1)
        np.testing.assert_allclose(small[1:-1, 1:-1], expected[1:-1, 1:-1], atol=3)
