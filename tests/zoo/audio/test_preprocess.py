"""Windows, masks and changes of sounds."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from audio_examples import MEL, RAW

from zoo.audio.augment import at_speed, vary
from zoo.audio.preprocess import AudioPreprocess


def noise(random, length):
    return random.normal(size=length).astype("float32")


def test_a_long_sound_is_cut_into_windows_that_are_evenly_spread(random):
    sound = noise(random, 200)
    inputs = AudioPreprocess(RAW)(tf.constant(sound))
    assert inputs["waveform"].shape == (3, 96, 1) and inputs["mask"].shape == (3, 8)
    assert inputs["mask"].numpy().all()
    for window, start in zip(inputs["waveform"].numpy(), (0, 52, 104), strict=True):
        part = sound[start : start + 96]
        np.testing.assert_allclose(window[:, 0], part / np.sqrt(np.mean(part**2)), atol=1e-5)


def test_a_short_sound_is_padded_and_the_padding_masked(random):
    sound = noise(random, 30)
    inputs = AudioPreprocess(RAW)(tf.constant(sound))
    mask = np.zeros((3, 8), bool)
    mask[0, :3] = True  # 30 samples in patches of 12
    np.testing.assert_array_equal(inputs["mask"], mask)
    loudness = np.sqrt(np.mean(sound**2))
    np.testing.assert_allclose(inputs["waveform"][0, :30, 0], sound / loudness, atol=1e-5)
    shifted = AudioPreprocess(dataclasses.replace(RAW, max_shift=40))(tf.constant(sound))
    np.testing.assert_allclose(shifted["waveform"][0, 20:50, 0], sound / loudness, atol=1e-5)
    np.testing.assert_array_equal(shifted["mask"][0], [False, True, True, True, True] + 3 * [False])


def test_a_sound_of_the_windows_length_is_one_window(random):
    inputs = AudioPreprocess(RAW)(tf.constant(noise(random, 96)))
    np.testing.assert_array_equal(inputs["mask"], np.repeat([[True], [False], [False]], 8, axis=1))
    single = AudioPreprocess(dataclasses.replace(RAW, num_windows=1))
    sound = noise(random, 116)
    part = sound[10:106]
    found = single(tf.constant(sound))["waveform"].numpy()
    np.testing.assert_allclose(found[0, :, 0], part / np.sqrt(np.mean(part**2)), atol=1e-5)


def test_silence_stays_silent():
    inputs = AudioPreprocess(RAW)(tf.zeros(40))
    np.testing.assert_array_equal(inputs["waveform"], np.zeros((3, 96, 1)))


def test_spectrograms_have_a_row_for_every_patch_of_time_and_frequency(random):
    pytest.importorskip("tensorflow_io")
    preprocess = AudioPreprocess(MEL)
    inputs = preprocess(tf.constant(noise(random, 30)))
    assert inputs["spectrogram"].shape == (3, 6, 6, 1)
    # A patch has two frames of 16 samples: 30 samples are in the first of three.
    np.testing.assert_array_equal(inputs["mask"][0], [True, True, False, False, False, False])
    assert not inputs["mask"][1:].numpy().any()
    described = {name: (spec.shape, spec.dtype) for name, spec in preprocess.signature.items()}
    assert described == {name: (value.shape, value.dtype) for name, value in inputs.items()}


def test_a_training_window_depends_on_its_key_alone(random):
    config = dataclasses.replace(RAW, max_noise=0.1, max_speed_change=0.2, flips_polarity=True)
    preprocess, sound = AudioPreprocess(config), tf.constant(noise(random, 500))
    draws = [preprocess.training(sound, tf.constant([i, 5]))["waveform"].numpy() for i in range(6)]
    again = preprocess.training(sound, tf.constant([3, 5]))["waveform"].numpy()
    np.testing.assert_array_equal(again, draws[3])
    assert len({draw.tobytes() for draw in draws}) == 6
    assert draws[0].shape == (1, 96, 1)


def test_training_cuts_at_any_place(random):
    sound = noise(random, 99)
    preprocess = AudioPreprocess(RAW)
    starts = set()
    for i in range(40):
        window = preprocess.training(tf.constant(sound), tf.constant([i, 1]))["waveform"][0, :, 0]
        parts = [sound[start : start + 96] for start in range(4)]
        errors = [np.abs(window - part / np.sqrt(np.mean(part**2))).max() for part in parts]
        assert min(errors) < 1e-5
        starts.add(int(np.argmin(errors)))
    assert starts == {0, 1, 2, 3}


def test_training_shifts_short_sounds_with_their_mask(random):
    preprocess = AudioPreprocess(dataclasses.replace(RAW, max_shift=70))
    firsts = set()
    for i in range(60):
        inputs = preprocess.training(tf.constant(noise(random, 30)), tf.constant([i, 1]))
        used = np.flatnonzero(inputs["waveform"][0, :, 0])
        firsts.add(int(used[0]))
        rows = np.flatnonzero(inputs["mask"][0])
        assert (rows[0], rows[-1]) == (used[0] // 12, used[-1] // 12)
    assert min(firsts) < 5 and max(firsts) > 60 and max(firsts) <= 66


def test_speed_interpolates():
    sound = tf.range(11, dtype=tf.float32)
    np.testing.assert_allclose(at_speed(sound, tf.constant(2.0)), [0, 2, 4, 6, 8, 10])
    slow = at_speed(sound, tf.constant(0.5)).numpy()
    np.testing.assert_allclose(slow, np.minimum(np.arange(22) / 2, 10))
    assert at_speed(tf.constant([3.0]), tf.constant(1.5)).numpy().tolist() == [3.0]
    assert at_speed(tf.zeros((0, 1)), tf.constant(0.5)).shape == (0, 1)


def test_changes_are_as_large_as_asked_for(random):
    sound = tf.constant(noise(random, 1000))
    keys = [tf.constant([i, 0]) for i in range(30)]
    lengths = [vary(sound, key, 0.25, 0.0, False).shape[0] for key in keys]
    assert 800 <= min(lengths) < 850 and 1250 < max(lengths) <= 1334
    shares = [np.std(vary(sound, key, 0.0, 0.3, False) - sound) / np.std(sound) for key in keys]
    assert max(shares) < 0.32 and max(shares) > 0.2 and min(shares) < 0.1
    signs = [float(vary(sound, key, 0.0, 0.0, True)[0] / sound[0]) for key in keys]
    assert set(np.round(signs, 5)) == {-1.0, 1.0}
