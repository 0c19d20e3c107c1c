"""The byte array of several streams: rows as written by hand, and streams that are missing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import perceiver_tf
from perceiver_tf import StreamInputs, perceiver
from perceiver_tf.layers.byte_array import assemble

B = 2
STREAMS = ("video", "audio")
ARGUMENTS = {
    "streams": STREAMS,
    "num_frequency_bands": (2, 4),
    "max_resolution": ((2, 4, 6), (10,)),
    "min_padding": 3,
}
# The rows of video are 7 + 3 * 5 wide, those of sound 2 + 9.
WIDTH = 25


def streams(random):
    return {
        "video": random.normal(size=(B, 1, 2, 3, 7)).astype("float32"),
        "audio": random.normal(size=(B, 5, 2)).astype("float32"),
        "video_mask": np.ones((B, 6), bool),
        "audio_mask": np.ones((B, 5), bool),
    }


def fourier(position, bands, resolution):
    frequencies = np.linspace(1, resolution / 2, bands)
    phase = np.pi * position * frequencies
    return position, np.sin(phase), np.cos(phase)


def row_by_hand(content, place, sizes, bands, resolution, embedding):
    parts = [
        fourier(-1 + 2 * i / (size - 1) if size > 1 else -1.0, bands, r)
        for i, size, r in zip(place, sizes, resolution, strict=True)
    ]
    return np.concatenate(
        [content, [p[0] for p in parts], *[p[1] for p in parts], *[p[2] for p in parts], embedding]
    )


def test_rows_are_content_positions_and_embedding(random):
    layer, inputs = StreamInputs(**ARGUMENTS), streams(random)
    rows = np.asarray(assemble(layer(inputs)))
    assert rows.shape == (B, 6 + 5, WIDTH)
    embeddings = {w.path.split("/")[-2]: np.asarray(w) for w in layer.weights}
    assert {name: len(w) for name, w in embeddings.items()} == {
        "video_padding": 3,
        "audio_padding": 14,
    }
    row = 0
    for name, bands, resolution in zip(
        STREAMS, ARGUMENTS["num_frequency_bands"], ARGUMENTS["max_resolution"], strict=True
    ):
        sizes = inputs[name].shape[1:-1]
        for place in np.ndindex(*sizes):
            expected = row_by_hand(
                inputs[name][1][place],
                place,
                sizes,
                bands,
                resolution,
                embeddings[f"{name}_padding"],
            )
            np.testing.assert_allclose(rows[1, row], expected, atol=1e-5)
            row += 1


def small_perceiver(names=STREAMS):
    kept = [i for i, name in enumerate(STREAMS) if name in names]
    layer = StreamInputs(
        tuple(STREAMS[i] for i in kept),
        tuple(ARGUMENTS["num_frequency_bands"][i] for i in kept),
        tuple(ARGUMENTS["max_resolution"][i] for i in kept),
        ARGUMENTS["min_padding"],
        num_channels=WIDTH,
        name="inputs",
    )
    shapes = {"video": (1, 2, 3, 7), "audio": (5, 2), "video_mask": (6,), "audio_mask": (5,)}
    inputs = {
        name: keras.Input(shape, name=name, dtype="bool" if name.endswith("_mask") else "float32")
        for name, shape in shapes.items()
        if name.removesuffix("_mask") in names
    }
    return perceiver(
        inputs,
        layer,
        num_outputs=3,
        num_latents=2,
        latent_channels=8,
        num_cross_attends=2,
        num_self_attends_per_block=1,
        num_self_attention_heads=2,
        latent_init_scale=1.0,
    )


def without(inputs, stream):
    mask = f"{stream}_mask"
    return {**inputs, mask: np.zeros_like(inputs[mask])}


def test_outputs_depend_on_both_streams(random):
    model, inputs = small_perceiver(), streams(random)
    outputs = np.asarray(model(inputs))
    for name in STREAMS:
        changed = model({**inputs, name: inputs[name][::-1]})
        assert np.abs(changed - outputs).max() > 1e-4, name
        assert np.abs(model(without(inputs, name)) - outputs).max() > 1e-4, name


@pytest.mark.parametrize("missing", STREAMS)
@pytest.mark.parametrize("value", [0.0, 1e30, np.nan, "noise"])
def test_a_missing_stream_is_not_read_whatever_it_holds(random, missing, value):
    model, inputs = small_perceiver(), without(streams(random), missing)
    expected = np.asarray(model(inputs))
    other = inputs[missing]
    other = 5 * random.normal(size=other.shape) if value == "noise" else np.full_like(other, value)
    changed = model({**inputs, missing: other.astype("float32")})
    np.testing.assert_array_equal(changed, expected)


@pytest.mark.parametrize("missing", STREAMS)
def test_without_a_stream_the_model_is_that_of_the_other(random, missing):
    model, inputs = small_perceiver(), streams(random)
    (kept,) = set(STREAMS) - {missing}
    alone = small_perceiver((kept,))
    weights = {w.path: w for w in model.weights}
    for weight in alone.weights:
        weight.assign(weights[weight.path])
    assert len(model.weights) == len(alone.weights) + 1  # the embedding of the other stream
    of_kept = {name: x for name, x in inputs.items() if name.startswith(kept)}
    np.testing.assert_allclose(model(without(inputs, missing)), alone(of_kept), atol=1e-5)


def test_examples_of_one_batch_may_lack_different_streams(random):
    model, inputs = small_perceiver(), streams(random)
    mixed = {name: x.copy() for name, x in inputs.items()}
    mixed["video_mask"][0] = mixed["audio_mask"][1] = False
    outputs = np.asarray(model(mixed))
    np.testing.assert_allclose(outputs[0], model(without(inputs, "video"))[0], atol=1e-5)
    np.testing.assert_allclose(outputs[1], model(without(inputs, "audio"))[1], atol=1e-5)


def test_gradients_reach_every_weight_and_no_missing_stream(random):
    model = small_perceiver()
    inputs = {name: tf.constant(x) for name, x in without(streams(random), "audio").items()}
    audio = inputs["audio"]
    with tf.GradientTape() as tape:
        tape.watch(audio)
        loss = tf.reduce_sum(tf.square(model(inputs)))
        loss += tf.reduce_sum(tf.square(model(streams(random))))
    weights = model.trainable_variables
    *gradients, of_audio = tape.gradient(loss, [*weights, audio])
    assert not np.any(of_audio)
    for weight, gradient in zip(weights, gradients, strict=True):
        if not weight.path.endswith("key/bias"):  # adds the same to all scores
            assert np.abs(gradient).max() > 0, weight.path


def test_a_saved_model_says_the_same(random, tmp_path):
    model, inputs = small_perceiver(), without(streams(random), "video")
    model.save(tmp_path / "model.keras")
    loaded = perceiver_tf.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"streams": ()}, "`streams` must be different names"),
        ({"streams": ("video", "video")}, "`streams` must be different names"),
        ({"num_frequency_bands": (2,)}, r"an entry for each. Received: .*bands=\(2,\)"),
        ({"num_channels": 24}, r"Received: num_channels=24, rows of \[22, 11\] channels"),
    ],
)
def test_wrong_arguments_are_named(random, changes, message):
    with pytest.raises(ValueError, match=message):
        StreamInputs(**{**ARGUMENTS, **changes})(streams(random))


def test_a_stream_that_is_not_given_is_named(random):
    with pytest.raises(ValueError, match=r"an example lacks, masked rows. Received: \['video'\]"):
        StreamInputs(**ARGUMENTS)({"video": streams(random)["video"]})
