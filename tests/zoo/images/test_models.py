"""Image classifiers that average an image and its mirror image."""

import numpy as np
import pytest

import zoo

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
