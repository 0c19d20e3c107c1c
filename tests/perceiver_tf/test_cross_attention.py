import keras
import numpy as np
import pytest
import reference

from perceiver_tf import CrossAttend, CrossAttention, FourierInputs
from perceiver_tf.layers import byte_array, gathering
from perceiver_tf.layers.choosing import choose_implementations
from perceiver_tf.layers.folded import RowsReader

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
    part = {"content": np.zeros((1, 3, 2)), "mask": own}
    (mask,) = byte_array.rows_masks([part], other)
    np.testing.assert_array_equal(mask, [[True, False, False]])
    (mask,) = byte_array.rows_masks([{}], {"content": own})
    np.testing.assert_array_equal(mask, own)
    assert byte_array.rows_masks([{}], {"content": None}) == [None]


@pytest.mark.parametrize("sizes", [(5,), (4, 2), (2, 3, 4)])
@pytest.mark.parametrize("num_heads", [1, 2])
@pytest.mark.parametrize("use_query_residual", [True, False])
@pytest.mark.parametrize("implementation", ["auto", "dense", "folded", "separable"])
def test_cross_attend_equals_the_reference(
    random, sizes, num_heads, use_query_residual, implementation
):
    description, rows = describe(random, *sizes)
    queries = random.normal(size=(B, N, 8)).astype("float32")
    layer = CrossAttend(
        num_heads=num_heads,
        qk_channels=6,
        widening_factor=2,
        use_query_residual=use_query_residual,
        implementation=implementation,
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
        if implementation == "separable" and inputs is rows:
            continue
        np.testing.assert_allclose(
            layer(queries, inputs, inputs_mask=inputs_mask),
            reference.cross_attend(layer, queries, rows, allowed),
            rtol=1e-3,
            atol=1e-3,
        )


def test_cross_attention_takes_the_mask_that_keras_carries(random):
    tokens = np.array([[3, 4, 0, 0], [5, 0, 0, 0]])
    embedding = keras.layers.Embedding(7, 6, mask_zero=True)
    layer = CrossAttention(num_heads=2)
    queries = random.normal(size=(B, N, 8)).astype("float32")
    masked = layer(queries, embedding(tokens))
    explicit = layer(queries, np.asarray(embedding(tokens)), inputs_mask=tokens > 0)
    np.testing.assert_allclose(masked, explicit, atol=1e-6)
    assert np.abs(masked - layer(queries, np.asarray(embedding(tokens)))).max() > 1e-4


@pytest.mark.parametrize("implementation", ["folded", "separable"])
@pytest.mark.parametrize("num_heads", [1, 2])
def test_fast_gradients_equal_the_dense_ones(random, implementation, num_heads):
    import tensorflow as tf

    description, _ = describe(random, 4, 6)
    queries = tf.constant(random.normal(size=(B, N, 8)).astype("float32"))
    mask = random.random((B, 24)) < 0.7
    target = random.normal(size=(B, N, 8)).astype("float32")
    gradients = {}
    for name in ("dense", implementation):
        layer = CrossAttention(num_heads=num_heads, qk_channels=6, implementation=name)
        layer(queries, description)
        reference.randomise(layer, np.random.default_rng(3))
        content = tf.constant(description["content"])
        with tf.GradientTape() as tape:
            tape.watch([queries, content])
            result = layer(queries, {**description, "content": content}, inputs_mask=mask)
            loss = tf.reduce_sum(result * target)
        variables = [queries, content, *layer.trainable_variables]
        gradients[name] = tape.gradient(loss, variables)
    for fast, dense in zip(gradients[implementation], gradients["dense"], strict=True):
        np.testing.assert_allclose(fast, dense, rtol=1e-3, atol=1e-4 * np.abs(dense).max() + 1e-5)


@pytest.mark.parametrize("implementation", ["folded", "separable"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_fast_implementations_take_content_of_any_size(random, implementation, scale):
    """Large scores make the bound of the maximum loose: the exact maximum takes over."""
    description, rows = describe(random, 6, 4)
    content = description["content"] * scale
    content[:, 0] = 0
    rows = np.concatenate([content.reshape(B, 24, 3), rows[..., 3:]], -1)
    queries = 30 * random.normal(size=(B, N, 8)).astype("float32")
    layer = CrossAttend(num_heads=2, qk_channels=6, implementation=implementation)
    layer(queries, {**description, "content": content})
    reference.randomise(layer, random)
    np.testing.assert_allclose(
        layer(queries, {**description, "content": content}),
        reference.cross_attend(layer, queries, rows),
        rtol=2e-3,
        atol=2e-3,
    )


def test_auto_chooses_by_counting():
    def choice(*sizes, channels=3, queries=512, heads=1, width=261, tables=True):
        content = keras.KerasTensor((1, *sizes, channels))
        axes = [keras.KerasTensor((size, 129)) for size in sizes]
        description = {"content": content, "axes": axes} if tables else {"content": content}
        return choose_implementations([description], queries, heads, width, width)[0]

    assert choice(224, 224) == "separable"
    assert choice(None, 224) == "folded"
    assert choice(2048, channels=768, queries=256, heads=8, width=768, tables=False) == "dense"
    assert choice(50176, channels=261, tables=False) == "folded"


def test_adapted_projections_fall_back_to_dense(random):
    description, _ = describe(random, 4, 6)
    queries = random.normal(size=(B, N, 8)).astype("float32")
    layer = CrossAttention(implementation="separable")
    layer(queries, description)
    layer.value.enable_lora(2)
    layer.value.lora_kernel_b.assign(np.ones(layer.value.lora_kernel_b.shape))
    rows = layer.inputs_norm(byte_array.assemble(description))
    np.testing.assert_allclose(
        layer(queries, description), reference.attention(layer, queries, rows), atol=1e-4
    )


def test_separable_needs_a_grid_and_a_known_implementation(random):
    queries = random.normal(size=(B, N, 8)).astype("float32")
    with pytest.raises(ValueError, match="needs a grid of fixed size"):
        CrossAttention(implementation="separable")(queries, np.zeros((B, 5, 7), "float32"))
    with pytest.raises(ValueError, match="Received: implementation='fast'"):
        CrossAttention(implementation="fast")


@pytest.mark.parametrize("implementation", ["auto", "dense", "folded", "separable"])
def test_integer_content_gives_the_same_as_float_content(random, implementation):
    description, rows = describe(random, 4, 6)
    content = random.integers(0, 9, description["content"].shape)
    rows = np.concatenate([content.reshape(B, 24, 3), rows[..., 3:]], -1)
    queries = random.normal(size=(B, N, 8)).astype("float32")
    layer = CrossAttend(implementation=implementation)
    layer(queries, description)
    np.testing.assert_allclose(
        layer(queries, {**description, "content": content.astype("uint8")}),
        reference.cross_attend(layer, queries, rows),
        atol=1e-4,
    )


@pytest.mark.parametrize("implementation", ["auto", "dense", "folded", "separable"])
def test_the_number_of_queries_may_be_unknown_until_call_time(random, implementation):
    import tensorflow as tf

    description, _ = describe(random, 4, 6)
    queries = random.normal(size=(B, N, 8)).astype("float32")
    layer = CrossAttend(implementation=implementation)
    expected = layer(queries, description)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 8))], autograph=False)
    def call(queries):
        return layer(queries, description)

    np.testing.assert_allclose(call(queries), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "bfloat16"])
def test_positions_stay_float32_beside_content_of_another_dtype(random, dtype):
    description, rows = describe(random, 4, 6)
    content = keras.ops.cast(description["content"], dtype)
    assembled = byte_array.assemble({**description, "content": content})
    np.testing.assert_array_equal(assembled[..., 3:], rows[..., 3:])
    learned = random.normal(size=(24, 5)).astype("float32")
    assembled = byte_array.assemble({"content": content, "positions": learned})
    np.testing.assert_array_equal(assembled[1, :, 3:], learned)


@pytest.mark.parametrize("implementation", ["dense", "folded", "separable"])
def test_mixed_precision_results_are_near_those_of_float32(random, implementation):
    images = random.normal(size=(B, 64, 64, 3)).astype("float32")
    described = FourierInputs(16, (64, 64))(images)
    queries = 4 * random.normal(size=(B, N, 16)).astype("float32")
    plain = CrossAttention(implementation="dense", dtype="float32")
    expected = np.asarray(plain(queries, described))
    mixed = CrossAttention(implementation=implementation, dtype="mixed_bfloat16")
    mixed(queries, described)
    mixed.set_weights(plain.get_weights())
    result = keras.ops.cast(mixed(queries, described), "float32")
    np.testing.assert_allclose(result, expected, atol=2e-2 * np.abs(expected).max())


@pytest.mark.parametrize("gap", [5, 20, 35, 40, 45, 50, 55, 60, 80, 200])
def test_gradients_stay_finite_however_loose_the_bound(random, gap):
    """Between bound and largest score, exp(-gap) is what everything is divided by."""
    import tensorflow as tf

    rows = {"content": random.normal(size=(1, 9, 6)).astype("float32")}
    folded = random.normal(size=(1, 1, 6)).astype("float32")
    folded -= folded.mean(-1, keepdims=True)
    reader = RowsReader(tf.constant(folded), rows, None, 1e-5)
    scale = gap / float(reader.score_bound()[0, 0, 0] - reader.largest_score()[0, 0, 0])
    folded = tf.constant(scale * folded)

    def gradient(compute):
        with tf.GradientTape() as tape:
            tape.watch(folded)
            loss = tf.reduce_sum(tf.sin(compute()))
        return tape.gradient(loss, folded)

    def by_softmax():
        normalised = reader.right[..., :-1]
        scores = tf.einsum("bnc,bmc->bnm", folded, normalised)
        return tf.einsum("bnm,bmc->bnc", tf.nn.softmax(scores), normalised)

    fast = gradient(lambda: gathering.gather([RowsReader(folded, rows, None, 1e-5)], False)[0])
    np.testing.assert_allclose(fast, gradient(by_softmax), rtol=1e-3, atol=1e-4)
