import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.errors import ZooError

NAMES = ["baseline_resnet_small", "baseline_vit_small", "baseline_botnet_small"]
SMALL = {"image_shape": (12, 8, 3), "num_classes": 5, "num_frequency_bands": 2}
PERCEIVER = {"num_latents": 3, "latent_channels": 16, "num_self_attention_heads": 2}


def model_of(name, **overrides):
    return zoo.build(name, **SMALL, **overrides).model


@pytest.fixture
def images(random):
    return random.normal(size=(2, 12, 8, 3)).astype("float32")


@pytest.mark.parametrize("name", NAMES)
def test_baseline_depends_on_its_images_and_trains_every_weight(name, images):
    model = model_of(name)
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_sum(logits[:, 0] ** 2)
    assert logits.shape == (2, 5)
    assert np.abs(logits[0] - logits[1]).max() > 1e-3
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    # The ViT's keys have a bias, which the softmax drops.
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_an_entry_are_the_pinned_ones(name):
    entry = zoo.build(name)
    assert entry.parameters == entry.config.parameters


@pytest.mark.parametrize("name", NAMES)
def test_baseline_sees_the_order_of_pixels_and_a_perceiver_does_not(name, images):
    def change(name, **overrides):
        plain, permuted = (
            model_of(name, permutation=order, **overrides) for order in ("none", "rows")
        )
        permuted.set_weights(plain.get_weights())
        return np.abs(np.asarray(plain(images)) - permuted(images)).max()

    assert change(name) > 1e-3
    assert change("perceiver_cifar10_small", **PERCEIVER) < 1e-4


def test_perceiver_among_positions_that_stay_sees_the_order(images):
    plain, permuted = (
        model_of("perceiver_cifar10_small", permutation=order, mirrored_views=False, **PERCEIVER)
        for order in ("none", "pixels")
    )
    permuted.set_weights(plain.get_weights())
    assert np.abs(np.asarray(plain(images)) - permuted(images)).max() > 1e-3
    order = np.random.default_rng(0).permutation(96)
    moved = images.reshape(2, 96, 3)[:, order].reshape(images.shape)
    np.testing.assert_allclose(plain(moved), permuted(images), rtol=1e-5, atol=1e-5)


def test_wrong_baselines_are_told(images):
    with pytest.raises(ZooError, match="`patch_size` must divide .* Received: patch_size=5"):
        zoo.build("baseline_vit_small", patch_size=5)
    with pytest.raises(ZooError, match='`permutation` must be "none" or "rows".*pixels'):
        zoo.build("baseline_resnet_small", permutation="pixels")
    with pytest.raises(ZooError, match="`permutation` must be one of .* Received: .*'all'"):
        zoo.build("perceiver_cifar10_small", permutation="all")
