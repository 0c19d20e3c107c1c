"""What is computed in blocks equals what is computed at once, values and gradients."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from perceiver_tf import (
    CrossAttend,
    CrossAttention,
    FourierInputs,
    FourierQueries,
    LearnedPositions,
    MaskToken,
    ModalityPadding,
    perceiver,
)
from perceiver_tf.layers import byte_array, gathering, reading
from perceiver_tf.layers.folded import RowsReader
from perceiver_tf.layers.separable import GridReader

B, N = 2, 3
TINY, HUGE = 1, 2**40


def describe(random, sizes):
    content = random.normal(size=(B, *sizes, 3)).astype("float32")
    axes = [random.normal(size=(size, 5)).astype("float32") for size in sizes]
    return {"content": content, "axes": axes}


def results(layer, queries, description, mask, block_bytes, monkeypatch, xla=False, **masks):
    """Values, and gradients of weights, queries and content, from a traced function."""
    monkeypatch.setattr(reading, "BLOCK_BYTES", block_bytes)
    content = tf.constant(description["content"])
    queries = tf.nest.map_structure(tf.constant, queries)

    @tf.function(autograph=False, jit_compile=xla)
    def compute(queries, content):
        watched = [*tf.nest.flatten(queries), content]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            inputs = {**description, "content": content}
            values = layer(queries, inputs, inputs_mask=mask, **masks)
            loss = tf.reduce_sum(tf.sin(tf.cast(values, tf.float32)))
        watched += layer.trainable_variables
        return values, *tape.gradient(loss, watched, unconnected_gradients="zero")

    return [np.asarray(x) for x in compute(queries, content)]


@pytest.mark.parametrize("implementation", ["dense", "folded", "separable"])
@pytest.mark.parametrize(
    ("sizes", "num_heads", "masked"), [((7,), 2, False), ((3, 5), 1, True), ((2, 5, 3), 2, True)]
)
def test_inputs_in_blocks(random, monkeypatch, implementation, masked, num_heads, sizes):
    description = describe(random, sizes)
    length = int(np.prod(sizes))
    queries = random.normal(size=(B, N, 8)).astype("float32")
    mask = random.random((B, length)) < 0.6 if masked else None
    if masked:
        mask[1] = False
    layer = CrossAttention(num_heads=num_heads, qk_channels=6, implementation=implementation)
    layer(queries, description)
    reference.randomise(layer, random)
    case = layer, queries, description, mask
    whole = results(*case, HUGE, monkeypatch)
    rows = byte_array.assemble(description)
    allowed = None if mask is None else np.repeat(mask[:, None], N, 1)
    normalised = reference.norm(rows, layer.inputs_norm)
    expected = reference.attention(layer, queries, normalised, allowed)
    np.testing.assert_allclose(whole[0], expected, rtol=1e-4, atol=1e-4)
    longest = max(sizes) if implementation == "separable" else length
    monkeypatch.setattr(reading, "UNPROJECTED_SHARE", 1)
    # Blocks of one, and of a length that does not divide.
    for items in (1, 2):
        block_bytes = items * 4 * B * N * num_heads * length // longest
        for block, one in zip(results(*case, block_bytes, monkeypatch), whole, strict=True):
            np.testing.assert_allclose(block, one, rtol=1e-3, atol=1e-4 * (1 + np.abs(one).max()))


@pytest.mark.parametrize(
    ("form", "num_heads", "use_query_residual"),
    [("tensor", 1, False), ("grid", 2, True), ("grid", 1, False), ("positions", 2, True)],
)
def test_queries_in_blocks(random, monkeypatch, form, use_query_residual, num_heads):
    queries = describe(random, (5, 4))
    if form == "positions":
        positions = np.asarray(byte_array.grid_positions(queries["axes"])).reshape(20, 10)
        queries = {"content": queries["content"], "positions": positions}
    rows = np.asarray(byte_array.assemble(queries))
    queries = rows if form == "tensor" else queries
    latents = random.normal(size=(B, 6, 8)).astype("float32")
    queries_mask = random.random((B, 20)) < 0.8
    latents_mask = random.random((B, 6)) < 0.7
    layer = CrossAttend(num_heads=num_heads, qk_channels=4, use_query_residual=use_query_residual)
    layer(queries, latents)
    reference.randomise(layer, random)
    allowed = queries_mask[:, :, None] & latents_mask[:, None]
    expected = reference.cross_attend(layer, rows, latents, allowed)
    case = layer, queries, {"content": latents}, latents_mask
    whole = results(*case, HUGE, monkeypatch, queries_mask=queries_mask)
    np.testing.assert_allclose(whole[0], expected, rtol=1e-3, atol=1e-3)
    for block_bytes in (TINY, 2 * 4 * B * num_heads * 6 * 4):
        blocks = results(*case, block_bytes, monkeypatch, queries_mask=queries_mask)
        for block, one in zip(blocks, whole, strict=True):
            np.testing.assert_allclose(block, one, rtol=1e-3, atol=1e-4 * (1 + np.abs(one).max()))


@pytest.mark.parametrize("implementation", ["folded", "separable"])
def test_blocks_take_the_exact_maximum_where_the_bound_is_loose(
    random, monkeypatch, implementation
):
    description = describe(random, (5, 4))
    description["content"][:, 0] *= 1e3
    queries = 300 * random.normal(size=(B, N, 8)).astype("float32")
    mask = random.random((B, 20)) < 0.6
    mask[0] = False
    layer = CrossAttention(implementation=implementation)
    layer(queries, description)
    reference.randomise(layer, random)
    rows = reference.norm(byte_array.assemble(description), layer.inputs_norm)
    expected = reference.attention(layer, queries, rows, np.repeat(mask[:, None], N, 1))
    for block_bytes in (TINY, HUGE):
        values = results(layer, queries, description, mask, block_bytes, monkeypatch)[0]
        np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("implementation", ["dense", "folded", "separable"])
@pytest.mark.parametrize("scale", [1, 60], ids=["tight", "loose"])
def test_gradients_in_blocks_with_and_without_xla(random, monkeypatch, implementation, scale, xla):
    """Where the bound is loose, the sums that count are those made again."""
    description = describe(random, (5, 4))
    queries = (scale * random.normal(size=(B, N, 8))).astype("float32")
    mask = random.random((B, 20)) < 0.6
    mask[0] = False
    layer = CrossAttention(qk_channels=6, implementation=implementation)
    layer(queries, description)
    reference.randomise(layer, random)
    if implementation != "dense":
        needed, corrected = [], gathering._corrected
        monkeypatch.setattr(
            gathering, "_corrected", lambda *a: needed.append(a[2]) or corrected(*a)
        )
        layer(queries, description, inputs_mask=mask)
        assert bool(needed[0]) == (scale > 1)
        monkeypatch.setattr(gathering, "_corrected", corrected)
    case = layer, queries, description, mask
    expected = results(*case, HUGE, monkeypatch)
    # Two of five indices at a time: the last block is shorter.
    blocks = results(*case, 2 * 4 * B * N * 4, monkeypatch, xla=xla)
    for block, one in zip(blocks, expected, strict=True):
        np.testing.assert_allclose(block, one, rtol=2e-3, atol=2e-4 * (1 + np.abs(one).max()))


@pytest.mark.parametrize("decodes", [False, True], ids=["encoder", "decoder"])
def test_gradients_in_blocks_are_the_same_without_a_graph(random, monkeypatch, decodes):
    grid = describe(random, (5, 7))
    rows = random.normal(size=(B, 4, 8)).astype("float32")
    queries, inputs = (grid, rows) if decodes else (rows, grid)
    layer = CrossAttend(num_heads=1, qk_channels=6, use_query_residual=not decodes)
    layer(queries, inputs)
    reference.randomise(layer, random)

    def gradients(block_bytes):
        monkeypatch.setattr(reading, "BLOCK_BYTES", block_bytes)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(layer(queries, inputs)))
        return tape.gradient(loss, layer.trainable_variables, unconnected_gradients="zero")

    for found, expected in zip(gradients(TINY), gradients(HUGE), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("decodes", [False, True], ids=["encoder", "decoder"])
@pytest.mark.parametrize("part", [ModalityPadding(20), MaskToken(20), LearnedPositions(6)])
def test_trained_descriptions_get_their_gradient_once_without_a_graph(
    random, monkeypatch, part, decodes
):
    content = random.normal(size=(B, 5, 7, 3)).astype("float32")
    rows = random.normal(size=(B, 4, 8)).astype("float32")
    layer = CrossAttend(
        num_heads=1, qk_channels=6, use_query_residual=not decodes, implementation="dense"
    )

    def describe_part():
        if isinstance(part, LearnedPositions):
            return {"content": content, "positions": part(content)}
        return part({"content": content})

    def gradients(block_bytes):
        monkeypatch.setattr(reading, "BLOCK_BYTES", block_bytes)
        with tf.GradientTape() as tape:
            described = describe_part()
            values = layer(described, rows) if decodes else layer(rows, described)
            loss = tf.reduce_sum(tf.sin(values))
        (gradient,) = tape.gradient(loss, part.trainable_variables)
        return np.asarray(gradient)

    gradients(HUGE)
    reference.randomise(part, random)
    reference.randomise(layer, random)
    expected = gradients(HUGE)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(gradients(TINY), expected, atol=1e-4, rtol=1e-3)


def test_blocks_fit_their_memory():
    row_bytes = 4 * 512 * 4096
    length = reading.block_length(4096, row_bytes)
    assert length >= 1 and row_bytes * length <= reading.BLOCK_BYTES < row_bytes * length * 2
    assert reading.block_length(5, reading.BLOCK_BYTES // 5) == 5
    assert reading.block_length(3, 2**60) == 1


@pytest.mark.parametrize("implementation", ["folded", "separable"])
def test_blocks_of_folded_queries_take_their_share_of_the_memory(random, implementation):
    description = describe(random, (64, 4))
    read = {"folded": RowsReader, "separable": GridReader}[implementation]
    for queries, of_all in ((2**15, 1), (2**16, 1 / 8), (2**17, 1 / 16)):
        reader = read(tf.zeros((B, queries, 13)), description, None, 1e-5)
        rows = reading.Rows((64, 4), 3, (5, 5))
        told = reading.Reading(rows, queries * B, 1, 8, 8, implementation)
        part, axis = reader.parts[0]
        assert reader.length == of_all * part.shape[axis]
        assert told.block_length == of_all * 256
        share = 1 if of_all == 1 else reading.UNPROJECTED_SHARE
        assert 4 * told.scores_at_once == share * reading.BLOCK_BYTES


def test_adapted_projections_are_read_in_blocks_too(random, monkeypatch):
    description = describe(random, (5, 4))
    queries = random.normal(size=(B, N, 8)).astype("float32")
    layer = CrossAttention()
    layer(queries, description)
    reference.randomise(layer, random)
    layer.value.enable_lora(2)
    layer.value.lora_kernel_b.assign(np.ones(layer.value.lora_kernel_b.shape))
    case = layer, queries, description, None
    whole, blocks = (results(*case, size, monkeypatch) for size in (HUGE, TINY))
    for block, one in zip(blocks, whole, strict=True):
        np.testing.assert_allclose(block, one, rtol=1e-3, atol=1e-3)
    layer.key.quantize("int8")
    whole, blocks = (results(*case, size, monkeypatch) for size in (HUGE, TINY))
    for block, one in zip(blocks, whole, strict=True):
        np.testing.assert_allclose(block, one, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("implementation", "policy"),
    [("dense", "float32"), ("folded", "mixed_bfloat16"), ("separable", "float32")],
)
def test_streamed_model_of_unknown_batch_size_trains_and_exports(
    random, monkeypatch, tmp_path, implementation, policy
):
    def build():
        keras.utils.set_random_seed(1)
        images = keras.Input((6, 4, 3), name="images")
        settings = {"num_latents": 3, "latent_channels": 8, "num_cross_attends": 1}
        settings |= {"num_self_attends_per_block": 1, "num_self_attention_heads": 2}
        settings["cross_attention_implementation"] = implementation
        return perceiver(images, FourierInputs(2, (6, 4)), 4, **settings)

    keras.config.set_dtype_policy(policy)
    images = random.normal(size=(5, 6, 4, 3)).astype("float32")
    tolerance = 1e-4 if policy == "float32" else 3e-2
    expected = build().predict(images, verbose=0)
    monkeypatch.setattr(reading, "BLOCK_BYTES", TINY)
    model = build()
    result = model.predict(images, verbose=0)
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)
    model.compile("sgd", "mse")
    history = model.fit(images, np.ones((5, 4)), batch_size=2, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    model.export(tmp_path / "served", format="tf_saved_model", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(served.serve(images), expected, rtol=tolerance, atol=tolerance)


def test_queries_of_a_grid_are_not_formed_where_that_is_cheaper(random):
    queries = FourierQueries(32, (24, 24), grid_shape=(24, 24))(np.zeros((B, 1), "float32"))
    latents = random.normal(size=(B, 64, 128)).astype("float32")
    layer = CrossAttend(use_query_residual=False)
    layer(queries, latents)
    reference.randomise(layer, random)
    assert layer.attention.reads_by_axis(queries, 64)
    rows = byte_array.assemble(queries)
    expected = reference.cross_attend(layer, rows, latents)
    tolerance = 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(layer(queries, latents), expected, rtol=1e-3, atol=tolerance)
    layer.attention.query.enable_lora(2)
    assert not layer.attention.reads_by_axis(queries, 64)
