import keras
import numpy as np
import pytest

from perceiver_tf import FourierPositions, FourierQueries, LearnedPositions, fourier_features
from perceiver_tf.layers import byte_array
from perceiver_tf.layers.positions import axis_positions


def reference_features(coordinates, num_bands, max_resolution):
    """Fourier features in plain float64 loops."""
    rows = []
    for row in np.asarray(coordinates, "float64"):
        sines, cosines = [], []
        for position, resolution in zip(row, max_resolution, strict=True):
            for band in range(num_bands):
                frequency = 1 + (resolution / 2 - 1) * band / (num_bands - 1)
                sines.append(np.sin(np.pi * frequency * position))
                cosines.append(np.cos(np.pi * frequency * position))
        rows.append([*row, *sines, *cosines])
    return np.array(rows)


@pytest.mark.parametrize("max_resolution", [(9,), (9, 20), (9, 20, 224)])
def test_fourier_features_equal_the_reference(random, max_resolution):
    coordinates = random.uniform(-1, 1, (6, len(max_resolution)))
    features = fourier_features(coordinates.astype("float32"), 5, max_resolution)
    expected = reference_features(coordinates.astype("float32"), 5, max_resolution)
    np.testing.assert_allclose(features, expected, atol=5e-5)


def test_fourier_features_leave_out_the_coordinates_on_request(random):
    coordinates = random.uniform(-1, 1, (4, 2)).astype("float32")
    with_coordinates = fourier_features(coordinates, 3, (8, 8))
    without = fourier_features(coordinates, 3, (8, 8), include_coordinates=False)
    np.testing.assert_array_equal(with_coordinates[:, 2:], without)


def test_fourier_features_name_a_wrong_number_of_axes():
    with pytest.raises(ValueError, match=r"one entry per axis.*max_resolution=\(8,\).*2 axes"):
        fourier_features(np.zeros((4, 2), "float32"), 3, (8,))


def test_axis_positions_span_the_axis_whether_its_size_is_known_or_not():
    expected = np.linspace(-1, 1, 7)
    np.testing.assert_allclose(axis_positions(7), expected, atol=1e-6)
    np.testing.assert_allclose(axis_positions(keras.ops.convert_to_tensor(7)), expected, atol=1e-6)
    np.testing.assert_allclose(axis_positions(keras.ops.convert_to_tensor(1)), [-1.0])


def test_fourier_positions_give_one_table_per_axis_at_any_size():
    layer = FourierPositions(4, (8, 6))
    rows, columns = layer(np.zeros((2, 5, 3, 1)))
    np.testing.assert_allclose(
        rows, reference_features(np.linspace(-1, 1, 5)[:, None], 4, (8,)), atol=1e-5
    )
    np.testing.assert_allclose(
        columns, reference_features(np.linspace(-1, 1, 3)[:, None], 4, (6,)), atol=1e-5
    )


def test_fourier_positions_stay_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    rows, _ = FourierPositions(4, (8, 6))(np.zeros((2, 5, 3, 1)))
    assert keras.backend.standardize_dtype(rows.dtype) == "float32"


def test_fourier_positions_refuse_no_bands_and_another_number_of_axes():
    with pytest.raises(ValueError, match="at least 1. Received: num_frequency_bands=0"):
        FourierPositions(0, (8,))
    with pytest.raises(ValueError, match=r"a grid of 1 axes, max_resolution=\(8, 6\)"):
        FourierPositions(4, (8, 6))(np.zeros((2, 5, 1)))


def test_fourier_queries_ask_for_every_point_of_the_grid_in_order():
    layer = FourierQueries(3, (4, 5), grid_shape=(2, 3))
    queries = np.asarray(byte_array.assemble(layer(np.zeros((2, 7)))))
    rows, columns = np.meshgrid(np.linspace(-1, 1, 2), np.linspace(-1, 1, 3), indexing="ij")
    grid = np.stack([rows.ravel(), columns.ravel()], -1)
    assert queries.shape == (2, 6, 14)
    np.testing.assert_allclose(queries[1], reference_features(grid, 3, (4, 5)), atol=1e-5)


def test_learned_positions_are_one_row_per_input():
    layer = LearnedPositions(4, init_scale=1.0)
    positions = layer(np.zeros((2, 3, 5, 1)))
    assert positions.shape == (15, 4)
    assert 0.5 < float(np.std(positions)) < 1.5


def test_learned_positions_need_a_fixed_size():
    with pytest.raises(ValueError, match="fixed size"):
        LearnedPositions(4)(keras.Input((None, 5, 1)))
