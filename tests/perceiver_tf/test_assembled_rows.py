import keras
import numpy as np
import pytest

from perceiver_tf import AssembledRows, CrossAttend, FourierInputs
from perceiver_tf.layers.byte_array import assemble

ADAPTER = {"num_frequency_bands": 3, "max_resolution": (4, 6)}


def test_rows_stay_or_all_move_by_the_same_permutation(random):
    images = random.normal(size=(2, 4, 6, 3)).astype("float32")
    description = FourierInputs(**ADAPTER)(images)
    rows = np.asarray(assemble(description))
    np.testing.assert_array_equal(AssembledRows()(description), rows)
    moved = np.asarray(AssembledRows(5)(description))
    assert np.abs(moved - rows).max() > 0.5
    order = np.random.default_rng(5).permutation(24)
    np.testing.assert_array_equal(moved, rows[:, order])


def test_another_seed_is_another_permutation(random):
    rows = random.normal(size=(2, 24, 3)).astype("float32")
    assert np.abs(np.asarray(AssembledRows(1)(rows)) - AssembledRows(2)(rows)).max() > 0.5


def test_an_attention_gathers_the_same_from_permuted_rows(random):
    images = random.normal(size=(2, 4, 6, 3)).astype("float32")
    latents = random.normal(size=(2, 5, 8)).astype("float32")
    description = FourierInputs(**ADAPTER)(images)
    attend = CrossAttend()
    expected = attend(latents, description)
    np.testing.assert_allclose(
        attend(latents, AssembledRows(3)(description)), expected, rtol=1e-5, atol=1e-5
    )


def test_rows_need_a_static_size_and_no_mask(random):
    with pytest.raises(ValueError, match="static size and no mask. Received: .* of .None. rows"):
        AssembledRows()(keras.Input((None, 3)))
    masked = {"content": keras.Input((4, 3)), "mask": keras.Input((4,), dtype="bool")}
    with pytest.raises(ValueError, match="no mask. Received: parts"):
        AssembledRows()(masked)
