"""Training steps that compute blocks again: equal numbers, and what they no longer hold."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import perceiver_tf
from perceiver_tf import (
    FourierInputs,
    LatentArray,
    LatentTransformer,
    ModalityPadding,
    perceiver,
    perceiver_io,
)
from perceiver_tf.layers import reading

SETTINGS = {
    "num_latents": 5,
    "latent_channels": 16,
    "num_self_attends_per_block": 1,
    "num_self_attention_heads": 4,
}


def build(rematerialise, **overrides):
    images = keras.Input((6, 8, 3), name="images")
    settings = {**SETTINGS, "num_cross_attends": 3, "rematerialise": rematerialise, **overrides}
    return perceiver(images, FourierInputs(3, (6, 8)), 4, **settings)


def pair(**overrides):
    """A model that keeps its activations and one that does not, with the same weights."""
    plain, again = build(False, **overrides), build(True, **overrides)
    again.set_weights(plain.get_weights())
    return plain, again


def images_of(random, batch_size=2):
    return random.normal(size=(batch_size, 6, 8, 3)).astype("float32")


def training_step(model, jit_compile=None):
    """A graph from images to the outputs and gradients of images and weights."""

    @tf.function(jit_compile=jit_compile)
    def step(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = model(images, training=True)
            loss = tf.reduce_sum(tf.sin(tf.cast(outputs, "float32")))
        return outputs, tape.gradient(loss, [images, *model.trainable_variables])

    return step


def assert_equal_steps(these, those, tolerance=1e-5):
    (outputs, gradients), (expected, expected_gradients) = these, those
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs, expected, atol=tolerance * scale, rtol=0)
    scale = max(np.abs(gradient).max() for gradient in expected_gradients)
    for one, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance * scale, rtol=0)


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"sharing": "none"},
        {"num_blocks": 2, "gelu": "erf"},
        {"cross_attention_implementation": "dense", "num_cross_attention_heads": 2},
    ],
)
def test_outputs_and_gradients_are_equal(random, overrides):
    plain, again = pair(**overrides)
    images = tf.constant(images_of(random))
    assert_equal_steps(training_step(again)(images), training_step(plain)(images))
    np.testing.assert_array_equal(again(images), plain(images))


@pytest.mark.parametrize("implementation", ["dense", "separable"])
def test_inputs_read_in_blocks_have_equal_gradients(random, monkeypatch, implementation):
    plain, again = pair(cross_attention_implementation=implementation, num_cross_attends=2)
    images = tf.constant(images_of(random))
    expected = training_step(plain)(images)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 700)
    graph = training_step(again).get_concrete_function(images).graph.as_graph_def()
    operations = {node.op for f in graph.library.function for node in f.node_def}
    assert operations & {"While", "StatelessWhile"}
    assert_equal_steps(training_step(again)(images), expected, tolerance=1e-4)


def test_perceiver_io_has_equal_gradients(random):
    models = []
    for rematerialise in (False, True):
        images = keras.Input((6, 8, 3), name="images")
        overrides = {**SETTINGS, "num_blocks": 3, "rematerialise": rematerialise}
        adapter = FourierInputs(3, (6, 8))
        models.append(perceiver_io(images, adapter, LatentArray(1, 16), 4, **overrides))
    models[1].set_weights(models[0].get_weights())
    images = tf.constant(images_of(random))
    plain, again = (training_step(model)(images) for model in models)
    assert_equal_steps(again, plain)


def test_masks_of_inputs_count(random):
    points = keras.Input((None, 16), name="points")
    masked = keras.layers.Masking()
    models = [
        perceiver(points, masked, 4, num_cross_attends=2, rematerialise=rematerialise, **SETTINGS)
        for rematerialise in (False, True)
    ]
    models[1].set_weights(models[0].get_weights())
    values = random.normal(size=(2, 7, 16)).astype("float32")
    values[0, 4:] = 0.0
    plain, again = (training_step(model)(tf.constant(values)) for model in models)
    assert_equal_steps(again, plain)
    full = training_step(models[1])(tf.constant(np.where(values == 0, 1e-3, values)))
    assert np.abs(full[0] - again[0]).max() > 1e-3


def test_several_modalities_have_equal_gradients(random):
    """Padding of narrower rows is a trained variable that all cross-attends read."""
    shapes = {"near": (7, 6), "far": (4, 9)}
    models = []
    for rematerialise in (False, True):
        inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
        padding = {name: ModalityPadding(11, name=f"{name}_rows") for name in shapes}

        def adapter(inputs, padding=padding):
            return [padding[name](inputs[name]) for name in shapes]

        settings = {**SETTINGS, "num_cross_attends": 2, "rematerialise": rematerialise}
        models.append(perceiver(inputs, adapter, 4, **settings))
    models[1].set_weights(models[0].get_weights())
    values = {
        name: random.normal(size=(2, *shape)).astype("float32") for name, shape in shapes.items()
    }
    plain, again = (modalities_step(model, values) for model in models)
    assert len(plain[1]) == len(models[0].trainable_variables)
    assert_equal_steps(again, plain)


def modalities_step(model, values):
    @tf.function
    def step(values):
        with tf.GradientTape() as tape:
            outputs = model(values, training=True)
            loss = tf.reduce_sum(tf.sin(outputs))
        return outputs, tape.gradient(loss, model.trainable_variables)

    return step({name: tf.constant(value) for name, value in values.items()})


def test_masks_of_latents_count(random):
    latents = random.normal(size=(2, 5, 16)).astype("float32")
    mask = np.array([[True] * 5, [True] * 3 + [False] * 2])
    results = []
    for rematerialise in (False, True):
        keras.utils.set_random_seed(0)
        layer = LatentTransformer(2, 2, num_heads=4, rematerialise=rematerialise)
        layer(latents)
        results.append(tf.function(layer)(latents, latents_mask=mask, training=True))
    np.testing.assert_allclose(*results, atol=1e-6)


@pytest.mark.parametrize("rate", ["dropout", "attention_dropout"])
def test_dropout_repeats_its_draws_and_draws_anew(random, rate):
    """The same seeds give the same step; each use of a shared block has its own draws."""
    plain, again = pair(**{rate: 0.3}, cross_attention_implementation="dense")
    images = tf.constant(images_of(random))
    _same_seeds(plain, again)
    steps = [training_step(model) for model in (plain, again)]
    first = [step(images) for step in steps]
    assert_equal_steps(first[1], first[0])
    second = [step(images) for step in steps]
    assert_equal_steps(second[1], second[0])
    assert np.abs(first[0][0] - second[0][0]).max() > 1e-3


def _same_seeds(*models):
    for model in models:
        seeds = [variable for variable in model.variables if "seed" in variable.path]
        assert seeds
        for index, seed in enumerate(seeds):
            seed.assign([17, index])


def test_mixed_precision_sums_gradients_in_float32(random):
    keras.config.set_dtype_policy("mixed_bfloat16")
    plain, again = pair()
    images = tf.constant(images_of(random))
    step = training_step(again)(images)
    assert_equal_steps(step, training_step(plain)(images), tolerance=3e-2)
    assert {gradient.dtype for gradient in step[1]} == {tf.float32}


def test_nothing_but_latents_is_held_between_forward_and_backward(random):
    """The scores of self-attends appear in no operation of the step's own graph."""
    plain, again = pair(num_latents=7)
    scores = (2, 4, 7, 7)

    def held(model):
        images = tf.constant(images_of(random))
        graph = training_step(model).get_concrete_function(images).graph
        tensors = [tensor for operation in graph.get_operations() for tensor in operation.outputs]
        return [tensor for tensor in tensors if tuple(tensor.shape or ()) == scores]

    assert held(plain)
    assert not held(again)


def test_blocks_that_are_configured_alike_share_their_functions(random):
    model = build(True, num_self_attends_per_block=3, num_cross_attends=4)
    graph = training_step(model).get_concrete_function(tf.constant(images_of(random))).graph
    calls = [
        operation.get_attr("f").name
        for operation in graph.get_operations()
        if operation.type in ("PartitionedCall", "StatefulPartitionedCall")
    ]
    # Both directions of 4 cross-attends (two sets of weights) and 4 passes of 3 self-attends.
    assert len(calls) == 2 * (4 + 4 * 3)
    assert len(set(calls)) == 4


def test_the_graph_does_not_grow_with_the_operations_of_each_block(random):
    def num_nodes(num_self_attends, rematerialise):
        model = build(rematerialise, num_self_attends_per_block=num_self_attends)
        step = training_step(model).get_concrete_function(tf.constant(images_of(random)))
        definition = step.graph.as_graph_def()
        return len(definition.node) + sum(len(f.node_def) for f in definition.library.function)

    plain, again = (num_nodes(9, kind) - num_nodes(3, kind) for kind in (False, True))
    assert again < plain / 3


def test_frozen_and_adapted_weights(random):
    """A frozen block has no gradient and passes it on; LoRA trains its own kernels alone."""
    plain, again = pair()
    blocks = again.get_layer("iterations").blocks
    twins = [plain.get_layer(block.name) for block in blocks]
    for first, transformer, second in (blocks, twins):
        transformer.trainable = False
        keras.utils.set_random_seed(1)
        first.attention.query.enable_lora(2)
        second.attention.query.enable_lora(2, lora_alpha=20)
    weights = [random.normal(size=weight.shape) * 0.3 for weight in plain.get_weights()]
    for model in (plain, again):
        model.set_weights(weights)
    images = tf.constant(images_of(random))
    assert len(again.trainable_variables) == len(plain.trainable_variables)
    assert_equal_steps(training_step(again)(images), training_step(plain)(images))


def test_saved_models_are_loaded(random, tmp_path):
    model, images = build(True), images_of(random)
    model.save(tmp_path / "model.keras")
    loaded = perceiver_tf.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), model(images))
    assert loaded.get_layer("iterations").config == model.get_layer("iterations").config
    other = build(True)
    other.load_weights(tmp_path / "model.keras")
    np.testing.assert_array_equal(other(images), model(images))


def test_loaded_models_keep_their_precision(random, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model, images = build(True), images_of(random)
    model.save(tmp_path / "model.keras")
    logits = np.asarray(model(images))
    keras.config.set_dtype_policy("float32")
    loaded = perceiver_tf.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), logits)


def test_fit_learns_and_runs_eagerly_too(random):
    images, labels = images_of(random, 8), np.arange(8) % 4
    losses = []
    for run_eagerly in (False, True):
        keras.utils.set_random_seed(0)
        model = build(True)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.01), loss, run_eagerly=run_eagerly)
        history = model.fit(images, labels, batch_size=4, epochs=3, verbose=0, shuffle=False)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-3)
    assert losses[0][-1] < losses[0][0]


@pytest.mark.slow
def test_xla_compiles_the_step(random):
    plain, again = pair(num_cross_attends=2)
    images = tf.constant(images_of(random))
    compiled = training_step(again, jit_compile=True)(images)
    assert_equal_steps(compiled, training_step(plain)(images), tolerance=1e-4)
