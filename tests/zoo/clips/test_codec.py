"""Clip files: read at even times, with resampled sound; written; what is wrong with them said."""

import builtins
import pathlib
import re
import struct

import numpy as np
import pytest

from zoo.clips.codec import read_clip, write_clip
from zoo.clips.files import StoredClips, list_clips
from zoo.errors import ZooError
from zoo.multimodal.configs import MultimodalAutoencoderConfig
from zoo.multimodal.pipeline import multimodal_pipeline, with_classes_of_the_data

av = pytest.importorskip("av", reason="needs PyAV: pip install 'perceiver-tf[video]'")

SAMPLES = pathlib.Path(__file__).parents[4] / "shared/data/video/decoder_samples"
RATE, SECONDS = 8000, 1.0
FORM = {"num_frames": 4, "frame_rate": 5.0, "side": (16, 24)}
SOUND = {"num_samples": 6400, "sample_rate": RATE}


def tone(frequency, seconds, rate):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory):
    """Ten frames of a second, each a little lighter, and a tone of 440 Hz."""
    video = np.broadcast_to(
        (20 * np.arange(10)).astype("uint8")[:, None, None, None], (10, 32, 48, 3)
    )
    path = tmp_path_factory.mktemp("clips") / "grey [1].mp4"
    return write_clip(path, video, 10.0, tone(440, SECONDS, RATE), RATE)


def test_frames_are_picked_at_even_times_and_resized(clip_file):
    video, audio = read_clip(clip_file, **FORM)
    assert audio is None and video.dtype == np.uint8 and video.shape == (4, 16, 24, 3)
    np.testing.assert_allclose(video.mean((1, 2, 3)), [0, 40, 80, 120], atol=4)
    more, _ = read_clip(clip_file, **{**FORM, "num_frames": 6, "frame_rate": 20.0}, start=0.2)
    np.testing.assert_allclose(more.mean((1, 2, 3)), [40, 40, 60, 60, 80, 80], atol=4)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_sound_is_resampled_and_keeps_its_pitch_and_time(clip_file, rate):
    _, audio = read_clip(clip_file, **FORM, num_samples=int(0.8 * rate), sample_rate=rate)
    assert audio.dtype == np.float32 and audio.shape == (int(0.8 * rate),)
    spectrum = np.abs(np.fft.rfft(audio))
    assert abs(np.argmax(spectrum) * rate / len(audio) - 440) < 2
    middle = slice(rate // 5, rate // 2)
    expected = tone(440, 0.8, rate)
    assert np.corrcoef(audio[middle], expected[middle])[0, 1] > 0.99


def test_sound_starts_where_the_frames_start(clip_file):
    rate = {"num_samples": 1600, "sample_rate": RATE}
    _, whole = read_clip(clip_file, **FORM, **SOUND)
    short = {**FORM, "num_frames": 1}
    _, later = read_clip(clip_file, **short, **rate, start=0.5)
    np.testing.assert_allclose(later, whole[4000:5600], atol=1e-3)


def test_written_clips_read_the_same(tmp_path, random):
    video = random.integers(0, 255, (6, 4, 3, 3)).repeat(8, 1).repeat(7, 2).astype("uint8")
    sound = tone(300, 0.6, 16000).astype("float32")
    path = write_clip(tmp_path / "new" / "clip.mp4", video, 10.0, sound, 16000)
    form = {"num_frames": 6, "frame_rate": 10.0, "side": (32, 22)}
    again, audio = read_clip(path, **form, num_samples=9600, sample_rate=16000)
    assert np.abs(again[:, :, :21].astype(int) - video).mean() < 12
    assert np.corrcoef(audio, sound)[0, 1] > 0.99
    grey = write_clip(path, video[..., :1], 10.0)  # overwrites, and has no sound
    with pytest.raises(ZooError, match="has no sound track, and the model reads video with sound"):
        read_clip(grey, **form, num_samples=9600, sample_rate=16000)
    assert [p.name for p in path.parent.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("flags", ["faststart", "frag_keyframe+empty_moov"])
def test_a_clip_reads_the_same_wherever_its_header_is(clip_file, tmp_path, flags):
    path = tmp_path / "again.mp4"
    with (
        av.open(str(clip_file)) as read,
        av.open(str(path), "w", options={"movflags": flags}) as written,
    ):
        streams = {stream: written.add_stream_from_template(stream) for stream in read.streams}
        for packet in read.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream]
                written.mux(packet)
    for expected, found in zip(
        read_clip(clip_file, **FORM, **SOUND), read_clip(path, **FORM, **SOUND), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_clip_that_ends_too_early_is_refused(clip_file, tmp_path):
    with pytest.raises(ZooError, match=r"too short: the model reads 8 frames up to 1.40 s.*1.00 s"):
        read_clip(clip_file, **{**FORM, "num_frames": 8})
    video = np.zeros((10, 16, 16, 1), "uint8")
    mute = write_clip(tmp_path / "a.mp4", video, 10.0, tone(440, 0.3, RATE), RATE)
    with pytest.raises(ZooError, match=r"sound of .*a.mp4 is too short: the model reads 0.80 s"):
        read_clip(mute, **FORM, **SOUND)


def test_files_that_are_no_clips_are_named(clip_file, tmp_path):
    with pytest.raises(ZooError, match="There is no file .*none.mp4"):
        read_clip(tmp_path / "none.mp4", **FORM)
    text = tmp_path / "text.mp4"
    text.write_text("not a clip")
    with pytest.raises(ZooError, match="text.mp4 cannot be read as a clip: Invalid data"):
        read_clip(text, **FORM)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip_file.read_bytes()[:500])
    with pytest.raises(ZooError, match="cut.mp4 cannot be read as a clip"):
        read_clip(cut, **FORM)
    unknown = tmp_path / "unknown.mp4"
    unknown.write_bytes(re.sub(b"avc1|mp4v", b"xxxx", clip_file.read_bytes()))
    with pytest.raises(ZooError, match="unknown.mp4 has a video track that PyAV has no decoder"):
        read_clip(unknown, **FORM)
    with pytest.raises(ValueError, match="`video` must be"):
        write_clip(tmp_path / "x.mp4", np.zeros((2, 3), "uint8"), 10.0)


@pytest.mark.parametrize(
    ("turns", "matrix"),
    [(1, (0, -1, 1, 0)), (2, (-1, 0, 0, -1)), (3, (0, 1, -1, 0))],
)
def test_frames_are_turned_as_the_file_says(tmp_path, turns, matrix):
    video = np.zeros((4, 32, 48, 3), "uint8")
    video[:, :16], video[:, :, :16] = 200, 100
    path = write_clip(tmp_path / "a.mp4", video, 5.0)
    content = path.read_bytes()
    upright = struct.pack(">9i", 2**16, 0, 0, 0, 2**16, 0, 0, 0, 2**30)
    a, b, c, d = (2**16 * number for number in matrix)
    place = content.index(upright, content.index(b"tkhd"))  # of the track, behind the movie's
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 2**30)
    path.write_bytes(content[:place] + turned + content[place + len(turned) :])
    expected = np.rot90(video[0], turns).astype(int)
    found, _ = read_clip(path, num_frames=4, frame_rate=5.0, side=expected.shape[:2])
    np.testing.assert_allclose(found[0].astype(int), expected, atol=60)
    assert np.abs(found - expected).mean() < 4


def test_titles_in_another_encoding_do_not_matter(tmp_path):
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "caf##"
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((16, 24, 3), 90, "uint8"), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode()])
    path.write_bytes(path.read_bytes().replace(b"caf##", b"caf\xe9\xe9"))
    video, _ = read_clip(path, **{**FORM, "num_frames": 1})
    np.testing.assert_allclose(video.mean(), 90, atol=4)


def test_without_pyav_the_error_says_what_to_install(clip_file, monkeypatch):
    original = builtins.__import__

    def without_av(name, *args, **kwargs):
        if name == "av":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(ZooError, match=r"pip install 'perceiver-tf\[video\]'"):
        read_clip(clip_file, **FORM)


def config(**changes):
    settings = {"image_shape": (4, 16, 24, 1), "num_audio_samples": 6400, "num_classes": 2}
    settings |= {"frame_rate": 5.0, "sample_rate": RATE, "image_patch": (1, 4, 4)}
    return MultimodalAutoencoderConfig("", "", 0, **(settings | changes))


@pytest.fixture
def folder(clip_file, tmp_path):
    for name in ("train/dark/a", "train/light/b", "train/light/c", "test/light/d"):
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(clip_file.read_bytes())
    (tmp_path / "train/light/notes.txt").write_text("no clip")
    return tmp_path


def test_folder_of_clips_by_class_becomes_batches(folder):
    pipeline = multimodal_pipeline(config(), folder)
    assert pipeline.class_names == ("dark", "light")
    assert {s: pipeline.num_examples(s) for s in pipeline.splits} == {"train": 3, "test": 1}
    inputs, targets = next(iter(pipeline.batches("train", 3)))
    np.testing.assert_array_equal(np.argmax(targets["label"], -1), [0, 1, 1])
    expected = np.array([0, 40, 80, 120]) / 255
    np.testing.assert_allclose(inputs["image"][1].numpy().mean((1, 2, 3)), expected, atol=0.02)
    assert np.abs(inputs["audio"][2]).max() > 0.4
    fewer, pipeline = with_classes_of_the_data(config(num_classes=700), pipeline)
    assert fewer.num_classes == 2 and pipeline.class_names == ("dark", "light")
    with pytest.raises(ZooError, match="an output for each class of the data. Received: 1 outputs"):
        multimodal_pipeline(config(num_classes=1), folder).num_examples("train")


def test_list_of_clips_may_name_classes(folder):
    listed = folder / "clips.txt"
    listed.write_text("train/dark/a.mp4\tdark\n\ntrain/light/b.mp4\n")
    splits, names = list_clips(listed)
    assert names == ("dark",)
    found = sorted((path.name, name) for clips in splits.values() for path, name in clips)
    assert found == [("a.mp4", "dark"), ("b.mp4", None)]
    stored = StoredClips([(folder / "train/light/b.mp4", None)], names, config())
    assert int(stored.clip(0, None)[2]) == -1


def test_bad_clips_end_the_reading_or_are_left_out(folder):
    (folder / "train/dark/bad.mp4").write_text("not a clip")
    with pytest.raises(ZooError, match="bad.mp4 cannot be read as a clip"):
        multimodal_pipeline(config(), folder).num_examples("train")
    assert multimodal_pipeline(config(), folder, skip_corrupt=True).num_examples("train") == 3
    with pytest.raises(ZooError, match="None of the clips can be read. .*bad.mp4"):
        StoredClips([(folder / "train/dark/bad.mp4", None)], (), config(), skip_corrupt=True)
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(ZooError, match="has no clips to train on"):
        list_clips(empty)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"needs the video files in {SAMPLES}")
@pytest.mark.parametrize("name", ["mmaction2_test.avi", "torchcodec_nasa_13013.mp4"])
def test_real_clips(name):
    form = {"num_frames": 16, "frame_rate": 25.0, "side": (224, 224)}
    video, audio = read_clip(
        SAMPLES / name, **form, num_samples=30720, sample_rate=48000, start=2.0
    )
    assert video.shape == (16, 224, 224, 3) and audio.shape == (30720,)
    assert video.std() > 10 and 0.01 < np.abs(audio).mean() < 0.5


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"needs the video files in {SAMPLES}")
def test_real_clips_without_a_track():
    form = {"num_frames": 2, "frame_rate": 25.0, "side": (32, 32)}
    with pytest.raises(ZooError, match="mmaction2_test.mp4 has no sound track"):
        read_clip(SAMPLES / "mmaction2_test.mp4", **form, num_samples=800, sample_rate=8000)
    with pytest.raises(ZooError, match="mmaction2_test.wav has no video track"):
        read_clip(SAMPLES / "mmaction2_test.wav", **form, num_samples=800, sample_rate=8000)
