import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.recipes.lamb import DecayingLamb


def reference_steps(weights, gradients, rate, decay, epsilon=1e-6):
    """LAMB in float64 numpy, from algorithm 2 of arXiv:1904.00962."""
    momentum, velocity = np.zeros_like(weights), np.zeros_like(weights)
    for step, gradient in enumerate(gradients, 1):
        momentum = 0.9 * momentum + 0.1 * gradient
        velocity = 0.999 * velocity + 0.001 * gradient**2
        update = momentum / (1 - 0.9**step) / (np.sqrt(velocity / (1 - 0.999**step)) + epsilon)
        update = update + decay * weights
        norms = np.linalg.norm(weights), np.linalg.norm(update)
        ratio = norms[0] / norms[1] if min(norms) > 0 else 1.0
        weights = weights - rate * ratio * update
    return weights


def steps(optimizer, variables, gradients):
    for gradient in zip(*gradients, strict=True):
        optimizer.apply([keras.ops.convert_to_tensor(g, "float32") for g in gradient], variables)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_lamb_equals_the_reference(random, decay):
    start, gradients = random.normal(size=(3, 4)), random.normal(size=(5, 3, 4))
    variable = keras.Variable(start, name="kernel")
    optimizer = DecayingLamb(0.01, decay=decay, epsilon=1e-6)
    steps(optimizer, [variable], [gradients])
    expected = reference_steps(start, gradients, 0.01, decay)
    np.testing.assert_allclose(variable, expected, rtol=1e-4)


def test_lamb_without_decay_is_that_of_keras(random):
    start, gradients = random.normal(size=(3, 4)), random.normal(size=(5, 3, 4))
    ours, theirs = (keras.Variable(start, name="kernel") for _ in range(2))
    steps(DecayingLamb(0.01), [ours], [gradients])
    steps(keras.optimizers.Lamb(0.01), [theirs], [gradients])
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_lamb_does_not_decay_excluded_variables(random):
    start, gradients = random.normal(size=7), random.normal(size=(5, 7))
    bias = keras.Variable(start, name="bias")
    steps(DecayingLamb(0.01, decay=0.1, decay_exclusions=("bias",)), [bias], [gradients])
    np.testing.assert_allclose(bias, reference_steps(start, gradients, 0.01, 0.0), rtol=1e-4)


def test_lamb_moves_weights_that_start_at_zero():
    bias = keras.Variable(np.zeros(3), name="bias")
    steps(DecayingLamb(0.01), [bias], [[np.ones(3)]])
    np.testing.assert_allclose(bias, -0.01 * np.ones(3), rtol=1e-4)


def test_decayed_weights_wait_for_the_gradient(random):
    """What needs no gradient is there when a step begins, and takes memory until it ends."""
    variable = keras.Variable(random.normal(size=(3, 4)), name="kernel")
    optimizer = DecayingLamb(0.01, decay=0.1)
    optimizer.build([variable])

    @tf.function(autograph=False)
    def step(gradient):
        optimizer.apply([gradient], [variable])

    graph = step.get_concrete_function(tf.TensorSpec((3, 4))).graph

    def needs_gradient(op):
        before = {x.op for x in op.inputs} | set(op.control_inputs)
        return op is graph.inputs[0].op or any(map(needs_gradient, before))

    of_weights = [
        op
        for op in graph.get_operations()
        if op.type == "Mul" and any(x.op.type == "ReadVariableOp" for x in op.inputs)
        if op.outputs[0].shape == (3, 4)
    ]
    assert of_weights
    assert all(map(needs_gradient, of_weights))


def test_lamb_is_serialisable():
    optimizer = DecayingLamb(0.02, decay=0.1, decay_exclusions=("bias", "beta"), epsilon=1e-6)
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert restored.get_config() == optimizer.get_config()


@pytest.mark.parametrize("settings", [{"decay": -0.1}, {"weight_decay": 0.1}])
def test_lamb_refuses_another_decay(settings):
    with pytest.raises(ValueError, match="`decay` must be at least 0"):
        DecayingLamb(**settings)
