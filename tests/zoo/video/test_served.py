"""Served models of video: frames and GIFs in the graph, and what predict prints."""

import functools
import io
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from rich.console import Console
from video_examples import RATED, TAGGER, WHOLE, write_numbered

from zoo.clips.codec import write_clip
from zoo.entry import Entry
from zoo.errors import ZooError
from zoo.serving.endpoints import open_endpoints
from zoo.serving.saved_model import export, graph_operations
from zoo.video.models import video_model
from zoo.video.predict import predict_videos
from zoo.video.preprocess import VideoPreprocess
from zoo.video.served import ServedVideoModel, ServedVideoTagger

NAMES = ("ant", "bee", "cow")


def served_model(config, served=ServedVideoModel):
    model = video_model(config)
    random = np.random.default_rng(5)
    model.set_weights([0.3 * random.normal(size=weight.shape) for weight in model.get_weights()])
    return served(model, VideoPreprocess(config), NAMES)


@pytest.fixture(scope="module")
def rated():
    return served_model(RATED)


@pytest.fixture(scope="module")
def whole():
    return served_model(WHOLE)


@functools.cache
def callables(served):
    def by_keyword(function, specs):
        graph = tf.function(function, input_signature=specs, autograph=False)
        return lambda **tensors: graph(*(tensors[spec.name] for spec in specs))

    return {name: by_keyword(*endpoint) for name, endpoint in served.endpoints().items()}


def softmax_of(served, video):
    inputs = served.preprocess(tf.constant(video))
    logits = served.model({name: value[None] for name, value in inputs.items()})
    return tf.nn.softmax(logits)[0].numpy()


def video_of(random, count, height=8, width=20, channels=3):
    return random.integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def gif_of(video):
    images = [Image.fromarray(frame) for frame in video]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=50)
    return file.getvalue()


def test_videos_are_scored_as_each_alone(rated, random):
    videos = np.stack([video_of(random, 11) for _ in range(2)])
    outputs = callables(rated)["serving_default"](video=videos)
    for scores, label, video in zip(outputs["scores"], outputs["label"], videos, strict=True):
        np.testing.assert_allclose(scores, softmax_of(rated, video), atol=1e-5)
        assert label.numpy().decode() == NAMES[np.argmax(scores)]
    assert np.ptp(outputs["scores"].numpy(), axis=0).max() > 1e-3


def test_what_is_behind_a_video_does_not_count(rated, random):
    videos = np.stack([video_of(random, 11) for _ in range(2)])
    lengths = np.array([3, 11], "int32")
    endpoint = callables(rated)["classify_padded_video"]
    clean = endpoint(video=videos, num_frames=lengths)["scores"].numpy()
    np.testing.assert_allclose(clean[0], softmax_of(rated, videos[0, :3]), atol=1e-5)
    videos[0, 3:] = 255
    np.testing.assert_array_equal(endpoint(video=videos, num_frames=lengths)["scores"], clean)


def test_grey_videos_are_taken_for_colour_and_the_other_way_round(rated, whole, random):
    grey = video_of(random, 5, channels=1)
    for served in (rated, whole):
        score = callables(served)["classify_video"]
        same = [score(video=video[None])["scores"] for video in (grey, grey.repeat(3, -1))]
        np.testing.assert_allclose(*same, atol=1e-5)


def test_gifs_are_decoded_in_the_graph(whole, random):
    videos = [video_of(random, count, channels=1).repeat(3, -1) for count in (3, 9)]
    outputs = callables(whole)["classify_gif"](gif=tf.constant([gif_of(v) for v in videos]))
    for scores, video in zip(outputs["scores"], videos, strict=True):
        np.testing.assert_allclose(scores, softmax_of(whole, video), atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError):
        callables(whole)["classify_gif"](gif=tf.constant(["no gif"]))


def test_a_tagger_scores_each_label_by_itself(random):
    served = served_model(TAGGER, ServedVideoTagger)
    assert "tag_video" in served.endpoints() and "classify_video" not in served.endpoints()
    video = video_of(random, 4)
    scores = callables(served)["tag_video"](video=video[None])["scores"][0].numpy()
    softmax = softmax_of(served, video)
    odds = np.log(scores / (1 - scores))
    np.testing.assert_allclose(odds - odds[0], np.log(softmax / softmax[0]), atol=1e-3)


@pytest.mark.parametrize("count", [0, 12])
def test_bad_lengths_are_a_clear_error_of_the_graph(rated, random, count):
    endpoint = callables(rated)["classify_padded_video"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least one frame, and no more"):
        endpoint(video=video_of(random, 11)[None], num_frames=np.array([count], "int32"))


class OfThisProcess:
    """Stands where a pipeline would: an export needs its preprocessing only."""

    def __init__(self, preprocess):
        self.preprocess = preprocess
        self.class_names = NAMES


LOADING = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("zoo", "perceiver_tf", "av"):
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
video = tf.constant(np.load(sys.argv[2]))
np.save(sys.argv[3], loaded.signatures["classify_video"](video=video)["scores"].numpy())
"""


@pytest.mark.slow
def test_an_export_needs_tensorflow_alone(tmp_path, random, rated):
    path = export(
        Entry("videos", RATED, rated.model, OfThisProcess(rated.preprocess)), tmp_path / "served"
    )
    assert not [name for name in graph_operations(path) if "PyFunc" in name]
    video = video_of(random, 9)[None]
    np.save(tmp_path / "video.npy", video)
    files = [str(path), str(tmp_path / "video.npy"), str(tmp_path / "scores.npy")]
    subprocess.run([sys.executable, "-c", LOADING, *files], check=True, capture_output=True)
    expected = callables(rated)["classify_video"](video=video)["scores"]
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, atol=1e-5)
    assert open_endpoints(path).task.predict is predict_videos


def printed(served, items, out=None, **settings):
    console = Console(file=io.StringIO(), width=200)
    files = [str(item) for item in items]
    report = predict_videos(callables(served), files, out=out, console=console, **settings)
    return report, console.file.getvalue()


@pytest.fixture
def files(tmp_path, random):
    """Videos of three lengths and two rates, and a GIF."""
    pytest.importorskip("av", reason="needs PyAV: pip install 'perceiver-tf[video]'")
    paths = [
        write_numbered(tmp_path / "a.mp4", 2),
        write_numbered(tmp_path / "b.mp4", 7, 20.0),
        write_clip(tmp_path / "c.mp4", video_of(random, 50, 32, 64), 10.0),
        tmp_path / "d.gif",
    ]
    paths[-1].write_bytes(gif_of(video_of(random, 5)))
    return paths


def test_predict_names_the_best_classes_of_files(rated, whole, files, tmp_path):
    report, text = printed(rated, files, out=tmp_path / "out", top=2)
    gif = callables(rated)["classify_gif"](gif=[files[-1].read_bytes()])["scores"][0].numpy()
    for prediction, path in zip(report["predictions"], files, strict=True):
        assert prediction["file"] == str(path) and path.name in text
        assert prediction["top"][0]["label"] == prediction["label"] in NAMES
    assert report["predictions"][-1]["score"] == pytest.approx(gif.max(), rel=1e-4)
    assert report["predictions"][-1]["label"] == NAMES[gif.argmax()]
    assert report["skipped"] == []
    whole_video, _ = printed(whole, files[2:3])
    assert whole_video["predictions"][0]["label"] in NAMES
    (picture,) = report["pictures"]
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert picture in text and pixels.std() > 10


def test_predict_refuses_or_leaves_out_bad_files(rated, files, tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    items = [files[0], tmp_path / "bad.mp4", tmp_path / "gone.mp4"]
    with pytest.raises(ZooError, match=r"^\S*bad.mp4: invalid data .* Pass --skip-corrupt"):
        printed(rated, items)
    report, text = printed(rated, items, skip_corrupt=True)
    assert [prediction["file"] for prediction in report["predictions"]] == [str(files[0])]
    assert [item["reason"][:10] for item in report["skipped"]] == ["invalid da", "no such fi"]
    assert "Left out, as they could not be read: 2" in text
    with pytest.raises(ZooError, match="None of the files could be predicted"):
        printed(rated, items[1:], skip_corrupt=True)
    with pytest.raises(ZooError, match="`top` must be at least 1"):
        printed(rated, files, top=0)
