import keras
import numpy as np
import pytest
import reference

from perceiver_tf import CrossAttend, CrossAttention, FourierInputs, LatentArray
from perceiver_tf.layers import byte_array

B, N = 2, 3


def describe(random, *sizes, channels=3):
    """A grid's byte array and its rows, put together by numpy loops."""
    content = random.normal(size=(B, *sizes, channels)).astype("float32")
    axes = [random.normal(size=(size, 5)).astype("float32") for size in sizes]
    rows = []
    for index in np.ndindex(*sizes):
        tables = [table[i] for table, i in zip(axes, index, strict=True)]
        parts = [t[:1] for t in tables] + [t[1:3] for t in tables] + [t[3:] for t in tables]
        positions = np.tile(np.concatenate(parts), (B, 1))
        rows.append(np.concatenate([content[(slice(None), *index)], positions], -1))
    return {"content": content, "axes": axes}, np.stack(rows, 1)


@pytest.mark.parametrize("sizes", [(5,), (4, 2), (2, 3, 4)])
def test_byte_array_rows_have_the_published_order(random, sizes):
    description, rows = describe(random, *sizes)
    np.testing.assert_array_equal(byte_array.assemble(description), rows)


def test_byte_array_of_learned_positions_and_of_content_alone(random):
    content = random.normal(size=(B, 2, 2, 3)).astype("float32")
    positions = random.normal(size=(4, 6)).astype("float32")
    rows = byte_array.assemble({"content": content, "positions": positions})
    np.testing.assert_array_equal(rows[1, 3], np.concatenate([content[1, 1, 1], positions[3]]))
    np.testing.assert_array_equal(
        byte_array.assemble({"content": content}), content.reshape(B, 4, 3)
    )


def test_byte_array_masks_count_together():
    own, other = np.array([[True, True, False]]), np.array([[True, False, True]])
    np.testing.assert_array_equal(
        byte_array.rows_mask({"content": None, "mask": own}, other), [[True, False, False]]
    )
    np.testing.assert_array_equal(byte_array.rows_mask({}, {"content": own}), own)
    assert byte_array.rows_mask({}, {"content": None}) is None


@pytest.mark.parametrize("sizes", [(5,), (4, 2), (2, 3, 4)])
@pytest.mark.parametrize("num_heads", [1, 2])
@pytest.mark.parametrize("use_query_residual", [True, False])
def test_cross_attend_equals_the_reference(random, sizes, num_heads, use_query_residual):
    description, rows = describe(random, *sizes)
    queries = random.normal(size=(B, N, 8)).astype("float32")
    layer = CrossAttend(
        num_heads=num_heads, qk_channels=6, widening_factor=2, use_query_residual=use_query_residual
    )
    layer(queries, description)
    reference.randomise(layer, random)
    mask = random.random((B, rows.shape[1])) < 0.6
    mask[1] = False
    for inputs, inputs_mask, allowed in (
        (description, None, None),
        (rows, None, None),
        (description, mask, np.repeat(mask[:, None], N, 1)),
        ({**description, "mask": mask}, None, np.repeat(mask[:, None], N, 1)),
    ):
        np.testing.assert_allclose(
            layer(queries, inputs, inputs_mask=inputs_mask),
            reference.cross_attend(layer, queries, rows, allowed),
            rtol=1e-3,
            atol=1e-3,
        )


def test_cross_attention_normalises_positions_in_float32_under_mixed_precision(random):
    images = random.normal(size=(B, 32, 32, 3)).astype("float32")
    latents = LatentArray(N, 16, init_scale=1.0)
    described = FourierInputs(16, (32, 32))(images)
    plain = CrossAttention(dtype="float32")
    expected = plain(latents(images), described)
    mixed = CrossAttention(dtype="mixed_bfloat16")
    mixed(latents(images), described)
    mixed.set_weights(plain.get_weights())
    result = keras.ops.cast(mixed(latents(images), described), "float32")
    np.testing.assert_allclose(result, expected, atol=2e-2)


def test_cross_attention_takes_the_mask_that_keras_carries(random):
    tokens = np.array([[3, 4, 0, 0], [5, 0, 0, 0]])
    embedding = keras.layers.Embedding(7, 6, mask_zero=True)
    layer = CrossAttention(num_heads=2)
    queries = random.normal(size=(B, N, 8)).astype("float32")
    masked = layer(queries, embedding(tokens))
    explicit = layer(queries, np.asarray(embedding(tokens)), inputs_mask=tokens > 0)
    np.testing.assert_allclose(masked, explicit, atol=1e-6)
    assert np.abs(masked - layer(queries, np.asarray(embedding(tokens)))).max() > 1e-4
