"""Sound of opened files: parts, channels, sample formats."""

import fractions

import numpy as np
import pytest

from zoo.clips.sound_frames import read_part
from zoo.errors import ZooError

av = pytest.importorskip("av", reason="needs PyAV: pip install 'perceiver-tf[video]'")
RATE = 8000


def frames(samples, form="fltp", rate=RATE, start=0.0, length=500):
    """Yields the samples, (channels, n), as frames of a sample format, from a time on."""
    planar = av.AudioFormat(form).is_planar
    layout = "stereo" if len(samples) == 2 else "mono"
    for first in range(0, samples.shape[1], length):
        part = np.ascontiguousarray(samples[:, first : first + length])
        part = part if planar else np.ascontiguousarray(part.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(part, format=form, layout=layout)
        frame.sample_rate, frame.time_base = rate, fractions.Fraction(1, rate)
        frame.pts = first + round(start * rate)
        yield frame


@pytest.mark.parametrize(
    ("form", "dtype", "zero", "scale"),
    [
        ("fltp", np.float32, 0, 1.0),
        ("flt", np.float32, 0, 1.0),
        ("s16", np.int16, 0, 2**15),
        ("s32p", np.int32, 0, 2**31),
        ("u8", np.uint8, 128, 2**7),
    ],
)
@pytest.mark.parametrize("num_channels", [1, 2])
def test_every_sample_format_becomes_the_mean_of_its_channels(
    form, dtype, zero, scale, num_channels, random
):
    values = random.uniform(-0.9, 0.9, (num_channels, 1200))
    stored = (values * scale + zero).round(0 if scale > 1 else 9).astype(dtype)
    found = read_part("a.mp4", frames(stored, form), 0.0, 1200, RATE)
    assert found.dtype == np.float32
    expected = ((stored.astype("float64") - zero) / scale).mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_part_begins_where_it_is_asked_for(random):
    values = random.uniform(-1, 1, (1, 5 * RATE)).astype("float32")
    part = read_part("a.mp4", frames(values), 2.5, 900, RATE)
    np.testing.assert_allclose(part, values[0, 20000:20900], atol=1e-6)
    late = read_part("a.mp4", frames(values[:, :900], start=0.1), 0.05, 900, RATE)
    np.testing.assert_array_equal(late[:400], np.zeros(400))
    np.testing.assert_allclose(late[400:], values[0, :500], atol=1e-6)
    assert read_part("a.mp4", frames(values[:, :900]), 0.1, 900, RATE).shape == (100,)
    assert read_part("a.mp4", frames(values[:, :900]), 9.0, 900, RATE).shape == (0,)
    assert read_part("a.mp4", [], 0.0, 900, RATE).shape == (0,)


@pytest.mark.parametrize(
    ("form", "dtype", "loud"), [("fltp", np.float32, 0.5), ("u8", np.uint8, 192)]
)
def test_a_pause_of_the_sound_is_silence(form, dtype, loud):
    sound = np.full((2, 4000), loud, dtype)
    parts = [*frames(sound, form), *frames(sound, form, start=1.5), *frames(sound, form, start=9.0)]
    found = read_part("a.mp4", parts, 0.0, 3 * RATE, RATE)
    expected = np.zeros(3 * RATE)
    expected[:4000], expected[12000:16000] = 0.5, 0.5
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # Clocks that jump a little are no pause.
    near = [*frames(sound, form), *frames(sound, form, start=0.52)]
    found = read_part("a.mp4", near, 0.0, 3 * RATE, RATE)
    np.testing.assert_allclose(found, np.full(8000, 0.5), atol=1e-6)


def test_what_lies_before_a_part_does_not_change_where_it_is_at_another_rate():
    times = np.arange(4 * 16000) / 16000
    tone = 0.5 * np.sin(2 * np.pi * 300 * times)[None].astype("float32")
    part = read_part("a.mp4", frames(tone, rate=16000), 2.3, 1000, RATE)
    expected = 0.5 * np.sin(2 * np.pi * 300 * (2.3 + np.arange(1000) / RATE))
    np.testing.assert_allclose(part, expected, atol=1e-3)


def test_rates_and_channels_that_change_or_do_not_fit_are_told(random):
    values = random.uniform(-1, 1, (1, 1000)).astype("float32")
    both = [*frames(values), *frames(values, rate=16000)]
    with pytest.raises(ZooError, match=r"sound of a.mp4 changes its samples a second"):
        read_part("a.mp4", both, 0.0, 9000, RATE)
    both = [*frames(values), *frames(np.repeat(values, 2, axis=0), start=0.125)]
    with pytest.raises(ZooError, match=r"sound of a.mp4 changes its channels"):
        read_part("a.mp4", both, 0.0, 9000, RATE)
    with pytest.raises(ZooError, match=r"a.mp4 has 44101 samples a second: not resampled"):
        read_part("a.mp4", frames(values, rate=44101), 0.0, 9000, RATE)
