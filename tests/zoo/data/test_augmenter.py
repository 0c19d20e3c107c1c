"""Augmentation: its ranges, what each step does to pixels and labels, and its determinism."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from zoo.data.augmenter import Augmenter
from zoo.images.pipeline import ImagePreprocess
from zoo.recipes.augmentation import Augmentation

HEIGHT, WIDTH = 9, 7


def augmenter(num_channels=1, height=HEIGHT, width=WIDTH, **settings):
    preprocess = ImagePreprocess((height, width, num_channels), mean=0.5, std=0.5)
    return Augmenter(Augmentation(**settings), preprocess)


def key(number):
    return tf.constant([3, number], tf.int32)


def noise(*shape):
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


@pytest.mark.parametrize(
    "settings",
    [
        {"random_resized_crop": (0.0, 1.0)},
        {"random_resized_crop": (0.8, 0.5)},
        {"max_shift": -0.1},
        {"max_rotation": 181},
        {"max_zoom": 1.0},
        {"rand_augment": (0, 5)},
        {"rand_augment": (2, 11)},
        {"mix_up": 1.5},
        {"cut_mix": -1},
        {"erase": 2},
        {"fill": "white"},
    ],
)
def test_augmentation_rejects_what_is_out_of_range(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}="):
        Augmentation(**settings)


def test_augmentation_loads_without_tensorflow():
    code = (
        "import sys, zoo.recipes.augmentation; "
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_batch_depends_on_its_key_only():
    augment = augmenter(max_shift=0.2, max_rotation=20, max_zoom=0.2, flip=True, erase=0.5)
    images = noise(5, HEIGHT, WIDTH, 1)
    first = augment.batch(images=tf.constant(images), key=key(1)).numpy()
    other = augment.batch(images=tf.constant(images), key=key(2)).numpy()
    again = augment.batch(images=tf.constant(images), key=key(1)).numpy()
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1


def test_batch_draws_for_each_image():
    augment = augmenter(max_shift=0.2, max_rotation=20)
    images = np.repeat(noise(1, HEIGHT, WIDTH, 1), 4, axis=0)
    moved = augment.batch(tf.constant(images), key(0)).numpy()
    assert len(np.unique(moved.reshape(4, -1), axis=0)) == 4


def test_batch_is_a_no_op_without_settings():
    images = noise(3, HEIGHT, WIDTH, 1)
    np.testing.assert_array_equal(augmenter().batch(tf.constant(images), key(0)), images)


def centroids(images):
    """Returns the centre of mass (y, x) of each image."""
    y, x = np.mgrid[: images.shape[1], : images.shape[2]]
    mass = images[..., 0].sum(axis=(1, 2))
    return np.stack([(images[..., 0] * axis).sum(axis=(1, 2)) / mass for axis in (y, x)], axis=1)


def test_shift_moves_by_up_to_its_share_of_the_side():
    images = np.zeros((200, 21, 41, 1), np.float32)
    images[:, 10, 20] = 255
    moved = augmenter(height=21, width=41, max_shift=0.2).batch(tf.constant(images), key(0))
    distance = centroids(moved.numpy()) - (10, 20)
    assert np.abs(distance[:, 0]).max() == pytest.approx(0.2 * 21, abs=0.3)
    assert np.abs(distance[:, 1]).max() == pytest.approx(0.2 * 41, abs=0.5)
    assert np.abs(distance.mean(axis=0)).max() < 1


def test_rotation_turns_around_the_centre_by_up_to_its_angle():
    images = np.zeros((200, 41, 41, 1), np.float32)
    images[:, 20, 35] = 255
    moved = augmenter(height=41, width=41, max_rotation=30).batch(tf.constant(images), key(0))
    y, x = (centroids(moved.numpy()) - (20, 20)).T
    np.testing.assert_allclose(np.hypot(y, x), 15, atol=0.5)
    angle = np.degrees(np.arctan2(y, x))
    assert angle.max() == pytest.approx(30, abs=3)
    assert angle.min() == pytest.approx(-30, abs=3)


def test_zoom_scales_around_the_centre():
    images = np.zeros((200, 41, 41, 1), np.float32)
    images[:, 20, 30] = 255
    moved = augmenter(height=41, width=41, max_zoom=0.25).batch(tf.constant(images), key(0))
    y, x = (centroids(moved.numpy()) - (20, 20)).T
    np.testing.assert_allclose(y, 0, atol=1e-3)
    assert x.min() == pytest.approx(10 / 1.25, abs=0.3)
    assert x.max() == pytest.approx(10 / 0.75, abs=0.5)


def test_flip_mirrors_about_half_of_the_images():
    images = noise(64, HEIGHT, WIDTH, 1)
    flipped = augmenter(flip=True).batch(tf.constant(images), key(0)).numpy()
    same = (flipped == images).all(axis=(1, 2, 3))
    mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 16 <= mirrored.sum() <= 48


@pytest.mark.parametrize(("probability", "low", "high"), [(1.0, 64, 64), (0.5, 16, 48)])
def test_erase_has_its_probability(probability, low, high):
    images = np.full((64, 20, 20, 1), 100.5, np.float32)
    erased = augmenter(height=20, width=20, erase=probability).batch(tf.constant(images), key(0))
    num_changed = (erased.numpy() != images).any(axis=(1, 2, 3)).sum()
    assert low <= num_changed <= high
    assert erased.numpy().min() >= 0 and erased.numpy().max() <= 255


def plain_images_and_labels(num_images, num_classes=4):
    """Returns images of one value each, ten times the class, and one-hot labels."""
    classes = np.arange(num_images) % num_classes
    images = np.ones((num_images, HEIGHT, WIDTH, 1), np.float32) * 10 * classes[:, None, None, None]
    return tf.constant(images), tf.one_hot(classes, num_classes)


@pytest.mark.parametrize(
    "settings", [{"mix_up": 0.5}, {"cut_mix": 1.0}, {"mix_up": 0.5, "cut_mix": 1.0}]
)
def test_mix_mixes_labels_as_it_mixes_pixels(settings):
    images, labels = plain_images_and_labels(33)
    mixed, mixed_labels = augmenter(**settings).mix(images, labels, key(0))
    np.testing.assert_allclose(tf.reduce_sum(mixed_labels, axis=-1), 1, atol=1e-6)
    expected = mixed_labels.numpy() @ np.arange(0, 40, 10)
    # CutMix counts a rectangle's area, whose borders lie between pixels.
    np.testing.assert_allclose(mixed.numpy().mean(axis=(1, 2, 3)), expected, atol=6)
    assert (mixed_labels.numpy() != labels.numpy()).any()


def test_mix_gives_one_half_mix_up_and_the_other_cut_mix():
    images, labels = plain_images_and_labels(40)
    mixed, _ = augmenter(mix_up=1.0, cut_mix=1.0).mix(images, labels, key(0))
    num_values = np.array([len(np.unique(np.round(image, 3))) for image in mixed.numpy()])
    assert (num_values[:20] == 1).all()
    assert (num_values[20:] == 2).any()


def test_mix_takes_a_batch_of_one():
    images, labels = plain_images_and_labels(1)
    mixed, mixed_labels = augmenter(mix_up=0.2, cut_mix=1.0).mix(images, labels, key(0))
    np.testing.assert_allclose(mixed, images)
    np.testing.assert_allclose(mixed_labels, labels)


def test_crop_covers_its_share_of_the_area():
    y, x = np.mgrid[:100, :120]
    image = tf.constant(np.stack([y, x, 0 * x], axis=-1).astype(np.uint8))
    augment = augmenter(num_channels=3, height=50, width=50, random_resized_crop=(0.2, 0.5))
    for number in range(20):
        crop = augment.example(image, key(number)).numpy()
        height, width = (np.ptp(crop[..., axis]) for axis in (0, 1))
        assert 0.15 < height * width / (100 * 120) < 0.55
        assert 0.7 < width / height < 1.4


def test_example_without_crop_is_the_preprocess():
    augment = augmenter(flip=True)
    image = noise(12, 5, 3).astype(np.uint8)
    preprocess = ImagePreprocess((HEIGHT, WIDTH, 1), mean=0.5, std=0.5)
    np.testing.assert_array_equal(augment.example(image, key(0)), preprocess.resize(image))


@pytest.mark.parametrize("num_channels", [1, 3])
def test_rand_augment_varies_with_the_key_and_repeats_itself(num_channels):
    augment = augmenter(num_channels=num_channels, rand_augment=(2, 5.0))
    image = tf.constant(noise(HEIGHT, WIDTH, num_channels))
    run = tf.function(augment.example)
    results = [run(image, key(number)).numpy() for number in range(40)]
    assert len({result.tobytes() for result in results}) > 30
    assert all(result.shape == image.shape for result in results)
    assert min(r.min() for r in results) >= 0 and max(r.max() for r in results) <= 255.01
    np.testing.assert_array_equal(run(image, key(7)), results[7])


def test_rand_augment_of_greater_magnitude_changes_more():
    image = tf.constant(noise(HEIGHT, WIDTH, 3))

    def mean_change(magnitude):
        run = tf.function(augmenter(num_channels=3, rand_augment=(1, magnitude)).example)
        return np.mean([np.abs(run(image, key(i)) - image).mean() for i in range(40)])

    assert mean_change(1.0) < mean_change(9.0)
