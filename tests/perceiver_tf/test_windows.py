"""The mean over windows against numpy; padding does not count."""

import numpy as np

from perceiver_tf import AverageWindows


def test_windows_are_averaged_and_padding_left_out(random):
    outputs = random.normal(size=(6, 5)).astype("float32")
    mask = np.zeros((2, 3, 4), bool)
    mask[0, :2, 1] = True
    mask[1, 2] = True
    averaged = np.asarray(AverageWindows()(outputs, mask))
    np.testing.assert_allclose(averaged[0], outputs[:2].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(averaged[1], outputs[5], atol=1e-6)


def test_a_recording_of_padding_alone_is_zero(random):
    outputs = random.normal(size=(2, 3)).astype("float32")
    averaged = AverageWindows()(outputs, np.zeros((1, 2, 4), bool))
    np.testing.assert_array_equal(averaged, np.zeros((1, 3)))
