"""Sound in M4A, MP4, AAC, WebM and Opus: its place, its parts, and errors that name the file."""

import pathlib

import numpy as np
import pytest

from zoo.audio import decoding as audio_decoding
from zoo.audio.decoding import read_sound
from zoo.audio.files import list_sounds
from zoo.audio.resampling import resample_array
from zoo.clips.codec import write_clip
from zoo.errors import ZooError

av = pytest.importorskip("av", reason="needs PyAV: pip install 'perceiver-tf[video]'")

DATA = pathlib.Path(__file__).parents[4] / "shared/data"
RATE = 16000
FORMS = {
    "a.m4a": ("ipod", "aac"),
    "a.mp4": (None, "aac"),
    "fragments.mp4": (None, "aac"),
    "a.aac": ("adts", "aac"),
    "a.mkv": (None, "aac"),
    "a.webm": (None, "libopus"),
    "a.opus": (None, "libopus"),
    "a.mov": (None, "pcm_s16le"),
}


def chirp(seconds=1.3, rate=RATE):
    """A tone that rises from 300 to 820 Hz after a tenth of a second of silence."""
    times = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * (300 * times + 200 * times**2)) * (times > 0.1)


def write_sound(path, channels, codec, form=None, rate=RATE, video=False, options=None):
    """Writes a file by PyAV.

    Args:
        channels: list of one or two arrays (n,).
    """
    layout = ("mono", "stereo")[len(channels) - 1]
    with av.open(str(path), "w", format=form, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if video:
            pictures = container.add_stream("mpeg4", rate=10)
            pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
            for _ in range(round(10 * len(channels[0]) / rate)):
                frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), "uint8"), format="rgb24")
                container.mux(pictures.encode(frame))
            container.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray(np.float32(channels), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def assert_near(waveform, expected, shift=0):
    """Their difference is a codec's, after a shift of at most some samples."""
    assert abs(len(waveform) - len(expected)) <= shift
    length = min(len(waveform), len(expected))
    waveform, expected = waveform[:length], expected[:length]
    errors = [np.roll(waveform, by) - expected for by in range(-shift, shift + 1)]
    if shift:
        errors = [error[shift:-shift] for error in errors]
    assert min(np.sqrt(np.mean(np.square(error))) for error in errors) < 0.02


def written(folder, name, sound):
    form, codec = FORMS[name]
    options = {"movflags": "frag_keyframe+delay_moov"} if name == "fragments.mp4" else None
    return write_sound(folder / name, [sound, sound], codec, form, options=options)


@pytest.mark.parametrize("name", FORMS)
def test_a_sound_is_what_was_written_where_it_was(tmp_path, name):
    waveform, rate = read_sound(written(tmp_path, name, chirp()))
    assert waveform.dtype == np.float32 and waveform.ndim == 1
    assert rate == (48000 if name == "a.webm" else RATE)
    # These do not tell where in the last frame the sound ends.
    padding = 1024 if name in ("a.aac", "a.mkv", "fragments.mp4") else 0
    waveform = resample_array(waveform, rate, RATE)
    assert len(chirp()) <= len(waveform) <= len(chirp()) + padding
    assert_near(waveform[: len(chirp())], chirp())


@pytest.mark.parametrize("name", FORMS)
def test_a_part_is_that_of_the_whole(tmp_path, name):
    path = written(tmp_path, name, chirp(4.0))
    whole, rate = read_sound(path)
    for start, end in ((0.2, 0.7), (2.6, 2.9), (3.5, 9.0), (3.5, None), (None, 0.3)):
        part, _ = read_sound(path, start, end)
        expected = whole[round((start or 0) * rate) : None if end is None else round(end * rate)]
        # Times in WebM are whole milliseconds.
        assert_near(part, expected, shift=rate // 1000 if name == "a.webm" else 0)
    with pytest.raises(ZooError, match=rf"{name}: it has no samples from 6 s on, 4\.\d\d s in all"):
        read_sound(path, 6)
    assert len(read_sound(path, 10.0, 13.6, may_be_cut=True)[0]) == len(whole)


def test_a_first_frame_before_the_sound_is_left_out(tmp_path):
    options = {"movflags": "frag_keyframe"}
    path = tmp_path / "a.mp4"
    write_sound(path, [chirp(12.0)], "aac", video=True, options=options)
    with av.open(str(path)) as container:
        frames = container.decode(audio=0)
        assert next(frames).pts == next(frames).pts  # else this tests nothing
    assert_near(read_sound(path)[0], chirp(12.0))


def test_channels_are_averaged(tmp_path):
    path = write_sound(tmp_path / "a.m4a", [chirp(), np.zeros_like(chirp())], "aac", "ipod")
    assert_near(read_sound(path)[0], chirp() / 2)


def test_the_sound_of_a_clip_is_read(tmp_path):
    video = np.zeros((13, 16, 16, 3), "uint8")
    write_clip(tmp_path / "a.mp4", video, 10.0, chirp(), RATE)
    write_clip(tmp_path / "silent.mp4", video, 10.0)
    waveform, rate = read_sound(tmp_path / "a.mp4")
    assert rate == RATE
    assert_near(waveform[: len(chirp())], chirp())
    with pytest.raises(ZooError, match="Cannot read the sound .*silent.mp4: it has no sound track"):
        read_sound(tmp_path / "silent.mp4")


def test_bytes_tell_what_a_file_is(tmp_path):
    path = written(tmp_path, "a.m4a", chirp()).rename(tmp_path / "a.wav")
    assert len(read_sound(path)[0]) == len(chirp())


def test_opus_in_ogg_needs_one_of_two_libraries(tmp_path, monkeypatch):
    pytest.importorskip("soundfile")
    path = written(tmp_path, "a.opus", chirp())
    by_soundfile, _ = read_sound(path)
    monkeypatch.setattr(audio_decoding, "_has_soundfile", lambda: False)
    by_av, rate = read_sound(path)
    assert_near(resample_array(by_av, rate, RATE), by_soundfile)


def test_bad_files_are_named(tmp_path, monkeypatch):
    path = written(tmp_path, "a.m4a", chirp())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ZooError, match="Cannot read the sound .*a.m4a: it is corrupt or truncated"):
        read_sound(path)
    path.write_bytes(content[:4000] + bytes(np.arange(900) % 251) + content[4900:])
    with pytest.raises(ZooError, match="Cannot read the sound .*a.m4a: it is corrupt or truncated"):
        read_sound(path)
    sound = np.where(np.arange(1600) == 7, np.nan, 0.1)
    write_sound(tmp_path / "a.mkv", [sound], "pcm_f32le")
    with pytest.raises(ZooError, match="a.mkv: some of its samples are NaN or infinite"):
        read_sound(tmp_path / "a.mkv")

    def missing():
        raise ZooError("Clips need PyAV.")

    monkeypatch.setattr(audio_decoding, "import_av", missing)
    with pytest.raises(ZooError, match="a.m4a: M4A, MP4, .* need PyAV, pip install") as caught:
        read_sound(path)
    assert "\n" not in str(caught.value)


def test_folders_and_manifests_find_them(tmp_path):
    for name in ("a.m4a", "b.MP4", "c.aac", "d.webm", "e.opus", "f.txt"):
        for label in ("dog", "cat"):
            (tmp_path / "train" / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "train" / label / name).touch()
    splits, names = list_sounds(tmp_path)
    assert names == ("cat", "dog") and len(splits["train"]) == 10


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the sounds at ../shared/data")
def test_the_sound_of_a_real_clip_is_that_of_its_mp3():
    pytest.importorskip("soundfile")
    clip, rate = read_sound(DATA / "video/decoder_samples/torchcodec_nasa_13013.mp4")
    name = "torchcodec_nasa_13013.mp4.audio_44100.mp3"
    sound, other_rate = read_sound(DATA / "audio/decoder_samples" / name)
    sound = resample_array(sound, other_rate, rate)[: len(clip)]
    clip = clip[: len(sound)]
    assert abs(len(clip) - len(sound)) <= 0.05 * rate
    length = 2 * len(clip)
    spectra = np.fft.rfft(clip, length) * np.conj(np.fft.rfft(sound, length))
    lag = int(np.argmax(np.fft.irfft(spectra)))
    assert min(lag, length - lag) <= 0.05 * rate
    assert np.corrcoef(np.roll(sound, lag), clip)[0, 1] > 0.95
