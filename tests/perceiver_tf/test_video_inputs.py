"""The adapter of video: patches in time and space, motion, padding that does not matter."""

import keras
import numpy as np
import pytest

from perceiver_tf import VideoInputs, fourier_features
from perceiver_tf.layers.byte_array import assemble

SHAPE, PATCH, GRID = (2, 4, 6, 10, 3), (2, 3, 5), (2, 2, 2)


def layer(**settings):
    return VideoInputs(PATCH, 2, (5, 7, 9), **settings)


def rows_of(video):
    """The patches of one video, one after the other, by plain loops."""
    return np.stack(
        [
            video[2 * t : 2 * t + 2, 3 * y : 3 * y + 3, 5 * x : 5 * x + 5].ravel()
            for t in range(2)
            for y in range(2)
            for x in range(2)
        ]
    )


def test_rows_are_patches_beside_their_positions(random):
    video = random.normal(size=SHAPE).astype("float32")
    rows = np.asarray(assemble(layer()(video)))
    assert rows.shape == (2, 8, 2 * 3 * 5 * 3 + 3 * 5)
    places = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3, indexing="ij"), axis=-1).reshape(8, 3)
    positions = np.asarray(fourier_features(places, 2, (5, 7, 9)))
    for one, expected in zip(rows, video, strict=True):
        np.testing.assert_array_equal(one[:, :90], rows_of(expected))
        np.testing.assert_allclose(one[:, 90:], positions, atol=1e-6)


def test_motion_is_the_difference_from_the_frame_before(random):
    video = random.normal(size=SHAPE).astype("float32")
    content = np.asarray(assemble(layer(use_motion=True)(video)))[:, :, :180]
    moved = np.diff(video, axis=1, prepend=video[:, :1])
    expected = np.concatenate([video, moved], axis=-1)
    for one, both in zip(content, expected, strict=True):
        np.testing.assert_allclose(one, rows_of(both), atol=1e-6)


@pytest.mark.parametrize("use_motion", [False, True])
def test_padding_does_not_matter_and_is_masked(random, use_motion):
    video = random.normal(size=SHAPE).astype("float32")
    mask = np.array([[True, False, False, False], [True, True, True, False]])
    spoilt = np.where(mask[:, :, None, None, None], video, np.float32(np.nan))
    describe = layer(use_motion=use_motion)
    clean, dirty = (describe({"video": x, "mask": mask}) for x in (video, spoilt))
    np.testing.assert_array_equal(clean["content"], dirty["content"])
    assert np.isfinite(np.asarray(dirty["content"])).all()
    np.testing.assert_array_equal(clean["mask"], [[True] * 4 + [False] * 4, [True] * 8])
    # What is no padding is as without a mask.
    alone = describe({"video": video})
    assert "mask" not in alone
    np.testing.assert_array_equal(clean["content"][1, 0], alone["content"][1, 0])


def test_a_symbolic_call_tells_the_mask(random):
    inputs = {
        "video": keras.KerasTensor((None, *SHAPE[1:])),
        "mask": keras.KerasTensor((None, 4), dtype="bool"),
    }
    described = layer(use_motion=True)(inputs)
    assert described["content"].shape == (None, *GRID, 180)
    assert described["mask"].shape == (None, 8) and described["mask"].dtype == "bool"


def test_a_patch_must_divide_the_frames(random):
    with pytest.raises(ValueError, match="multiples of the patch's, axis by axis"):
        layer()(random.normal(size=(2, 5, 6, 10, 3)))
