"""BoTNets: counts of the published ones, what their blocks compute, saving, bad settings."""

import dataclasses

import keras
import numpy as np
import pytest
import reference_botnet
import tensorflow as tf

from perceiver_tf import BoTNetConfig, botnet, count_parameters, load_model

SMALL = {
    "stem": "small_images",
    "stem_channels": 6,
    "bottleneck_channels": (4, 8),
    "num_blocks_per_stage": (1, 2),
    "expansion": 3,
    "num_heads": 2,
}


def build(num_outputs=5, shape=(6, 9, 3), **overrides):
    return botnet(keras.Input(shape), num_outputs, **{**SMALL, **overrides})


def images_of(random, shape=(6, 9, 3)):
    return random.normal(size=(4, *shape)).astype("float32")


def with_active_blocks(model, random):
    """New blocks are their shortcuts: give the last normalisations something to scale by."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(random.uniform(0.5, 1.5, layer.gamma.shape))
    return model


def parameters(**overrides):
    return count_parameters(lambda: botnet(keras.Input((224, 224, 3)), 1000, **overrides))


def test_published_networks_have_their_parameters():
    """25.5 and 20.8 million in table 1 of arXiv:2101.11605."""
    assert parameters(num_attention_stages=0) == 25_557_032  # ResNet-50 as everyone counts it
    offsets = (13 + 14) + (13 + 14) + 2 * (13 + 13)  # of 14 x 14 places, twice of 7 x 7
    kernels = 3 * (3 - 9) * 512**2  # queries, keys and values in place of 3 x 3
    assert parameters() == 25_557_032 + kernels + 128 * offsets == 20_852_008
    offsets = 3 * ((13 + 14) + (13 + 14))
    assert parameters(last_strides=1) == 25_557_032 + kernels + 128 * offsets


@pytest.mark.parametrize("stages", [0, 1, 2])
def test_outputs_depend_on_the_inputs_and_gradients_reach_every_weight(random, stages):
    model = with_active_blocks(build(num_attention_stages=stages), random)
    images = images_of(random)
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_sum(logits[:, 0] ** 3)
    assert np.abs(logits[0] - logits[1]).max() > 1e-3
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert np.abs(tf.convert_to_tensor(gradient)[..., :1]).max() > 0, weight.path


def test_a_new_network_is_its_shortcuts(random):
    """Whatever the attention computes, the zeros of the last normalisation hold it back."""
    model, images = build(), images_of(random)
    before = np.asarray(model(images))
    for layer in model.layers:
        if "attention" in layer.name:
            layer.set_weights([3 * weight for weight in layer.get_weights()])
    np.testing.assert_array_equal(model(images), before)
    with_active_blocks(model, random)
    assert np.abs(model(images) - before).max() > 1e-3


@pytest.mark.parametrize(
    ("overrides", "shape"),
    [
        ({}, (5, 6, 3)),
        ({"num_attention_stages": 2, "last_strides": 1}, (3, 4, 3)),
        ({"num_attention_stages": 0}, (5, 6, 3)),
    ],
)
def test_network_equals_the_reference(random, overrides, shape):
    model = build(shape=shape, **overrides)
    for layer in model.layers:
        layer.set_weights([random.uniform(-0.5, 1, w.shape) for w in layer.get_weights()])
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(random.uniform(1, 2, layer.gamma.shape))
    images = images_of(random, shape)[:2]
    expected = reference_botnet.network(model, BoTNetConfig(**SMALL | overrides), images)
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    np.testing.assert_allclose(model(images), expected, rtol=1e-3, atol=1e-3)


def test_attention_that_halves_the_grid_is_averaged_after_it(random):
    """The first block of the last stage by hand, from the network's own layers."""
    model = with_active_blocks(build(), random)
    name = "stage_1_block_0"
    tensors = (f"{name}_first_relu", f"{name}_middle_norm", f"{name}_attention")
    probe = keras.Model(model.input, [model.get_layer(t).output for t in tensors])
    first, normalised, attended = probe(images_of(random))
    assert attended.shape == first.shape == (4, 6, 9, 8)
    expected = model.get_layer(f"{name}_attention")(first)
    pooled = tf.nn.avg_pool2d(expected, 2, 2, "SAME")
    assert pooled.shape == (4, 3, 5, 8)
    norm = model.get_layer(f"{name}_middle_norm")
    np.testing.assert_allclose(normalised, norm(pooled), rtol=1e-5, atol=1e-5)
    assert model.get_layer("stage_1_block_1_attention").output.shape == (None, 3, 5, 8)


@pytest.mark.parametrize(
    ("overrides", "grid"),
    [({}, (3, 5)), ({"last_strides": 1}, (6, 9)), ({"stem": "imagenet"}, (1, 2))],
)
def test_grid_of_the_features(overrides, grid):
    assert build(**overrides).layers[-3].output.shape == (None, *grid, 24)


def test_features_come_without_a_head_and_inputs_through_an_adapter(random):
    assert build(num_outputs=None).output_shape == (None, 24)
    images = images_of(random)
    mirrored = botnet(keras.Input((6, 9, 3)), 5, adapter=lambda images: images[:, :, ::-1], **SMALL)
    plain = build()
    mirrored.set_weights(plain.get_weights())
    np.testing.assert_allclose(mirrored(images), plain(images[:, :, ::-1]), rtol=1e-5, atol=1e-5)


def test_dropout_acts_in_training_alone(random):
    images = images_of(random)
    for settings in ({"dropout": 0.5}, {"attention_dropout": 0.5}):
        model = with_active_blocks(build(**settings), random)
        first, second = (np.asarray(model(images, training=True)) for _ in range(2))
        assert np.abs(first - second).max() > 1e-3
        np.testing.assert_array_equal(model(images), model(images))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_saved_model_gives_equal_outputs(random, tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    model, images = with_active_blocks(build(), random), images_of(random)
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    outputs = model(images)
    assert outputs.dtype == "float32"
    np.testing.assert_array_equal(again(images), outputs)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stem": "large"}, "`stem` must be one of .* Received: stem='large'"),
        ({"num_heads": 0}, "`num_heads` must be an integer of at least 1"),
        ({"num_heads": 3}, "must be divisible by `num_heads`. Received: .* num_heads=3"),
        ({"expansion": 1.5}, "`expansion` must be an integer"),
        ({"bottleneck_channels": (4, 0)}, "`bottleneck_channels` must be a tuple of integers"),
        ({"bottleneck_channels": ()}, "`bottleneck_channels` must be a tuple of integers"),
        ({"num_blocks_per_stage": 2}, "`num_blocks_per_stage` must be a tuple of integers"),
        ({"num_blocks_per_stage": (1, 1)}, "must have one entry per stage. Received: .*\\(1, 1\\)"),
        ({"num_attention_stages": 5}, "`num_attention_stages` must be one of .* Received: .*=5"),
        ({"last_strides": 3}, "`last_strides` must be one of .* Received: last_strides=3"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
        ({"attention_dropout": -0.1}, r"`attention_dropout` must be in \[0, 1\)"),
    ],
)
def test_wrong_settings_are_told(fields, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(BoTNetConfig(), **fields)


def test_stages_that_convolve_need_no_heads():
    BoTNetConfig(bottleneck_channels=(5, 7, 9, 16), num_heads=8)
    BoTNetConfig(num_heads=3, num_attention_stages=0)


def test_images_of_unknown_size_are_told():
    with pytest.raises(ValueError, match="of a fixed size"):
        botnet(keras.Input((None, None, 3)), 5, **SMALL)
