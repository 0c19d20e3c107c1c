"""Resampling against the tones themselves, which any sample rate can hold."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.audio.resampling import can_resample, resample, resample_array, resampled_length


def tones(times, frequencies=(60.0, 433.0, 1950.0)):
    return sum(np.sin(2 * np.pi * f * times + f) for f in frequencies).astype("float32") / 3


PAIRS = [(8000, 16000), (44100, 16000), (48000, 8000), (11025, 8000), (8000, 48000), (22050, 44100)]


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_tones_stay_what_they_are(rate_in, rate_out):
    length = rate_in // 3 + 1
    outputs = resample(tf.constant(tones(np.arange(length) / rate_in)), rate_in, rate_out).numpy()
    assert len(outputs) == -(-length * rate_out // rate_in)
    assert len(outputs) == int(resampled_length(length, rate_in, rate_out))
    expected = tones(np.arange(len(outputs)) / rate_out)
    inside = slice(len(outputs) // 10, -len(outputs) // 10)
    np.testing.assert_allclose(outputs[inside], expected[inside], atol=2e-4)


@pytest.mark.parametrize(("rate_in", "rate_out"), [*PAIRS, (8000, 8000), (96000, 44100), (4, 3)])
@pytest.mark.parametrize("length", [1, 37, 5003])
def test_arrays_are_resampled_as_tensors_are(random, rate_in, rate_out, length):
    sound = random.normal(size=length).astype("float32")
    expected = resample(tf.constant(sound), rate_in, rate_out).numpy()
    outputs = resample_array(sound, rate_in, rate_out)
    assert outputs.dtype == np.float32 and outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=2e-6)


def test_what_the_new_rate_cannot_hold_is_taken_away():
    times = np.arange(16000) / 16000
    low, high = (tones(times, (f,)) for f in (3000.0, 5200.0))
    passed = resample(tf.constant(low), 16000, 8000).numpy()[500:-500]
    stopped = resample(tf.constant(high), 16000, 8000).numpy()[500:-500]
    np.testing.assert_allclose(passed, low[::2][500:-500], atol=2e-4)
    assert np.abs(stopped).max() < 1e-4


def test_rates_may_be_unknown_until_the_graph_runs(random):
    sounds = random.normal(size=(2, 3, 50)).astype("float32")
    specs = [tf.TensorSpec((None, None, None)), tf.TensorSpec((), tf.int32)]
    graph = tf.function(lambda x, rate: resample(x, rate, 12000), specs, autograph=False)
    for rate in (8000, 12000, 44100):
        outputs = graph(sounds, rate).numpy()
        for one, sound in zip(outputs.reshape(6, -1), sounds.reshape(6, -1), strict=True):
            np.testing.assert_allclose(
                one, resample(tf.constant(sound), rate, 12000).numpy(), atol=1e-6
            )
    np.testing.assert_array_equal(graph(sounds, 12000), sounds)


def test_rates_that_cannot_be_are_refused():
    sound = tf.zeros(9)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be at least 1"):
        resample(sound, 0, 8000)
    assert can_resample(44100, 48000) and can_resample(192000, 8000) and can_resample(7, 7)
    assert not can_resample(44099, 48000)
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger common divisor"):
        resample(sound, 44099, 48000)
