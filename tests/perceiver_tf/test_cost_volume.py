"""The cost volume against a slow one, and what its projection starts from."""

import numpy as np
import pytest

from perceiver_tf import CostVolume, FlowInputs
from perceiver_tf.layers.cost_volume import UNMATCHED, DisplacementInitializer, cost_volume


def slow_cost_volume(first, second, max_displacement, size):
    """The mean squared difference of two patches' pixels, pixel by pixel in float64."""
    height, width = first.shape[:2]
    steps = range(-max_displacement, max_displacement + 1)
    margin = range(-(size // 2), size // 2 + 1)

    def is_inside(y, x):
        return 0 <= y < height and 0 <= x < width

    def cost(y, x, down, right):
        squares = [
            np.mean((first[y + i, x + j] - second[y + i + down, x + j + right]) ** 2.0)
            for i in margin
            for j in margin
            if is_inside(y + i, x + j) and is_inside(y + i + down, x + j + right)
        ]
        return np.mean(squares) if squares else UNMATCHED

    return np.array(
        [
            [[cost(y, x, down, right) for down in steps for right in steps] for x in range(width)]
            for y in range(height)
        ]
    )


@pytest.mark.parametrize("size", [1, 3, 5])
def test_cost_volume_equals_the_slow_one(random, size):
    frames = random.normal(size=(2, 2, 5, 6, 3)).astype("float32")
    (volume,) = cost_volume(frames[:, 0], frames[:, 1], 2, [size])
    expected = [slow_cost_volume(*pair.astype("float64"), 2, size) for pair in frames]
    np.testing.assert_allclose(volume, expected, rtol=1e-5, atol=1e-6)


def test_nothing_matches_far_outside(random):
    frames = random.normal(size=(1, 2, 3, 3, 3)).astype("float32")
    (volume,) = cost_volume(frames[:, 0], frames[:, 1], 4, [1])
    assert np.asarray(volume)[0, 0, 0, 0] == UNMATCHED


def test_the_place_where_a_pixel_went_is_the_cheapest(random):
    first = random.normal(size=(1, 9, 9, 3)).astype("float32")
    second = np.roll(first, (1, -2), axis=(1, 2))
    for volume in cost_volume(first, second, 3, [1, 3]):
        down, right = np.divmod(np.argmin(volume[0, 3:5, 3:6], axis=-1), 7)
        assert (down - 3 == 1).all()
        assert (right - 3 == -2).all()


def test_spectral_start_tells_the_mean_displacement_of_each_volume(random):
    """The slowest cosines of certain displacements rise along the rows, or along the columns."""
    kernel = np.asarray(DisplacementInitializer(2, 2)((50, 8)))
    first, second = kernel[:25], kernel[25:]
    assert not first[:, 4:].any()
    assert not second[:, :4].any()
    np.testing.assert_array_equal(first[:, :4], second[:, 4:])
    slowest = first[:, :2].reshape(5, 5, 2)
    assert (np.diff(slowest[..., 0], axis=1) < 0).all()
    assert (np.diff(slowest[..., 1], axis=0) < 0).all()


def test_frames_of_any_size_are_compared(random):
    layer = CostVolume(2, 4, initializer="spectral")
    frames = random.normal(size=(2, 2, 6, 9, 3)).astype("float32")
    whole = np.asarray(layer(frames))
    assert whole.shape == (2, 6, 9, 4)
    np.testing.assert_allclose(layer(frames[:, :, :, :8])[:, :, :3], whole[:, :, :3], atol=1e-5)


def test_flow_inputs_put_the_volume_beside_the_patches(random):
    frames = random.normal(size=(1, 2, 6, 9, 3)).astype("float32")
    layer = FlowInputs(2, (6, 9), 5, max_displacement=2, cost_volume_channels=4)
    content = np.asarray(layer(frames)["content"])
    np.testing.assert_allclose(content[..., 5:], layer.cost_volume(frames), atol=1e-6)
    other = frames.copy()
    other[:, 1] = other[:, 0]
    assert np.abs(content[..., 5:] - layer(other)["content"][..., 5:]).max() > 1e-2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_displacement": 0}, "`max_displacement` and `channels` must be at least 1"),
        ({"channels": 0}, "Received: max_displacement=1, channels=0"),
        ({"patch_sizes": (3, 2)}, r"`patch_sizes` must be odd .* Received: patch_sizes=\(3, 2\)"),
        ({"patch_sizes": ()}, "`patch_sizes` must be odd"),
        ({"initializer": "slow"}, "`initializer` must be one of .*'slow'"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CostVolume(**{"max_displacement": 1, "channels": 4, **arguments})


def test_flow_inputs_refuse_negative_displacements_and_more_frames(random):
    with pytest.raises(ValueError, match="`max_displacement` must be at least 0"):
        FlowInputs(2, (6, 9), max_displacement=-1)
    frames = random.normal(size=(1, 3, 6, 9, 3)).astype("float32")
    with pytest.raises(ValueError, match="two frames. Received: 3"):
        FlowInputs(2, (6, 9), max_displacement=1)(frames)
