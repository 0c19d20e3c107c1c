"""Entities of a set: embedded fields, embeddings of each and of all, and who does not matter."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from perceiver_tf import EntityInputs, MaskedMean, PerceiverIOConfig, set_encoder

SIZES = (5, 3)
CONFIG = PerceiverIOConfig(
    num_latents=4,
    latent_channels=8,
    num_blocks=1,
    num_self_attends_per_block=2,
    num_self_attention_heads=2,
)


@pytest.fixture(scope="module")
def model():
    inputs = {
        "categories": keras.Input((None, 2), dtype="int32", name="categories"),
        "numbers": keras.Input((None, 4), name="numbers"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    model = set_encoder(inputs, SIZES, 6, output_channels=7, config=CONFIG)
    random = np.random.default_rng(1)
    model.set_weights([random.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture
def entities(random):
    return {
        "categories": random.integers(0, SIZES, (2, 9, 2)).astype("int32"),
        "numbers": random.normal(size=(2, 9, 4)).astype("float32"),
        "mask": np.array([[True] * 9, [True] * 6 + [False] * 3]),
    }


def numbers(outputs):
    return {name: np.asarray(value) for name, value in outputs.items()}


def test_fields_are_one_hot_beside_the_numbers_and_projected(entities):
    layer = EntityInputs(6, SIZES)
    described = layer(entities)
    kernel, bias = (np.asarray(weight) for weight in layer.weights)
    rows = [np.eye(size)[entities["categories"][..., f]] for f, size in enumerate(SIZES)]
    rows = np.concatenate([*rows, entities["numbers"]], axis=-1)
    np.testing.assert_allclose(described["content"], rows @ kernel + bias, atol=1e-5)
    np.testing.assert_array_equal(described["mask"], entities["mask"])
    unknown = {"categories": np.full((1, 2, 2), 9)}
    np.testing.assert_array_equal(EntityInputs(6, SIZES)(unknown)["content"], 0)


def test_a_hidden_layer_has_a_gelu(entities):
    layer = EntityInputs(6, hidden_channels=5)
    given = {"numbers": entities["numbers"]}
    content = np.asarray(layer(given)["content"])
    first, first_bias, second, second_bias = (np.asarray(weight) for weight in layer.weights)
    hidden = np.asarray(keras.ops.gelu(given["numbers"] @ first + first_bias))
    np.testing.assert_allclose(content, hidden @ second + second_bias, atol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "parts", "message"),
    [
        ((5,), ("categories",), r"a field for each .* Received: 2 fields, category_sizes=\(5,\)"),
        ((5,), ("numbers",), "a field for each of `category_sizes`. Received: 0 fields"),
        ((), ("mask",), "must have a field. Received: no categories, no numbers"),
    ],
)
def test_wrong_fields_are_refused(entities, sizes, parts, message):
    with pytest.raises(ValueError, match=message):
        EntityInputs(6, sizes)({part: entities[part] for part in parts})


def test_mean_leaves_padding_out(random):
    inputs = random.normal(size=(2, 5, 3)).astype("float32")
    mask = np.array([[True, True, False, True, False], [False] * 5])
    inputs[0, 2] = np.nan
    means = MaskedMean()(inputs, mask)
    np.testing.assert_allclose(means[0], inputs[0, [0, 1, 3]].mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(means[1], 0)


def test_each_entity_and_the_whole_depend_on_every_entity(model, entities):
    before = numbers(model(entities))
    assert before["entities"].shape == (2, 9, 7) and before["pooled"].shape == (2, 7)
    for name, change in (("numbers", 1.5), ("categories", 1)):
        changed = {**entities, name: entities[name].copy()}
        changed[name][0, 3] = (changed[name][0, 3] + change) % 3
        after = numbers(model(changed))
        differences = np.abs(after["entities"] - before["entities"]).max(axis=-1)
        assert (differences[0] > 1e-4).all() and (differences[1] < 1e-6).all()
        assert np.abs(after["pooled"][0] - before["pooled"][0]).max() > 1e-4


def test_order_and_padding_change_nothing(model, entities, random):
    before = numbers(model(entities))
    order = random.permutation(9)
    permuted = numbers(model({name: values[:, order] for name, values in entities.items()}))
    np.testing.assert_allclose(permuted["entities"], before["entities"][:, order], atol=1e-5)
    np.testing.assert_allclose(permuted["pooled"], before["pooled"], atol=1e-5)
    absent = ~entities["mask"]
    other = {name: values.copy() for name, values in entities.items()}
    other["numbers"][absent], other["categories"][absent] = 7, 2
    np.testing.assert_array_equal(before["entities"][absent], 0)
    after = numbers(model(other))
    for name, values in before.items():
        np.testing.assert_allclose(after[name], values, atol=1e-6)
    short = numbers(model({name: values[1:, :6] for name, values in entities.items()}))
    np.testing.assert_allclose(short["entities"][0], before["entities"][1, :6], atol=1e-5)
    np.testing.assert_allclose(short["pooled"][0], before["pooled"][1], atol=1e-5)


def test_gradients_reach_every_weight(model, entities, random):
    weights = [random.normal(size=shape).astype("float32") for shape in ((2, 9, 7), (2, 7))]
    with tf.GradientTape() as tape:
        outputs = model(entities)
        loss = tf.reduce_sum(outputs["entities"] * weights[0])
        loss += tf.reduce_sum(outputs["pooled"] * weights[1])
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        # The softmax drops the bias of the keys.
        assert weight.path.endswith("key/bias") or np.abs(gradient).max() > 0, weight.path


def test_a_model_that_was_saved_gives_the_same(model, entities, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, values in numbers(loaded(entities)).items():
        np.testing.assert_array_equal(values, model(entities)[name])
