"""Self-attention on grids against plain loops, and what it does not depend on."""

import keras
import numpy as np
import pytest
from reference_botnet import relative_self_attention

from perceiver_tf import RelativeSelfAttention

B, H, W, C, HEADS = 2, 3, 5, 12, 2


def built(random, height=H, width=W, **settings):
    """A layer whose weights, positions too, are large enough to matter."""
    layer = RelativeSelfAttention(HEADS, **settings)
    layer.build((None, height, width, C))
    layer.set_weights([random.normal(size=w.shape).astype("float32") for w in layer.weights])
    return layer


def grid_of(random, height=H, width=W):
    return random.normal(size=(B, height, width, C)).astype("float32")


@pytest.mark.parametrize("widths", [{}, {"qk_channels": 6, "v_channels": 8}])
def test_result_equals_the_definition_with_an_explicit_table_of_offsets(random, widths):
    layer, grid = built(random, **widths), grid_of(random)
    assert layer(keras.KerasTensor(grid.shape)).shape == layer(grid).shape
    np.testing.assert_allclose(
        layer(grid), relative_self_attention(layer, grid), rtol=1e-4, atol=1e-4
    )


def test_smaller_grids_use_the_offsets_that_occur_in_them(random):
    layer, grid = built(random, height=4, width=7), grid_of(random)
    np.testing.assert_allclose(
        layer(grid), relative_self_attention(layer, grid), rtol=1e-4, atol=1e-4
    )


def test_scores_by_position_depend_on_the_offset_alone(random):
    """With the same content everywhere, a shift of both places changes no score."""
    layer = built(random)
    same = np.broadcast_to(
        random.normal(size=(1, HEADS, 1, 1, C // HEADS)), (1, HEADS, H, W, C // HEADS)
    ).astype("float32")
    scores = np.asarray(layer.scores(same, same))
    np.testing.assert_allclose(
        scores[:, :, 1:, 2:, 1:, 2:], scores[:, :, :-1, :-2, :-1, :-2], rtol=1e-4, atol=1e-4
    )
    assert np.ptp(scores[0, 0, 1, 2]) > 1


def test_mirrored_grids_with_mirrored_offsets_give_mirrored_results(random):
    layer, grid = built(random), grid_of(random)
    mirrored = built(random)
    heights, widths, *projections = layer.get_weights()
    mirrored.set_weights([heights, widths[::-1], *projections])
    np.testing.assert_allclose(
        mirrored(grid[:, :, ::-1]), np.asarray(layer(grid))[:, :, ::-1], rtol=1e-4, atol=1e-4
    )


def test_order_of_the_places_matters_by_the_positions_alone(random):
    layer, grid = built(random), grid_of(random)
    order = random.permutation(H * W)

    def permuted(x):
        x = np.asarray(x)
        return x.reshape(B, H * W, -1)[:, order].reshape(x.shape)

    assert np.abs(layer(permuted(grid)) - permuted(layer(grid))).max() > 0.1
    heights, widths, *projections = layer.get_weights()
    layer.set_weights([0 * heights, 0 * widths, *projections])
    np.testing.assert_allclose(layer(permuted(grid)), permuted(layer(grid)), rtol=1e-4, atol=1e-4)


def test_gradients_reach_every_weight(random):
    import tensorflow as tf

    layer, grid = built(random), grid_of(random)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(grid) ** 2)
    for weight, gradient in zip(
        layer.weights, tape.gradient(loss, [w.value for w in layer.weights]), strict=True
    ):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 1e-3, weight.path


def test_dropout_acts_in_training_alone(random):
    layer, grid = built(random, dropout=0.5), grid_of(random)
    assert np.abs(layer(grid, training=True) - layer(grid)).max() > 0.1
    np.testing.assert_array_equal(layer(grid), layer(grid))


def test_saved_layer_gives_equal_results(random, tmp_path):
    inputs = keras.Input((H, W, C))
    model = keras.Model(inputs, RelativeSelfAttention(HEADS, 6, 8)(inputs))
    model.save(tmp_path / "model.keras")
    grid = grid_of(random)
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(grid), model(grid))


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        ({"num_heads": 0}, (B, H, W, C), "`num_heads` must be at least 1. Received: num_heads=0"),
        ({"dropout": 1.0}, (B, H, W, C), r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
        ({"num_heads": 5}, (B, H, W, C), "`qk_channels` must be divisible .* qk_channels=12"),
        ({"v_channels": 7}, (B, H, W, C), "`v_channels` must be divisible .* v_channels=7"),
        ({}, (B, H, None, C), r"of a fixed size. Received: a grid of shape \(2, 3, None, 12\)"),
        ({}, (B, H, C), r"need a grid `\(b, height, width, channels\)`"),
    ],
)
def test_wrong_settings_and_grids_are_told(settings, shape, message):
    with pytest.raises(ValueError, match=message):
        RelativeSelfAttention(**settings).build(shape)


@pytest.mark.parametrize("shape", [(B, H + 1, W, C), (B, H, None, C)])
def test_grids_without_positions_are_told(random, shape):
    with pytest.raises(ValueError, match=r"of a known size of at most \(3, 5\).*Received: a grid"):
        built(random)(keras.KerasTensor(shape))
