import keras
import numpy as np
import pytest
import reference

from perceiver_tf import Attention

B, N, M = 2, 3, 5


def tensors(random, query_channels=8, input_channels=12):
    queries = random.normal(size=(B, N, query_channels)).astype("float32")
    return queries, random.normal(size=(B, M, input_channels)).astype("float32")


@pytest.mark.parametrize(
    ("num_heads", "qk_channels", "v_channels", "output_channels"),
    [(1, None, None, None), (2, 6, 10, 7), (4, 4, 8, None)],
)
def test_attention_equals_the_reference(
    random, num_heads, qk_channels, v_channels, output_channels
):
    queries, inputs = tensors(random)
    layer = Attention(num_heads, qk_channels, v_channels, output_channels)
    layer(queries, inputs)
    reference.randomise(layer, random)
    np.testing.assert_allclose(
        layer(queries, inputs), reference.attention(layer, queries, inputs), rtol=1e-4, atol=1e-4
    )


def test_attention_widths_default_to_the_smaller_of_queries_and_inputs(random):
    queries, inputs = tensors(random, query_channels=9, input_channels=7)
    layer = Attention()
    assert layer(queries, inputs).shape == (B, N, 9)
    assert layer.query.kernel.shape == (9, 7)
    assert layer.value.kernel.shape == (7, 7)


@pytest.mark.parametrize("num_heads", [1, 2])
def test_attention_masks_equal_the_reference(random, num_heads):
    queries, inputs = tensors(random)
    layer = Attention(num_heads, 4, 6)
    layer(queries, inputs)
    reference.randomise(layer, random)
    queries_mask = np.array([[True, False, True], [True, True, True]])
    inputs_mask = np.array([[True, False, True, True, False], [False] * M])
    mask = queries_mask[:, :, None] & inputs_mask[:, None, :]
    np.testing.assert_allclose(
        layer(queries, inputs, queries_mask=queries_mask, inputs_mask=inputs_mask),
        reference.attention(layer, queries, inputs, mask),
        rtol=1e-4,
        atol=1e-4,
    )


def test_attention_that_may_attend_to_nothing_gives_zeros_not_nan(random):
    queries, inputs = tensors(random)
    layer = Attention(2, 4, 6)
    result = layer(queries, inputs, inputs_mask=np.zeros((B, M), bool))
    np.testing.assert_array_equal(result, np.zeros((B, N, 8)))


def test_attention_gradients_of_fully_masked_rows_are_finite(random):
    import tensorflow as tf

    queries, inputs = tensors(random)
    layer = Attention(2, 4, 6)
    inputs_mask = np.array([[True, False, True, True, False], [False] * M])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(queries, inputs, inputs_mask=inputs_mask) ** 2)
    for gradient in tape.gradient(loss, layer.trainable_variables):
        assert np.isfinite(gradient).all()


def test_attention_equals_the_unpadded_computation(random):
    queries, inputs = tensors(random)
    layer = Attention(2, 4, 6)
    inputs_mask = np.arange(M) < 3
    padded = layer(queries, inputs, inputs_mask=np.tile(inputs_mask, (B, 1)))
    np.testing.assert_allclose(padded, layer(queries, inputs[:, :3]), atol=1e-5)


@pytest.mark.parametrize("name", ["query", "key", "value", "attention_output"])
def test_attention_uses_the_projections_that_lora_adapts(random, name):
    queries, inputs = tensors(random)
    layer = Attention(2, 4, 6)
    before = np.asarray(layer(queries, inputs))
    dense = getattr(layer, name)
    dense.enable_lora(2)
    dense.lora_kernel_b.assign(random.normal(size=dense.lora_kernel_b.shape))
    adapted = np.asarray(layer(queries, inputs))
    assert np.abs(adapted - before).max() > 1e-2
    np.testing.assert_allclose(
        adapted, reference.attention(layer, queries, inputs), rtol=1e-4, atol=1e-4
    )


def test_attention_uses_int8_projections(random):
    queries, inputs = tensors(random)
    layer = Attention(2, 4, 6)
    before = np.asarray(layer(queries, inputs))
    for name in ("query", "key", "value", "attention_output"):
        getattr(layer, name).quantize("int8")
    after = np.asarray(layer(queries, inputs))
    assert 0 < np.abs(after - before).max() < 0.05 * np.abs(before).max()


def test_attention_does_not_know_the_order_of_the_inputs(random):
    queries, inputs = tensors(random)
    layer = Attention(2, 4, 6)
    order = random.permutation(M)
    np.testing.assert_allclose(layer(queries, inputs), layer(queries, inputs[:, order]), atol=1e-5)


def test_attention_dropout_acts_in_training_only(random):
    queries, inputs = tensors(random)
    layer = Attention(2, 4, 6, dropout=0.5)
    plain = np.asarray(layer(queries, inputs))
    np.testing.assert_array_equal(plain, layer(queries, inputs, training=False))
    assert np.abs(plain - layer(queries, inputs, training=True)).max() > 1e-3


def test_attention_scores_are_float32_under_mixed_precision(random):
    """Scores near 100 that differ by 0.1 are equal in bfloat16, and their weights then, too."""
    layer = Attention(1, 4, 4, dtype="mixed_bfloat16")
    layer.build((1, 1, 4), (1, 2, 4))
    queries = keras.ops.cast(np.full((1, 1, 4), 10.0), "bfloat16")
    keys = keras.ops.cast([[[5.0, 5.0, 5.0, 5.0], [5.0, 5.0, 5.0, 5.03125]]], "bfloat16")
    values = keras.ops.cast([[[0.0] * 4, [1.0] * 4]], "bfloat16")
    gathered = float(keras.ops.cast(layer.gather(queries, keys, values, None), "float32")[0, 0, 0])
    expected = 1 / (1 + np.exp(-10 * 0.03125 / 2))
    assert abs(gathered - expected) < 4e-3
    assert abs(gathered - 0.5) > 0.03


def test_attention_passes_on_the_mask_that_keras_carries_with_the_queries(random):
    embedding = keras.layers.Embedding(7, 8, mask_zero=True)
    tokens = np.array([[3, 0, 4], [5, 6, 0]])
    queries, inputs = embedding(tokens), random.normal(size=(B, M, 12)).astype("float32")
    layer = Attention(2, 4, 6)
    result = layer(queries, inputs)
    np.testing.assert_array_equal(result._keras_mask, tokens > 0)
    np.testing.assert_allclose(
        result, layer(np.asarray(queries), inputs, queries_mask=tokens > 0), atol=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_heads": 3, "qk_channels": 8}, "`qk_channels` must be divisible.*qk_channels=8"),
        ({"num_heads": 2, "qk_channels": 4, "v_channels": 5}, "`v_channels` must be divisible"),
        ({"num_heads": 0}, "at least 1. Received: num_heads=0"),
        ({"dropout": 1.0}, r"in \[0, 1\). Received: dropout=1.0"),
    ],
)
def test_attention_refuses_invalid_arguments(random, arguments, message):
    with pytest.raises(ValueError, match=message):
        Attention(**arguments)(*tensors(random))
