import keras
import numpy as np
import pytest

from perceiver_tf import ImageViews, MeanOfViews


@pytest.fixture
def images(random):
    return random.normal(size=(3, 4, 5, 2)).astype("float32")


def test_mirror_images_follow_the_images(images):
    views = np.asarray(ImageViews(mirrored=True)(images))
    np.testing.assert_array_equal(views[:3], images)
    np.testing.assert_array_equal(views[3:], images[:, :, ::-1])


@pytest.mark.parametrize("mirrored", [False, True])
def test_moved_images_follow_the_images_and_repeat_their_edge(images, mirrored):
    layer = ImageViews(mirrored, shift=2)
    views = np.asarray(layer(images)).reshape(layer.num_views, *images.shape)
    assert layer.num_views == (10 if mirrored else 5)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), "edge")
    moved = [padded[:, 2 + y : 6 + y, 2 + x : 7 + x] for y, x in [(2, 0), (-2, 0), (0, 2), (0, -2)]]
    expected = [images, *moved]
    if mirrored:
        expected += [view[:, :, ::-1] for view in expected]
    np.testing.assert_array_equal(views, expected)


def test_mean_is_that_of_all_views_of_an_example(images):
    views = np.concatenate([images, 3 * images, -images])
    np.testing.assert_allclose(MeanOfViews(3)(views), images, rtol=1e-6)


def test_training_sees_the_images_themselves(images):
    for layer in (ImageViews(True, 1), MeanOfViews(10)):
        np.testing.assert_array_equal(layer(images, training=True), images)


def test_pixels_are_not_rounded_under_mixed_precision(images):
    for layer in (ImageViews(True, dtype="mixed_bfloat16"), MeanOfViews(2, dtype="mixed_bfloat16")):
        np.testing.assert_array_equal(layer(images, training=True), images)


@pytest.mark.parametrize("shift", [-1, 1.5, True])
def test_a_shift_is_a_number_of_pixels(shift):
    with pytest.raises(ValueError, match="`shift` must be an int of at least 0. Received"):
        ImageViews(shift=shift)


@pytest.mark.parametrize("shape", [(None, None, 3), (4, 9, 3), (9, 4, 3)])
def test_images_must_be_larger_than_their_moves(shape):
    with pytest.raises(ValueError, match="moved by 4 pixels must be of known height and width"):
        ImageViews(shift=4)(keras.Input(shape))
