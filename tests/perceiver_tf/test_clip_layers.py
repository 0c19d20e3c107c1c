"""Patches, mask tokens, and the adapter and the decoder of clips."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from perceiver_tf import ClipDecoder, ClipInputs, CrossAttention, MaskToken, SpaceToDepth
from perceiver_tf.layers import byte_array, reading
from perceiver_tf.layers.space_to_depth import depth_to_space, space_to_depth

SIZES = {
    "image_shape": (2, 4, 6, 3),
    "num_audio_samples": 15,
    "num_classes": 5,
    "num_image_bands": 2,
    "image_max_resolution": (2, 4, 6),
    "num_audio_bands": 3,
    "audio_max_resolution": 15,
}
INPUTS = {**SIZES, "image_patch": (1, 2, 3), "audio_patch": 5}
DECODER = {**SIZES, "audio_patch": 5, "label_query_channels": 7, "output_channels": 9}


def clip(random, batch_size=2):
    return {
        "audio": random.uniform(-1, 1, (batch_size, 15, 1)).astype("float32"),
        "image": random.random((batch_size, 2, 4, 6, 3)).astype("float32"),
    }


def test_patches_hold_their_content_in_grid_order_channels_last(random):
    video = random.random((2, 4, 6, 9, 2)).astype("float32")
    patches = np.asarray(SpaceToDepth((2, 2, 3))(video))
    assert patches.shape == (2, 2, 3, 3, 24)
    for place in np.ndindex(2, 3, 3):
        t, h, w = np.array(place) * (2, 2, 3)
        block = video[:, t : t + 2, h : h + 2, w : w + 3]
        np.testing.assert_array_equal(patches[(slice(None), *place)], block.reshape(2, -1))
    np.testing.assert_array_equal(depth_to_space(patches, (2, 2, 3)), video)


def test_sound_becomes_rows_of_samples(random):
    sound = random.random((2, 12, 1)).astype("float32")
    np.testing.assert_array_equal(space_to_depth(sound, (4,)), sound.reshape(2, 3, 4))


@pytest.mark.parametrize("patch", [(2, 2), (1, 2, 4)])
def test_patches_that_do_not_fit_are_refused(patch):
    with pytest.raises(
        ValueError, match=r"multiples of the patch's.*Received: a grid of \(2, 4, 6"
    ):
        SpaceToDepth(patch)(np.zeros((1, 2, 4, 6, 3), "float32"))


@pytest.mark.parametrize("implementation", ["auto", "dense", "folded"])
def test_mask_token_stands_for_every_row(random, implementation):
    grid = {
        "content": random.normal(size=(2, 3, 4, 2)).astype("float32"),
        "axes": [random.normal(size=(3, 5)).astype("float32"), np.ones((4, 7), "float32")],
    }
    token = MaskToken(14)
    masked = token(grid)
    rows = np.asarray(byte_array.assemble(masked))
    np.testing.assert_array_equal(rows, np.broadcast_to(token.token, (2, 12, 14)))

    other = random.normal(size=(2, 6, 14)).astype("float32")
    queries = random.normal(size=(2, 3, 8)).astype("float32")
    layer = CrossAttention(num_heads=2, qk_channels=6, implementation=implementation)
    layer(queries, [masked, other])
    reference.randomise(layer, random)
    dense = np.concatenate([rows, other], axis=1)
    normalised = reference.norm(dense, layer.inputs_norm)
    expected = reference.attention(layer, queries, normalised)
    np.testing.assert_allclose(layer(queries, [masked, other]), expected, rtol=1e-3, atol=1e-3)


def test_modalities_get_one_width_and_the_sorted_order(random):
    inputs = clip(random)
    layer = ClipInputs(**INPUTS)
    audio, image, label = layer(inputs)
    assert [byte_array.row_width(part) for part in (audio, image, label)] == [37, 37, 37]
    assert [byte_array.num_rows(part) for part in (audio, image, label)] == [3, 8, 1]
    np.testing.assert_array_equal(audio["content"], inputs["audio"].reshape(2, 3, 5))
    np.testing.assert_array_equal(image["constant"], layer.image_padding.padding)
    np.testing.assert_array_equal(label["constant"], layer.label_mask_token.token)
    assert label["content"].shape == (2, 1, 0)


def test_published_widths():
    layer = ClipInputs()
    layer.build()
    paddings = {"audio": 303, "image": 461, "label": 4}
    decoder = ClipDecoder()
    decoder.build((None, 784, 512))
    query_paddings = {"audio": 641, "image": 831, "label": 2}
    for name, width in paddings.items():
        assert getattr(layer, f"{name}_padding").padding.shape == (width,)
        assert getattr(layer, f"{name}_mask_token").token.shape == (704,)
        assert getattr(decoder, f"{name}_padding").padding.shape == (query_paddings[name],)


@pytest.mark.parametrize("masked", [("label",), ("audio",), ("audio", "label"), ("image", "label")])
def test_what_is_masked_does_not_matter_and_every_weight_has_a_gradient(random, masked):
    inputs = {**clip(random), "label": np.eye(5, dtype="float32")[:2]}
    layer = ClipInputs(**INPUTS, masked=masked)
    seen = {name: tf.constant(x) for name, x in inputs.items() if name not in masked}
    rows = byte_array.assemble(layer(seen))
    changed = {name: -x if name in masked else x for name, x in inputs.items()}
    np.testing.assert_array_equal(byte_array.assemble(layer(changed)), rows)
    for name in seen:
        other = byte_array.assemble(layer({**seen, name: seen[name] + 1.0}))
        assert np.abs(other - rows).max() > 0.5
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(byte_array.assemble(layer(seen))))
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert len(gradients) == 6
    for variable, gradient in zip(layer.trainable_variables, gradients, strict=True):
        is_used = (variable.name == "token") == any(name in variable.path for name in masked)
        assert (np.abs(gradient).max() > 0) == is_used, variable.path


def test_missing_modality_and_wrong_masks_are_refused(random):
    with pytest.raises(ValueError, match=r"must have `audio`, unless.*Received: \['image'\]"):
        ClipInputs(**INPUTS)({"image": clip(random)["image"]})
    for masked in (("sound",), ("audio", "image", "label")):
        with pytest.raises(ValueError, match="`masked` must name some of"):
            ClipInputs(**INPUTS, masked=masked)
    with pytest.raises(ValueError, match="multiples of the patch's"):
        ClipInputs(**{**INPUTS, "audio_patch": 4})


@pytest.mark.parametrize(("include_ends", "image_patch"), [(False, (1, 1, 1)), (True, (2, 2, 3))])
def test_points_are_decoded_as_in_the_whole_clip(random, include_ends, image_patch):
    latents = random.normal(size=(2, 4, 8)).astype("float32")
    layer = ClipDecoder(**DECODER, image_patch=image_patch, include_ends=include_ends)
    whole = layer(latents)
    reference.randomise(layer, random)
    whole = layer(latents)
    assert whole["image"].shape == (2, 2, 4, 6, 3)
    assert whole["audio"].shape == (2, 15, 1)
    assert whole["label"].shape == (2, 5)
    patches = np.asarray(space_to_depth(whole["image"], image_patch))
    patches = patches.reshape(2, -1, patches.shape[-1])
    points = {
        "audio_points": np.array([[2, 0], [1, 1]]),
        "image_points": random.integers(0, patches.shape[1], (2, 3)),
    }
    some = layer(latents, **points)
    for row in range(2):
        expected = patches[row][points["image_points"][row]]
        np.testing.assert_allclose(some["image"][row], expected, rtol=1e-3, atol=1e-3)
        expected = np.reshape(whole["audio"][row], (3, 5))[points["audio_points"][row]]
        np.testing.assert_allclose(some["audio"][row], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(some["label"], whole["label"], rtol=1e-3, atol=1e-3)


def test_places_of_outputs(random):
    for include_ends, expected in ((False, [-1.0, -0.5, 0.0, 0.5]), (True, [-1, -1 / 3, 1 / 3, 1])):
        layer = ClipDecoder(**DECODER, include_ends=include_ends)
        layer.build((None, 4, 8))
        queries = layer._queries("image", np.zeros((1, 4, 8), "float32"), None)
        np.testing.assert_allclose(queries["axes"][1][:, 0], expected, atol=1e-6)


def test_decoding_in_blocks_changes_no_output(random, monkeypatch):
    latents = random.normal(size=(2, 4, 8)).astype("float32")
    layer = ClipDecoder(**DECODER)
    points = random.integers(0, 48, (2, 7))

    def outputs():
        return [*layer(latents).values(), layer(latents, image_points=points)["image"]]

    whole = outputs()
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1)
    for one, other in zip(outputs(), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.slow
def test_decoding_in_blocks_changes_no_gradient(random, monkeypatch):
    latents = tf.constant(random.normal(size=(2, 4, 8)).astype("float32"))
    layer = ClipDecoder(**DECODER)
    layer(latents)

    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(latents)
            loss = sum(tf.reduce_sum(tf.sin(x)) for x in layer(latents).values())
        return tape.gradient(loss, [latents, *layer.trainable_variables])

    whole = tf.function(gradients, autograph=False)()
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1)
    in_blocks = tf.function(gradients, autograph=False)()
    for one, other in zip(in_blocks, whole, strict=True):
        assert np.abs(other).max() > 0
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_dropout_acts_while_training_only(random):
    latents = random.normal(size=(2, 4, 8)).astype("float32")
    layer = ClipDecoder(**DECODER, dropout=0.5)
    first, again = (np.asarray(layer(latents)["image"]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.asarray(layer(latents, training=True)["image"]) - first).max() > 1e-3


def test_symbolic_shapes_of_points():
    layer = ClipDecoder(**DECODER, image_patch=(2, 2, 3))
    points = keras.KerasTensor((None, None), dtype="int32")
    outputs = layer(keras.KerasTensor((None, 4, 8)), audio_points=points, image_points=points)
    shapes = {name: x.shape for name, x in outputs.items()}
    assert shapes == {"audio": (None, None, 5), "image": (None, None, 36), "label": (None, 5)}
