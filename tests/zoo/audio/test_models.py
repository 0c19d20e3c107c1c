"""Models of sound: what they read, what they leave out, how windows count."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from audio_examples import MEL, RAW

import perceiver_tf
from zoo.audio.models import audio_model
from zoo.configs import configuration
from zoo.errors import ZooError


def inputs_of(random, config, num_windows=2):
    name = "waveform" if config.representation == "waveform" else "spectrogram"
    shape = {"waveform": (96, 1), "spectrogram": (6, 6, 1)}[name]
    rows = {"waveform": 8, "spectrogram": 6}[name]
    mask = np.ones((2, num_windows, rows), bool)
    return name, {
        name: random.normal(size=(2, num_windows, *shape)).astype("float32"),
        "mask": mask,
    }


@pytest.mark.parametrize("config", [RAW, MEL], ids=["raw", "mel"])
def test_logits_depend_on_every_window_and_not_on_padding(random, config):
    model = audio_model(config)
    name, inputs = inputs_of(random, config)
    inputs["mask"][0, 0, -2:] = False
    logits = np.asarray(model(inputs))
    assert logits.shape == (2, 4)
    for window in (0, 1):
        changed = {**inputs, name: inputs[name].copy()}
        changed[name][:, window, 0] += 1.0
        assert (np.abs(np.asarray(model(changed)) - logits) > 1e-5).all()
    padding = {**inputs, name: inputs[name].copy()}
    padding[name][0, 0, -2:] += 5.0  # inside of the last rows
    np.testing.assert_allclose(model(padding)[0], logits[0], atol=1e-6)
    assert (
        np.abs(np.asarray(model({**padding, "mask": np.ones_like(inputs["mask"])}) - logits)).max()
        > 1e-4
    )


@pytest.mark.parametrize("config", [RAW, MEL], ids=["raw", "mel"])
def test_a_recordings_logits_are_the_mean_of_its_windows(random, config):
    model = audio_model(config)
    name, inputs = inputs_of(random, config, num_windows=3)
    inputs["mask"][1, 1:] = False
    single = [
        np.asarray(model({key: value[:, i : i + 1] for key, value in inputs.items()}))
        for i in range(3)
    ]
    logits = np.asarray(model(inputs))
    np.testing.assert_allclose(logits[0], np.mean(single, axis=0)[0], atol=1e-5)
    np.testing.assert_allclose(logits[1], single[0][1], atol=1e-5)


def test_rows_of_all_frequencies_have_positions_of_time_alone(random):
    config = dataclasses.replace(MEL, mel_patch=(1, 6), max_resolution=(6,))
    assert config.grid == (6,)
    model = audio_model(config)
    _, inputs = inputs_of(random, config)
    assert np.ptp(np.asarray(model(inputs)), axis=0).max() > 1e-4


WITH_MLP = dataclasses.replace(RAW, patch_widening_factor=2)


@pytest.mark.parametrize("config", [RAW, MEL, WITH_MLP], ids=["raw", "mel", "mlp"])
def test_gradients_reach_every_weight(random, config):
    model = audio_model(config)
    _, inputs = inputs_of(random, config)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(inputs)))
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        if not variable.path.endswith("key/bias"):  # adds the same to all scores
            assert np.abs(gradient).max() > 0, variable.path


def test_a_saved_model_says_the_same(random, tmp_path):
    model = audio_model(RAW)
    _, inputs = inputs_of(random, RAW)
    model.save(tmp_path / "model.keras")
    loaded = perceiver_tf.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def test_mixed_precision_gives_float32_logits(random):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = audio_model(RAW)
    _, inputs = inputs_of(random, RAW)
    assert model(inputs).dtype == "float32"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("perceiver_audioset_raw", {"audio_patch": 100}, "a divisor of `num_samples`=61440"),
        ("perceiver_audioset_raw", {"representation": "mfcc"}, "one of .*'waveform', 'mel'"),
        ("perceiver_audioset_raw", {"max_resolution": (480, 2)}, r"axis .* \(480,\)"),
        ("perceiver_audioset_raw", {"num_windows": 0}, "`num_windows` must be an integer of at"),
        ("perceiver_audioset_raw", {"max_shift": -1}, "`max_shift` must be an integer of at"),
        ("perceiver_audioset_raw", {"max_speed_change": 0.9}, r"must be in \[0, 0.5\]"),
        ("perceiver_audioset_raw", {"max_noise": -1.0}, "`max_noise` must be at least 0"),
        ("perceiver_audioset_mel", {"mel_patch": (7, 1)}, "divisors of 60 frames and 80 mel bins"),
        ("perceiver_audioset_mel", {"mel_window": 4096}, "at most `fft_length`=2048"),
        ("perceiver_audioset_mel", {"highest_frequency": 3e4}, "at most half the sample rate"),
        ("perceiver_audioset_mel", {"dynamic_range": 0.0}, "`dynamic_range` must be greater"),
    ],
)
def test_wrong_settings_are_one_clear_line(name, settings, message):
    with pytest.raises(ZooError, match=message):
        configuration(name, **settings)


def test_published_models_have_the_rows_of_the_paper():
    assert configuration("perceiver_audioset_raw").grid == (480,)
    frames, bins = configuration("perceiver_audioset_mel").grid
    assert frames * bins == 4800
