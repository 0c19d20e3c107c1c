"""Log-mel spectrograms against numpy, and SpecAugment against tensorflow-io's masks."""

import collections
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from zoo.audio.configs import AudioClassifierConfig
from zoo.audio.features import LogMel, band, spec_augment
from zoo.audio.tensorflow_io import import_tensorflow_io

MEL = AudioClassifierConfig(
    "",
    "",
    1,
    representation="mel",
    sample_rate=1000,
    num_samples=96,
    num_mels=5,
    mel_stride=16,
    mel_window=24,
    fft_length=32,
    lowest_frequency=20.0,
    highest_frequency=480.0,
    dynamic_range=40.0,
    mel_patch=(2, 5),
    max_resolution=(3,),
)


def mel_weights(num_mels, num_bins, rate, low, high):
    """Triangles that are straight on the mel scale, as the HTK book has them."""

    def mel(hertz):
        return 1127.0 * np.log1p(hertz / 700.0)

    edges = np.linspace(mel(low), mel(high), num_mels + 2)
    bins = mel(np.linspace(0, rate / 2, num_bins))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rising, falling))
    weights[0] = 0  # no constant part
    return weights


def reference(window, config):
    size, stride = config.mel_window, config.mel_stride
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    padded = np.pad(window, (0, size))
    frames = [padded[i * stride :][:size] * hann for i in range(config.num_frames)]
    amplitudes = np.abs(np.fft.rfft(frames, config.fft_length))
    weights = mel_weights(
        config.num_mels,
        amplitudes.shape[1],
        config.sample_rate,
        config.lowest_frequency,
        config.highest_frequency,
    )
    decibels = 20 * np.log10(np.maximum(amplitudes @ weights, 1e-5))
    peak = max(decibels.max(), -40.0)
    return np.maximum(1 + 2 * (decibels - peak) / config.dynamic_range, -1)


def test_log_mel_is_that_of_the_definition(random):
    pytest.importorskip("tensorflow_io")
    windows = random.normal(size=(3, 96)).astype("float32") * [[0.5], [1e-4], [1e-9]]
    spectrograms = LogMel(MEL)(tf.constant(windows, tf.float32)).numpy()
    assert spectrograms.shape == (3, 6, 5)
    for one, window in zip(spectrograms, windows, strict=True):
        np.testing.assert_allclose(one, reference(window, MEL), atol=2e-4)
    assert spectrograms[0].max() == 1.0 and spectrograms[0].min() < 0.5
    assert (spectrograms[2] == -1).all()  # silence


def test_log_mel_tells_tones_apart_and_not_their_loudness():
    pytest.importorskip("tensorflow_io")
    times = np.arange(96) / 1000
    windows = [a * np.sin(2 * np.pi * f * times) for a, f in ((0.5, 90), (0.05, 90), (0.5, 400))]
    low, quiet, high = LogMel(MEL)(tf.constant(windows, tf.float32)).numpy()
    np.testing.assert_allclose(low, quiet, atol=1e-3)
    assert low[1].argmax() < high[1].argmax()


def test_masks_are_as_those_of_tensorflow_io():
    """All widths and places that tensorflow-io draws are drawn, about as often, and no others."""
    audio = pytest.importorskip("tensorflow_io").audio
    tf.random.set_seed(3)
    draws = 800

    @tf.function(autograph=False)
    def theirs():
        return audio.time_mask(tf.ones((5, 1)), 4)[:, 0] == 0

    ours = tf.vectorized_map(
        lambda number: band(5, 4, tf.stack([number, 1])), tf.range(draws)
    ).numpy()
    found = collections.Counter(map(tuple, ours))
    expected = collections.Counter(tuple(theirs().numpy()) for _ in range(draws))
    assert set(found) == set(expected) and len(found) == 1 + 4 + 3 + 2
    for bands, count in expected.items():
        assert abs(found[bands] - count) < 6 * np.sqrt(count) + 10, bands


def test_spec_augment_masks_bands_of_both_axes(random):
    spectrogram = tf.constant(random.uniform(0.5, 1.0, (7, 9)).astype("float32"))
    masked = np.stack(
        [spec_augment(spectrogram, tf.constant([i, 0]), 4, 3, 2).numpy() for i in range(40)]
    )
    kept = masked != 0
    np.testing.assert_array_equal(masked[kept], np.broadcast_to(spectrogram, masked.shape)[kept])
    rows, columns = (~kept).all(axis=2), (~kept).all(axis=1)
    assert rows.any() and columns.any() and rows.sum(axis=1).max() <= 4
    np.testing.assert_array_equal(kept, ~(rows[:, :, None] | columns[:, None, :]))
    np.testing.assert_array_equal(
        spec_augment(spectrogram, tf.constant([0, 0]), 0, 0, 2), spectrogram
    )
    repeated = spec_augment(spectrogram, tf.constant([7, 0]), 4, 3, 2)
    np.testing.assert_array_equal(repeated, masked[7])


def test_tensorflow_io_is_quiet(recwarn):
    pytest.importorskip("tensorflow_io")
    import_tensorflow_io.cache_clear()
    assert import_tensorflow_io().audio.melscale
    assert not recwarn.list


def test_without_tensorflow_io_the_remedy_is_named(monkeypatch):
    import_tensorflow_io.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Exception, match=r"Mel spectrograms need tensorflow-io: pip install"):
        LogMel(dataclasses.replace(MEL))(tf.zeros((1, 96)))
    monkeypatch.undo()
    import_tensorflow_io.cache_clear()
