import numpy as np
import pytest

from perceiver_tf import MeanOfViews, MirroredViews


@pytest.fixture
def images(random):
    return random.normal(size=(3, 4, 5, 2)).astype("float32")


def test_mirror_images_follow_the_images(images):
    views = np.asarray(MirroredViews()(images))
    np.testing.assert_array_equal(views[:3], images)
    np.testing.assert_array_equal(views[3:], images[:, :, ::-1])


def test_mean_is_that_of_an_example_and_its_mirror_image(images):
    views = np.concatenate([images, 3 * images])
    np.testing.assert_allclose(MeanOfViews()(views), 2 * images, rtol=1e-6)


def test_training_sees_the_images_themselves(images):
    for layer in (MirroredViews(), MeanOfViews()):
        np.testing.assert_array_equal(layer(images, training=True), images)


def test_pixels_are_not_rounded_under_mixed_precision(images):
    for layer in (MirroredViews(dtype="mixed_bfloat16"), MeanOfViews(dtype="mixed_bfloat16")):
        np.testing.assert_array_equal(layer(images, training=True), images)
