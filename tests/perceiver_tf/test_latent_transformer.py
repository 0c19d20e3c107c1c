import numpy as np
import pytest
import reference

from perceiver_tf import MLP, LatentTransformer, SelfAttend


def test_self_attend_equals_the_reference(random):
    latents = random.normal(size=(2, 5, 8)).astype("float32")
    layer = SelfAttend(num_heads=2, qk_channels=4, v_channels=6, widening_factor=3)
    layer(latents)
    reference.randomise(layer, random)
    np.testing.assert_allclose(
        layer(latents), reference.self_attend(layer, latents), rtol=1e-3, atol=1e-3
    )


def test_self_attend_ignores_masked_latents(random):
    latents = random.normal(size=(2, 5, 8)).astype("float32")
    layer = SelfAttend(num_heads=2)
    mask = np.tile(np.arange(5) < 3, (2, 1))
    np.testing.assert_allclose(
        layer(latents, latents_mask=mask)[:, :3], layer(latents[:, :3]), atol=1e-5
    )


def test_self_attend_adds_every_bias_to_a_product_of_two_axes(random):
    """TensorFlow fuses a bias, a gelu and a residual with such a product, and with no other."""
    import tensorflow as tf

    layer = SelfAttend(num_heads=2, widening_factor=3)
    layer(random.normal(size=(2, 5, 8)).astype("float32"))
    graph = (
        tf.function(layer, autograph=False)
        .get_concrete_function(tf.TensorSpec((None, 5, 8), tf.float32))
        .graph
    )
    biases = [operation for operation in graph.get_operations() if operation.type == "BiasAdd"]
    assert len(biases) == 6
    assert {bias.inputs[0].op.type for bias in biases} == {"MatMul"}
    # The gelu is fused only where its name sorts after that of the bias it follows.
    gelu = next(o for o in graph.get_operations() if o.type == "Tanh")
    hidden = next(o for o in biases if "hidden" in o.name)
    assert hidden.name < gelu.name


def test_latent_transformer_passes_through_the_same_layers_again(random):
    latents = random.normal(size=(2, 5, 8)).astype("float32")
    layer = LatentTransformer(num_self_attends_per_block=2, num_blocks=3, num_heads=2)
    result = layer(latents)
    expected = latents
    for _ in range(3):
        for self_attend in layer.self_attends:
            expected = reference.self_attend(self_attend, expected)
    assert len(layer.self_attends) == 2
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3)


def test_latent_transformer_without_sharing_has_its_own_layers_in_every_pass(random):
    latents = random.normal(size=(2, 5, 8)).astype("float32")
    layer = LatentTransformer(
        num_self_attends_per_block=2, num_blocks=3, share_blocks=False, num_heads=2
    )
    result = layer(latents)
    expected = latents
    for self_attend in layer.self_attends:
        expected = reference.self_attend(self_attend, expected)
    assert len(layer.self_attends) == 6
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3)


def test_latent_transformer_dropout_acts_in_training_only(random):
    latents = random.normal(size=(2, 5, 8)).astype("float32")
    layer = LatentTransformer(2, num_heads=2, dropout=0.5)
    plain = np.asarray(layer(latents))
    np.testing.assert_array_equal(plain, layer(latents, training=False))
    assert np.abs(plain - layer(latents, training=True)).max() > 1e-3


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_mlp_acts_on_the_last_axis_of_any_number(random, rank):
    inputs = random.normal(size=(2, 3, 5)[: rank - 1] + (8,)).astype("float32")
    layer = MLP(widening_factor=2)
    result = layer(inputs)
    assert result.shape == inputs.shape
    np.testing.assert_allclose(result, reference.mlp(layer, inputs), rtol=1e-3, atol=1e-3)


def test_mlp_gelus_differ_and_unknown_ones_are_refused(random):
    inputs = random.normal(size=(2, 8)).astype("float32")
    tanh, erf = MLP(gelu="tanh"), MLP(gelu="erf")
    tanh(inputs), erf(inputs)
    erf.set_weights(tanh.get_weights())
    difference = np.abs(tanh(inputs) - erf(inputs)).max()
    assert 0 < difference < 1e-2
    with pytest.raises(ValueError, match="Received: gelu='swish'"):
        MLP(gelu="swish")
