"""Sound files of every kind to samples, and errors that name the file."""

import logging
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from zoo.audio import decoding as audio_decoding
from zoo.audio.decoding import decoder_in_use, read_sound
from zoo.audio.tensorflow_io import has_compiled_operations
from zoo.errors import ZooError

SAMPLES = pathlib.Path(__file__).parents[4] / "shared/data/audio/decoder_samples"
FLAC_IN_OGG = "pydub_bach.ogg"  # of an encoder before 2003; libsndfile does not know it
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="needs the sounds at ../shared/data/audio/decoder_samples"
)


def stereo(length=4000, rate=8000):
    times = np.arange(length)[:, None] / rate
    return (0.4 * np.sin(2 * np.pi * times * [440.0, 650.0])).astype("float32")


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "sound.wav"
    tf.io.write_file(str(path), tf.audio.encode_wav(stereo(), 8000))
    return path


def test_wav_of_16_bits_needs_no_library_and_is_the_same(wav, monkeypatch):
    with_library, _ = read_sound(wav)
    monkeypatch.setattr(audio_decoding, "_has_soundfile", lambda: False)
    waveform, rate = read_sound(wav)
    np.testing.assert_array_equal(waveform, with_library)
    np.testing.assert_array_equal(read_sound(wav, 0.1, 0.3)[0], waveform[800:2400])
    assert (rate, waveform.dtype, waveform.shape) == (8000, np.float32, (4000,))
    np.testing.assert_allclose(waveform, stereo().mean(axis=1), atol=1e-4)


def test_a_part_is_read_by_its_seconds(wav):
    whole, _ = read_sound(wav)
    np.testing.assert_array_equal(read_sound(wav, 0.1, 0.3)[0], whole[800:2400])
    np.testing.assert_array_equal(read_sound(wav, 0.45, 9.0)[0], whole[3600:])
    with pytest.raises(ZooError, match=r"no samples from 0.6 s on, 0.50 s in all"):
        read_sound(wav, 0.6)


KINDS = [
    ("wav", "PCM_U8", 0.02),
    ("wav", "PCM_24", 1e-5),
    ("wav", "PCM_32", 1e-6),
    ("wav", "FLOAT", 1e-6),
    ("flac", "PCM_16", 1e-4),
    ("flac", "PCM_24", 1e-5),
    ("ogg", "VORBIS", 0.1),
    ("mp3", "MPEG_LAYER_III", 0.1),
]


@pytest.mark.parametrize(("suffix", "subtype", "tolerance"), KINDS)
def test_other_files_are_decoded_by_a_library(tmp_path, suffix, subtype, tolerance):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, stereo(), 8000, subtype=subtype)
    waveform, rate = read_sound(path)
    expected = stereo().mean(axis=1)
    assert rate == 8000 and len(waveform) >= 4000
    # MP3 may begin with the silence of its coder.
    start = np.argmax([np.dot(expected, waveform[i:][:4000]) for i in range(len(waveform) - 3999)])
    np.testing.assert_allclose(waveform[start:][:4000], expected, atol=tolerance)


def test_an_mp3_with_padding_before_it_is_read(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    decoder_in_use.cache_clear()
    plain, padded = tmp_path / "plain.mp3", tmp_path / "padded.mp3"
    soundfile.write(plain, stereo(), 8000, format="MP3")
    padded.write_bytes(bytes(300) + plain.read_bytes())
    (expected, _), (waveform, rate) = read_sound(plain), read_sound(padded)
    assert rate == 8000
    np.testing.assert_allclose(waveform[: len(expected)], expected, atol=1e-3)


def test_the_decoder_in_use_is_said_once(caplog):
    pytest.importorskip("soundfile")
    decoder_in_use.cache_clear()
    with caplog.at_level(logging.WARNING, "zoo"):
        assert decoder_in_use() == decoder_in_use()
    (record,) = caplog.records
    assert f"decoded by {decoder_in_use()}" in record.getMessage()
    assert "\n" not in record.getMessage()


@pytest.mark.parametrize("content", [b"fLaC", b"RIFF but not of 16 bits"])
def test_without_a_library_the_file_and_the_remedy_are_named(tmp_path, monkeypatch, content):
    decoder_in_use.cache_clear()
    monkeypatch.setattr(audio_decoding, "has_compiled_operations", lambda: False)
    monkeypatch.setattr(audio_decoding, "_has_soundfile", lambda: False)
    (tmp_path / "a.flac").write_bytes(content)
    with pytest.raises(ZooError, match=r"a.flac: all but WAV of 16 bits needs .*soundfile, pip"):
        read_sound(tmp_path / "a.flac")
    decoder_in_use.cache_clear()


def test_tensorflow_io_decodes_as_soundfile_does(tmp_path):
    """Where its compiled operations load: WAV is left to TensorFlow and soundfile."""
    soundfile = pytest.importorskip("soundfile")
    if not has_compiled_operations():
        pytest.skip("needs tensorflow-io's compiled operations (TensorFlow 2.16)")
    assert decoder_in_use() == "tensorflow-io"
    for suffix, subtype, _ in KINDS:
        path = tmp_path / f"{subtype}.{suffix}"
        soundfile.write(path, stereo(), 8000, subtype=subtype)
        expected = soundfile.read(path, dtype="float32")[0].mean(axis=1)
        np.testing.assert_allclose(read_sound(path)[0][: len(expected)], expected, atol=1e-5)


def bad_files(folder, kind):
    path = folder / "bad.wav"
    if kind == "corrupt":
        path.write_bytes(b"RIFF____WAVEgarbage" * 9)
    elif kind == "text":
        path.write_text("This is no sound.")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "silent":
        tf.io.write_file(str(path), tf.audio.encode_wav(tf.zeros((0, 1)), 8000))
    elif kind == "infinite":
        soundfile = pytest.importorskip("soundfile")
        soundfile.write(path, np.array([0.0, np.inf, np.nan]), 8000, subtype="FLOAT")
    elif kind == "folder":
        path.mkdir()
    return path


BAD = {
    "corrupt": "it is corrupt, truncated or no WAV, FLAC, OGG or MP3",
    "text": "it is corrupt, truncated or no WAV, FLAC, OGG or MP3",
    "empty": "it is corrupt, truncated or no WAV, FLAC, OGG or MP3",
    "silent": "it has no samples",
    "infinite": "some of its samples are NaN or infinite",
    "folder": "is a directory",
    "missing": "no such file or directory",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_named_in_one_line(tmp_path, kind):
    if kind in ("corrupt", "text", "empty"):
        pytest.importorskip("soundfile")
    with pytest.raises(ZooError, match=f"Cannot read the sound .*bad.wav: {BAD[kind]}") as caught:
        read_sound(bad_files(tmp_path, kind))
    assert "\n" not in str(caught.value)


def rates_of_samples(suffixes):
    """Returns the sample rates of all real files of these kinds, which are decoded."""
    found = {}
    for path in sorted(SAMPLES.iterdir()):
        if path.suffix in suffixes and path.name != FLAC_IN_OGG:
            waveform, rate = read_sound(path)
            assert np.abs(waveform).max() > 0.01, path
            found[path.name] = rate
    return found


@needs_samples
def test_real_files_decode():
    pytest.importorskip("soundfile")
    found = rates_of_samples((".wav", ".flac", ".ogg", ".mp3"))
    assert len(found) == 14
    assert found["pydub_test-192khz-32bit.flac"] == 192000


@needs_samples
def test_real_sound_tracks_decode():
    pytest.importorskip("av")
    found = rates_of_samples(audio_decoding.TRACK_SUFFIXES)
    assert len(found) == 3
    assert found["pydub_format_test.m4a"] == 44100 and found["pydub_test5.webm"] == 48000


@needs_samples
def test_a_real_file_of_another_kind_is_named():
    pytest.importorskip("soundfile")
    with pytest.raises(ZooError, match=f"{FLAC_IN_OGG}: it is corrupt, truncated or no WAV"):
        read_sound(SAMPLES / FLAC_IN_OGG)
