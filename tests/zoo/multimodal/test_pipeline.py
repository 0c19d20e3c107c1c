"""The autoencoder of clips: its data, its model at tiny size, its losses."""

import dataclasses
import wave

import keras
import numpy as np
import pytest
import tensorflow as tf

import perceiver_tf
from perceiver_tf.models.configs import PerceiverIOConfig
from zoo.clips.spoken_digits import bouncing
from zoo.errors import ZooError
from zoo.multimodal.configs import MultimodalAutoencoderConfig
from zoo.multimodal.losses import PeakSignalToNoiseRatio, compiled
from zoo.multimodal.models import multimodal_autoencoder, reconstructor
from zoo.multimodal.pipeline import multimodal_pipeline, with_classes_of_the_data
from zoo.recipes.recipe import Recipe

NUM_SAMPLES = 24


def small_config(**changes):
    settings = {
        "architecture": PerceiverIOConfig(
            num_latents=4,
            latent_channels=8,
            num_blocks=1,
            num_self_attends_per_block=1,
            num_self_attention_heads=2,
            use_decoder_query_residual=False,
        ),
        "image_shape": (2, 24, 28, 1),
        "num_audio_samples": NUM_SAMPLES,
        "num_classes": 10,
        "frame_rate": 4.0,
        "sample_rate": 8000,
        "image_patch": (1, 12, 14),
        "audio_patch": 8,
        "image_output_patch": (2, 4, 7),
        "num_image_bands": 2,
        "image_max_resolution": (2, 4, 4),
        "num_audio_bands": 3,
        "audio_max_resolution": 8,
        "label_query_channels": 5,
        "output_channels": 9,
    }
    return MultimodalAutoencoderConfig("", "", 0, **(settings | changes))


@pytest.fixture(scope="module")
def spoken_digits(tmp_path_factory):
    """Digits whose pixels and whose sounds say which digit they are."""
    folder = tmp_path_factory.mktemp("data")
    labels = np.arange(30) % 10
    images = np.zeros((30, 28, 28), "uint8")
    images[:, 8:20, 10:18] = 100 + labels[:, None, None]
    np.savez(
        folder / "mnist.npz", x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20]
    )
    (folder / "fsdd").mkdir()
    for digit in range(10):
        for number in (0, 4, 5, 7, 8, 49):
            samples = np.full(20 if number else 40, 1000 * digit + number + 1, "<i2")
            with wave.open(str(folder / "fsdd" / f"{digit}_jo_{number}.wav"), "wb") as sound:
                sound.setparams((1, 2, 8000, 0, "NONE", ""))
                sound.writeframes(samples.tobytes())
    return f"{folder}/mnist.npz+{folder}/fsdd/"


def clip(random, config, batch_size=2):
    return {
        "audio": random.uniform(-1, 1, (batch_size, NUM_SAMPLES, 1)).astype("float32"),
        "image": random.random((batch_size, *config.image_shape)).astype("float32"),
    }


def test_digit_and_voice_belong_together_in_every_split(spoken_digits):
    pipeline = multimodal_pipeline(small_config(), spoken_digits)
    assert pipeline.class_names == tuple("0123456789")
    counts = {split: pipeline.num_examples(split) for split in pipeline.splits}
    assert counts == {"train": 25, "validation": 5, "test": 20}
    numbers = {"train": {8, 49}, "validation": {5, 7}, "test": {0, 4}}
    for split in pipeline.splits:
        for inputs, targets in pipeline.batches(split, 4, training=split == "train"):
            labels = np.argmax(targets["label"], -1)
            digits = np.max(inputs["image"], axis=(1, 2, 3, 4)) * 255 - 100
            np.testing.assert_allclose(digits, labels, atol=1e-3)
            first = np.round(inputs["audio"][:, 0, 0] * 2**15).astype(int) - 1
            np.testing.assert_array_equal(first // 1000, labels)
            assert set(first % 1000) <= numbers[split]
            silent = np.all(inputs["audio"][:, 20:, 0] == 0, axis=1)
            np.testing.assert_array_equal(silent, first % 1000 != 0)
            for name in ("audio", "image"):
                np.testing.assert_array_equal(inputs[name], targets[name])


def test_held_out_clips_are_always_the_same_and_training_ones_new(spoken_digits):
    pipeline = multimodal_pipeline(small_config(num_image_points=3), spoken_digits)

    def images(split, **settings):
        return next(iter(pipeline.batches(split, 5, **settings)))[0]

    for name in ("image", "audio", "image_points"):
        first = images("validation", seed=1)[name]
        np.testing.assert_array_equal(first, images("validation", seed=2)[name])
    first, again, other = (
        images("train", training=True, seed=1, epoch=epoch)["image_points"] for epoch in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_targets_at_points_are_those_of_the_clip(spoken_digits):
    config = small_config(num_image_points=3, num_audio_points=2)
    inputs, targets = next(iter(multimodal_pipeline(config, spoken_digits).batches("test", 4)))
    assert targets["image"].shape == (4, 3, 56) and targets["audio"].shape == (4, 2, 8)
    for row in range(4):
        for k, point in enumerate(inputs["image_points"][row].numpy()):
            y, x = divmod(point, 4)
            patch = inputs["image"][row, :, 4 * y : 4 * y + 4, 7 * x : 7 * x + 7]
            np.testing.assert_array_equal(targets["image"][row, k], np.ravel(patch))
        for k, point in enumerate(inputs["audio_points"][row].numpy()):
            patch = inputs["audio"][row, 8 * point : 8 * point + 8, 0]
            np.testing.assert_array_equal(targets["audio"][row, k], patch)


def test_digit_bounces_inside_the_frame():
    digit = np.zeros((28, 28), "uint8")
    digit[4:24, 4:24] = 7  # as large as MNIST's are
    places = []
    for seed in range(5):
        frames = bouncing(tf.constant(digit), tf.constant([seed, 1]), (40, 26, 30, 1)).numpy()
        assert frames.shape == (40, 26, 30, 1)
        np.testing.assert_array_equal(frames.sum((1, 2, 3)), 7 * 400)
        rows = np.argmax(frames[..., 0].any(2), axis=1)
        columns = np.argmax(frames[..., 0].any(1), axis=1)
        assert max(np.abs(np.diff(rows)).max(), np.abs(np.diff(columns)).max()) <= 2
        places += [rows, columns]
    assert max(place.max() for place in places) == 10
    assert any(np.any(np.diff(place) > 0) and np.any(np.diff(place) < 0) for place in places)


@pytest.mark.parametrize(
    ("changes", "spec", "message"),
    [
        ({}, "{}/none.npz+{}/fsdd", "There is no such file: .*none.npz"),
        ({}, "{}/mnist.npz+{}/none", "must be a folder of DIGIT_SPEAKER_NUMBER.wav"),
        ({"sample_rate": 16000}, "{}/mnist.npz+{}/fsdd", "Received: a model of sample_rate=16000"),
        ({"num_classes": 9}, "{}/mnist.npz+{}/fsdd", "num_classes=9"),
        ({}, "{}/nowhere", "There is no such folder or list of clips"),
    ],
)
def test_data_that_is_not_there_is_named(spoken_digits, changes, spec, message):
    folder = spoken_digits.partition("/mnist.npz")[0]
    pipeline = multimodal_pipeline(small_config(**changes), spec.replace("{}", folder))
    with pytest.raises(ZooError, match=message):
        pipeline.num_examples("train")


def test_a_voice_of_another_rate_is_refused(spoken_digits, tmp_path):
    images = spoken_digits.partition("+")[0]
    for digit in range(10):
        for number in (0, 5, 8):
            with wave.open(str(tmp_path / f"{digit}_jo_{number}.wav"), "wb") as sound:
                sound.setparams((1, 2, 16000, 0, "NONE", ""))
                sound.writeframes(bytes(80))
    with pytest.raises(
        ZooError, match="8000 samples a second. Received: 1 channels, 16 bits, 16000"
    ):
        multimodal_pipeline(small_config(), f"{images}+{tmp_path}").num_examples("train")


def test_classes_come_from_the_data(spoken_digits):
    config = small_config(num_classes=700)
    pipeline = multimodal_pipeline(config, spoken_digits)
    assert pipeline.class_names is None
    config, pipeline = with_classes_of_the_data(config, pipeline)
    assert config.num_classes == 10 and len(pipeline.class_names) == 10


@pytest.mark.parametrize("masked", [("label",), ("audio", "label")])
def test_outputs_depend_on_what_is_seen(random, masked):
    config = small_config(masked=masked)
    model = multimodal_autoencoder(config)
    inputs = {name: x for name, x in clip(random, config).items() if name not in masked}
    assert set(model.input) == set(inputs)
    outputs = model(inputs)
    shapes = {name: tuple(x.shape) for name, x in outputs.items()}
    assert shapes == {"audio": (2, NUM_SAMPLES, 1), "image": (2, 2, 24, 28, 1), "label": (2, 10)}
    for name in inputs:
        changed = model({**inputs, name: inputs[name][::-1]})
        for output, value in changed.items():
            assert np.abs(value - outputs[output]).max() > 1e-6, (name, output)


def test_model_without_a_modality_it_needs_is_an_error(random):
    model = multimodal_autoencoder(small_config())
    with pytest.raises(ValueError, match="audio"):
        model({"image": clip(random, small_config())["image"]})


def test_trains_on_points_and_decodes_whole_clips(spoken_digits, tmp_path):
    config = small_config(num_image_points=5, num_audio_points=2, image_loss_weight=1.0)
    model = multimodal_autoencoder(config)
    model.compile(keras.optimizers.Adam(1e-2), **compiled(config, Recipe(1, 1)))
    batches = multimodal_pipeline(config, spoken_digits).batches("train", 5, training=True)
    before = [np.array(w) for w in model.trainable_variables]
    history = model.fit(batches, epochs=6, verbose=0, shuffle=False).history
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    assert {"image_psnr", "audio_l1", "label_accuracy"} <= set(history)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        unused = ("audio_mask_token", "image_mask_token", "label_padding/padding")
        is_unused = "inputs/" in variable.path and any(name in variable.path for name in unused)
        assert np.any(variable != value) != is_unused, variable.path

    whole = reconstructor(model)
    inputs = dict(next(iter(batches))[0])
    points = model(inputs)["audio"]
    inputs.pop("image_points")
    numbers = inputs.pop("audio_points")
    audio = np.reshape(whole(inputs)["audio"], (5, -1, 8))
    expected = np.take_along_axis(audio, numbers.numpy()[..., None], axis=1)
    np.testing.assert_allclose(points, expected, atol=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = perceiver_tf.load_model(tmp_path / "model.keras", compile=False)
    for name, value in reconstructor(loaded)(inputs).items():
        np.testing.assert_array_equal(value, whole(inputs)[name])


def test_huggingface_numerics_use_the_exact_gelu():
    models = [multimodal_autoencoder(small_config(numerics=n)) for n in ("deepmind", "huggingface")]
    gelus = [model.get_layer("decoder").cross_attend.gelu for model in models]
    assert gelus == ["tanh", "erf"]
    assert models[1].get_layer("cross_attend").gelu == "erf"


def test_losses_equal_numpy(random):
    config = small_config(image_loss_weight=0.3, audio_loss_weight=2.0, label_loss_weight=0.5)
    model = multimodal_autoencoder(config)
    model.compile(**compiled(config, Recipe(1, 1)))
    inputs = clip(random, config, 3)
    labels = np.eye(10, dtype="float32")[[3, 1, 4]]
    labels[2] = 0.0  # unknown
    measured = model.evaluate(inputs, {**inputs, "label": labels}, verbose=0, return_dict=True)
    outputs = {name: np.asarray(x, "float64") for name, x in model(inputs).items()}
    image = np.abs(outputs["image"] - inputs["image"]).mean()
    audio = np.abs(outputs["audio"] - inputs["audio"]).mean()
    logits = outputs["label"]
    label = -(labels * (logits - np.log(np.exp(logits).sum(-1, keepdims=True)))).sum(-1).mean()
    errors = np.square(np.clip(outputs["image"], 0, 1) - inputs["image"]).reshape(3, -1).mean(-1)
    for name, expected in (
        ("image_l1", image),
        ("audio_l1", audio),
        ("label_loss", label),
        ("loss", 0.3 * image + 2.0 * audio + 0.5 * label),
        ("image_psnr", np.mean(10 * np.log10(1 / errors))),
    ):
        np.testing.assert_allclose(measured[name], expected, rtol=1e-4, err_msg=name)


def test_psnr_is_the_mean_over_clips(random):
    metric = PeakSignalToNoiseRatio(peak=2.0)
    true = random.random((3, 4, 5)).astype("float32") * 2
    predicted = true.copy()
    predicted[1] += 0.1
    predicted[1] = np.clip(predicted[1], 0, 2)
    predicted[2] = 5.0
    metric.update_state(true[:2], predicted[:2])
    metric.update_state(true[2:], predicted[2:])
    squares = np.square(np.clip(predicted, 0, 2) - true).reshape(3, -1).mean(-1) / 4
    expected = -10 * np.log10(np.maximum(squares, 1e-10))
    np.testing.assert_allclose(metric.result(), expected.mean(), rtol=1e-5)
    metric.reset_state()
    metric.update_state(true, predicted, sample_weight=[0.0, 1.0, 3.0])
    np.testing.assert_allclose(metric.result(), expected @ [0, 0.25, 0.75], rtol=1e-5)
    rebuilt = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert rebuilt.peak == 2.0 and type(rebuilt) is PeakSignalToNoiseRatio


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio_patch": 7}, "`audio_patch` must be a divisor"),
        ({"image_patch": (1, 5, 14)}, "`image_patch` must be a divisor"),
        ({"image_shape": (2, 24, 28, 2)}, "`image_shape` must be"),
        ({"masked": ("sound",)}, "`masked` must be some of"),
        ({"num_image_points": 49}, "`num_image_points` must be None or from 1 to 24"),
        ({"image_loss_weight": -1.0}, "`image_loss_weight` must be at least 0"),
        ({"frame_rate": 0.0}, "`frame_rate` must be greater than 0"),
        ({"numerics": "other"}, "`numerics` must be one of"),
        ({"num_classes": 0}, "`num_classes` must be an integer of at least 1"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(small_config(), **changes)
