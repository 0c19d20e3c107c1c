"""Image classifiers that average an image and its mirror image."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import perceiver_tf
import zoo
from perceiver_tf.checkpoints import CheckpointError
from perceiver_tf.checkpoints.huggingface_config import config_of
from zoo.images.pipeline import ImagePreprocess
from zoo.serving.saved_model import export

SMALL = {
    "image_shape": (8, 10, 3),
    "num_classes": 4,
    "num_latents": 6,
    "latent_channels": 16,
    "num_self_attends_per_block": 1,
    "num_self_attention_heads": 2,
}


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("perceiver_cifar10_small", {"max_resolution": (8, 10)}),
        ("perceiver_cifar10_small", {"permutation": "pixels"}),
        ("perceiver_io_imagenet_learned", {"num_blocks": 1}),
    ],
    ids=["perceiver", "permuted", "perceiver_io"],
)
def test_logits_are_the_mean_over_both_views(random, name, overrides):
    mean, single = (
        zoo.build_model(zoo.configuration(name, **SMALL, **overrides, mirrored_views=mirrored))
        for mirrored in (True, False)
    )
    for weight, other in zip(mean.weights, single.weights, strict=True):
        assert weight.path == other.path
        weight.assign(random.normal(scale=0.2, size=weight.shape))
        other.assign(weight)
    images = random.normal(size=(3, *SMALL["image_shape"])).astype("float32")
    views = np.asarray(single(images)), np.asarray(single(images[:, :, ::-1]))
    assert np.abs(views[0] - views[1]).max() > 1e-3
    np.testing.assert_allclose(mean(images), (views[0] + views[1]) / 2, rtol=1e-5, atol=1e-5)


def test_logits_are_the_mean_over_moved_images_too(random):
    settings = SMALL | {"mirrored_views": True, "shifted_views": 2}
    mean = zoo.build_model(zoo.configuration("perceiver_cifar10_small", **settings))
    single = zoo.build_model(zoo.configuration("perceiver_cifar10_small", **SMALL))
    mean.set_weights([random.normal(scale=0.2, size=w.shape) for w in mean.weights])
    single.set_weights(mean.get_weights())
    images = random.normal(size=(3, *SMALL["image_shape"])).astype("float32")
    views = np.asarray(perceiver_tf.ImageViews(mirrored=True, shift=2)(images))
    logits = np.asarray(single(views)).reshape(10, 3, -1)
    assert np.ptp(logits, axis=0).max() > 1e-3
    np.testing.assert_allclose(mean(images), logits.mean(0), rtol=1e-5, atol=1e-5)


def test_training_reads_one_view(random):
    overrides = SMALL | {"dropout": 0.0}
    mean, single = (
        zoo.build_model(
            zoo.configuration("perceiver_cifar10_small", **overrides, mirrored_views=mirrored)
        )
        for mirrored in (True, False)
    )
    single.set_weights(mean.get_weights())
    images = random.normal(size=(3, *SMALL["image_shape"])).astype("float32")
    logits = mean(images, training=True)
    np.testing.assert_allclose(logits, single(images, training=True), rtol=1e-5, atol=1e-5)


def test_mean_of_views_is_saved_and_served(random, tmp_path):
    model = zoo.build_model(
        zoo.configuration("perceiver_cifar10_small", **SMALL, mirrored_views=True, shifted_views=1)
    )
    images = random.normal(size=(3, *SMALL["image_shape"])).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = perceiver_tf.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), model(images))
    preprocess = ImagePreprocess(SMALL["image_shape"], mean=0.5, std=0.25)
    path = export(model, tmp_path / "served", preprocess=preprocess, class_names=tuple("abcd"))
    photos = random.integers(0, 256, (2, *SMALL["image_shape"]), dtype=np.uint8)
    served = tf.saved_model.load(str(path)).signatures["serving_default"](images=photos)["scores"]
    np.testing.assert_allclose(served, keras.ops.softmax(model(preprocess(photos))), atol=1e-5)


def test_mean_of_views_is_not_written_for_transformers():
    config = zoo.configuration("perceiver_io_imagenet_learned", **SMALL, mirrored_views=True)
    with pytest.raises(CheckpointError, match="has one view of an image"):
        config_of(zoo.build_model(config))


@pytest.mark.parametrize("value", [-1, 1.0, True, 8])
def test_shifted_views_are_pixels_of_the_image(value):
    message = "`shifted_views` must be an integer from 0, less than 8 pixels. Received"
    with pytest.raises(zoo.ZooError, match=message):
        zoo.configuration("perceiver_cifar10_small", **SMALL, shifted_views=value)


@pytest.mark.parametrize("value", [3, "yes", None])
def test_mirrored_views_are_true_or_false(value):
    with pytest.raises(zoo.ZooError, match="`mirrored_views` must be True or False. Received"):
        zoo.configuration("perceiver_cifar10_small", mirrored_views=value)
