"""Several modalities in one byte array: one softmax over all of their rows."""

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
    ModalityPadding,
    perceiver_io,
)
from perceiver_tf.layers import byte_array, reading

B, N, WIDTH = 2, 3, 20


def modalities(random, masked):
    """An image, a sound, and a label: a grid, one axis, and rows of content alone."""

    def table(size, channels):
        return random.normal(size=(size, channels)).astype("float32")

    image = {
        "content": random.normal(size=(B, 4, 3, 2)).astype("float32"),
        "axes": [table(4, 5), table(3, 7)],
        "constant": random.normal(size=WIDTH - 14).astype("float32"),
    }
    sound = {
        "content": random.normal(size=(B, 6, 1)).astype("float32"),
        "axes": [table(6, 9)],
        "constant": random.normal(size=WIDTH - 10).astype("float32"),
    }
    label = {
        "content": random.normal(size=(B, 2, 4)).astype("float32"),
        "positions": table(2, 3),
        "constant": random.normal(size=WIDTH - 7).astype("float32"),
    }
    if masked:
        image["mask"] = random.random((B, 12)) < 0.6
        image["mask"][0] = False
        label["mask"] = np.array([[True, False], [False, False]])
    return [image, sound, label]


def rows_of(part):
    """The rows of one modality, put together by a loop."""
    content = part["content"].reshape(B, -1, part["content"].shape[-1])
    sizes = part["content"].shape[1:-1]
    rows = []
    for row, index in enumerate(np.ndindex(*sizes)):
        if "axes" in part:
            tables = [table[i] for table, i in zip(part["axes"], index, strict=True)]
            halves = [(len(t) - 1) // 2 for t in tables]
            pieces = [t[:1] for t in tables]
            pieces += [t[1 : 1 + h] for t, h in zip(tables, halves, strict=True)]
            pieces += [t[1 + h :] for t, h in zip(tables, halves, strict=True)]
        else:
            pieces = [part["positions"][row]]
        constant = np.concatenate([*pieces, part["constant"]])
        rows.append(np.concatenate([content[:, row], np.tile(constant, (B, 1))], -1))
    return np.stack(rows, 1)


def allowed_of(parts):
    masks = [
        part.get("mask", np.ones((B, int(np.prod(part["content"].shape[1:-1]))), bool))
        for part in parts
    ]
    return np.concatenate(masks, 1)


@pytest.mark.parametrize("implementation", ["auto", "dense", "folded"])
@pytest.mark.parametrize(("num_heads", "masked"), [(1, True), (2, False), (2, True)])
@pytest.mark.parametrize("block_bytes", [2**40, 1])
def test_modalities_share_one_softmax(
    random, monkeypatch, implementation, num_heads, masked, block_bytes
):
    monkeypatch.setattr(reading, "BLOCK_BYTES", block_bytes)
    parts = modalities(random, masked)
    rows = np.concatenate([rows_of(part) for part in parts], 1)
    np.testing.assert_array_equal(byte_array.assemble(parts), rows)
    queries = random.normal(size=(B, N, 8)).astype("float32")
    layer = CrossAttend(num_heads=num_heads, qk_channels=6, implementation=implementation)
    layer(queries, parts)
    reference.randomise(layer, random)
    extra = random.random((B, rows.shape[1])) < 0.8
    for mask in (None, extra):
        allowed = allowed_of(parts) if mask is None else allowed_of(parts) & mask
        np.testing.assert_allclose(
            layer(queries, parts, inputs_mask=mask),
            reference.cross_attend(layer, queries, rows, np.repeat(allowed[:, None], N, 1)),
            rtol=1e-3,
            atol=1e-3,
        )


def test_every_modality_gets_the_form_that_suits_it():
    image = {
        "content": keras.KerasTensor((1, 224, 224, 3)),
        "axes": [keras.KerasTensor((224, 129)), keras.KerasTensor((224, 129))],
    }
    tokens = {"content": keras.KerasTensor((1, 100, 261))}
    layer = CrossAttention()
    layer.build((1, 512, 261), (1, 100, 261))
    assert layer.forms(512, [image, tokens]) == ["separable", "folded"]
    assert layer.forms(512, [image]) == ["separable"]
    assert layer.forms(4, [tokens]) == ["folded"]
    layer.num_heads = 8
    assert layer.forms(512, [tokens, tokens]) == ["dense", "dense"]


def test_fast_gradients_reach_every_modality_and_its_constant(random):
    parts = modalities(random, masked=True)
    queries = random.normal(size=(B, N, 8)).astype("float32")
    tensors = [{k: tf.constant(part[k]) for k in ("content", "constant")} for part in parts]
    gradients = {}
    for implementation in ("dense", "auto", "folded"):
        layer = CrossAttention(num_heads=2, qk_channels=6, implementation=implementation)
        inputs = [{**part, **given} for part, given in zip(parts, tensors, strict=True)]
        layer(queries, inputs)
        reference.randomise(layer, np.random.default_rng(3))
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss = tf.reduce_sum(tf.sin(layer(queries, inputs)))
        gradients[implementation] = tape.gradient(loss, tf.nest.flatten(tensors))
    for fast in ("auto", "folded"):
        for one, other in zip(gradients[fast], gradients["dense"], strict=True):
            assert np.abs(other).max() > 0
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_rows_of_other_widths_are_refused(random):
    queries = np.zeros((B, N, 8), "float32")
    with pytest.raises(ValueError, match=r"rows of equal width.*Received: widths \[5, 6\]"):
        CrossAttention()(queries, [np.zeros((B, 4, 5), "float32"), np.zeros((B, 4, 6), "float32")])
    with pytest.raises(ValueError, match="num_channels=5, rows of 5 channels"):
        ModalityPadding(5)(np.zeros((B, 4, 5), "float32"))


def autoencoder():
    """Audio and video into one byte array, and queries for both out of the latents."""
    inputs = {
        "sound": keras.Input((10, 2), name="sound"),
        "video": keras.Input((2, 4, 3, 3), name="video"),
    }
    sound, video = FourierInputs(2, (10,)), FourierInputs(2, (2, 4, 3))
    of_sound, of_video = FourierQueries(2, (10,)), FourierQueries(2, (2, 4, 3))
    pads = [ModalityPadding(20, 1.0) for _ in range(4)]

    def adapter(tensors):
        return [pads[0](sound(tensors["sound"])), pads[1](video(tensors["video"]))]

    def queries(tensors):
        return [pads[2](of_sound(tensors["sound"])), pads[3](of_video(tensors["video"]))]

    keras.utils.set_random_seed(1)
    settings = {"num_latents": 4, "latent_channels": 8, "num_blocks": 1}
    settings |= {"num_self_attends_per_block": 1, "num_self_attention_heads": 2}
    return perceiver_io(inputs, adapter, queries, 3, **settings)


def test_audio_and_video_in_one_model(random, monkeypatch, tmp_path):
    model = autoencoder()
    inputs = {
        "sound": random.normal(size=(B, 10, 2)).astype("float32"),
        "video": random.normal(size=(B, 2, 4, 3, 3)).astype("float32"),
    }
    outputs = model.predict(inputs, verbose=0)
    assert outputs.shape == (B, 10 + 24, 3)
    for name in inputs:
        changed = model.predict({**inputs, name: -inputs[name]}, verbose=0)
        assert np.abs(changed - outputs).max() > 1e-4
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1)
    np.testing.assert_allclose(autoencoder().predict(inputs, verbose=0), outputs, atol=1e-4)
    monkeypatch.undo()
    model.compile("adam", "mse")
    before = [np.array(w) for w in model.get_weights()]
    model.fit(inputs, np.ones_like(outputs), epochs=1, verbose=0)
    unmoved = [
        v.path
        for v, w in zip(model.weights, before, strict=True)
        if np.array_equal(v, w) and not v.path.endswith("key/bias")
    ]
    assert not unmoved
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = model.predict(inputs, verbose=0)
    np.testing.assert_allclose(loaded.predict(inputs, verbose=0), expected, atol=1e-5)
