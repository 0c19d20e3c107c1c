import keras
import numpy as np
import pytest
import reference

from perceiver_tf.layers.layer_norm import LayerNorm

CLASSES = (LayerNorm, keras.layers.LayerNormalization)
SHAPES = [(4, 8), (2, 5, 8), (2, 3, 5, 8)]


def built(random, channels, dtype="float32"):
    """A layer, and Keras's own, with the same weights."""
    layers = [layer_class(epsilon=1e-5, dtype=dtype) for layer_class in CLASSES]
    weights = [random.normal(size=channels) for _ in range(2)]
    for layer in layers:
        layer.build((None, channels))
        layer.set_weights(weights)
    return layers


@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm_equals_the_reference_for_inputs_far_from_zero(random, shape):
    layer, _ = built(random, shape[-1])
    for inputs in (random.normal(size=shape), 1e3 + 1e-1 * random.normal(size=shape)):
        inputs = inputs.astype("float32")
        np.testing.assert_allclose(layer(inputs), reference.norm(inputs, layer), atol=2e-3)
    inputs = random.normal(size=shape).astype("float32")
    np.testing.assert_allclose(layer(inputs), reference.norm(inputs, layer), atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm_has_the_gradients_of_the_one_of_keras(random, shape):
    import tensorflow as tf

    inputs, upstream = (tf.constant(random.normal(size=shape)) for _ in range(2))
    gradients = []
    for layer in built(random, shape[-1], dtype="float64"):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(layer(inputs) * upstream)
        gradients.append(tape.gradient(loss, [inputs, *layer.trainable_variables]))
    for ours, theirs in zip(*gradients, strict=True):
        assert np.abs(theirs).max() > 0.1
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_layer_norm_second_derivatives_equal_those_of_the_one_of_keras(random):
    import tensorflow as tf

    inputs = tf.constant(random.normal(size=(4, 8)))
    derivatives = []
    for layer in built(random, 8, dtype="float64"):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                loss = tf.reduce_sum(layer(inputs) ** 3)
            penalty = tf.reduce_sum(inner.gradient(loss, inputs) ** 2)
        derivatives.append(outer.gradient(penalty, inputs))
    np.testing.assert_allclose(*derivatives, rtol=1e-8, atol=1e-8)


def test_layer_norm_computes_in_float32_under_mixed_precision(random):
    """In bfloat16 the mean of values near 256 is off by more than their spread."""
    layer, _ = built(random, 8, dtype="mixed_bfloat16")
    inputs = keras.ops.cast(256 + 2 * random.integers(-2, 3, size=(4, 8)), "bfloat16")
    result = layer(inputs)
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    expected = reference.norm(keras.ops.convert_to_numpy(keras.ops.cast(inputs, "float32")), layer)
    np.testing.assert_allclose(keras.ops.cast(result, "float32"), expected, rtol=1e-2, atol=1e-2)
