import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from zoo.errors import ZooError
from zoo.optical_flow.files import read_flo
from zoo.optical_flow.pictures import flow_colours
from zoo.optical_flow.predict import predict_flow
from zoo.optical_flow.preprocess import FlowPreprocess
from zoo.optical_flow.served import ServedFlow

TILE = (6, 8)


def brightness_model():
    """Returns a model whose flow is what a pixel's red and green gain from frame to frame."""
    frames = keras.Input((2, *TILE, 3), name="frames")
    return keras.Model(frames, (frames[:, 1] - frames[:, 0])[..., :2] * 10.0)


def served(downscale=1):
    return ServedFlow(brightness_model(), FlowPreprocess(downscale))


def expected_flow(first, second):
    return (second.astype("float32") - first)[..., :2] / 127.5 * 10


@pytest.fixture
def frames(random):
    return random.integers(0, 256, (3, 13, 19, 3), np.uint8)


@pytest.mark.parametrize("size", [TILE, (13, 19), (3, 20)])
def test_served_flow_of_any_size_is_the_models(random, size):
    first, second = random.integers(0, 256, (2, 2, *size, 3), np.uint8)
    flow = served().flow(tf.constant(first), tf.constant(second))["flow"]
    np.testing.assert_allclose(flow, expected_flow(first, second), atol=1e-4)


def test_downscaled_flow_is_in_pixels_of_the_frames():
    first = np.full((1, 26, 31, 3), 100, np.uint8)
    second = np.full((1, 26, 31, 3), [151, 49, 0], np.uint8)
    flow = served(downscale=2).flow(tf.constant(first), tf.constant(second))["flow"]
    np.testing.assert_allclose(flow, np.broadcast_to([8.0, -8.0], (1, 26, 31, 2)), atol=1e-4)


@pytest.mark.parametrize("downscale", [1, 2])
def test_a_saved_model_gives_the_same(frames, tmp_path, downscale):
    here = served(downscale)
    module = tf.Module()
    module.model = here.model
    functions = {
        name: tf.function(function, input_signature=specs, autograph=False)
        for name, (function, specs) in here.endpoints().items()
    }
    tf.saved_model.save(module, str(tmp_path / "served"), signatures=functions)
    loaded = tf.saved_model.load(str(tmp_path / "served"))
    assert list(here.endpoints()) == ["serving_default", "flow"]
    first, second = tf.constant(frames[:1]), tf.constant(frames[1:2])
    expected = here.flow(first, second)["flow"]
    for name in here.endpoints():
        flow = loaded.signatures[name](first=first, second=second)["flow"]
        np.testing.assert_allclose(flow, expected, atol=1e-4)


@pytest.fixture
def files(frames, tmp_path):
    paths = [tmp_path / f"frame{index}.png" for index in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        path.write_bytes(tf.io.encode_png(frame).numpy())
    return [str(path) for path in paths]


def predicted(items, out=None, **arguments):
    """Returns the report of `predict_flow` and what it printed."""
    endpoints = {"flow": lambda first, second: served().flow(first, second)}
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    report = predict_flow(endpoints, items, out=out, console=console, **arguments)
    return report, printed.getvalue()


def test_predictions_of_consecutive_frames_are_written(files, frames, tmp_path):
    out = tmp_path / "new" / "flow"
    report, printed = predicted(files, out)
    names = ["frame0_to_frame1", "frame1_to_frame2"]
    assert sorted(path.name for path in out.iterdir()) == [
        f"{name}.{suffix}" for name in names for suffix in ("flo", "png")
    ]
    for index, (pair, name) in enumerate(zip(report["pairs"], names, strict=True)):
        flow = read_flo(out / f"{name}.flo")
        np.testing.assert_allclose(flow, expected_flow(frames[index], frames[index + 1]), atol=1e-4)
        picture = tf.io.decode_png(tf.io.read_file(pair["picture_file"]))
        np.testing.assert_array_equal(picture, flow_colours(flow))
        motion = np.hypot(flow[..., 0], flow[..., 1])
        np.testing.assert_allclose(pair["mean_motion"], motion.mean(), rtol=1e-5)
        assert (pair["height"], pair["width"]) == (13, 19)
        assert f"{motion.max():.2f} px" in printed and name in printed


def test_frames_are_never_overwritten(files, frames, tmp_path):
    predicted(files, tmp_path)
    for file, frame in zip(files, frames, strict=True):
        np.testing.assert_array_equal(tf.io.decode_png(tf.io.read_file(file)), frame)


def test_pairs_of_one_name_get_files_of_their_own(files, tmp_path):
    report, _ = predicted([files[0], files[1], files[0], files[1]], tmp_path / "out")
    written = {pair["flow_file"] for pair in report["pairs"]}
    assert len(written) == 3 and all(read_flo(path).shape == (13, 19, 2) for path in written)


def test_without_a_folder_nothing_is_written(files, tmp_path):
    report, printed = predicted(files)
    assert report["pairs"][0]["flow_file"] is None and "Nothing was written" in printed
    assert sorted(str(path) for path in tmp_path.iterdir()) == sorted(files)


def test_one_frame_only_is_one_clear_line(files):
    with pytest.raises(ZooError, match=r"needs at least two frames. Received: .*frame0\.png"):
        predicted(files[:1])


def test_frames_of_different_sizes_are_named(files, tmp_path):
    other = tmp_path / "other.png"
    other.write_bytes(tf.io.encode_png(np.zeros((5, 6, 3), np.uint8)).numpy())
    message = r"must have the same size. Received: .*frame0.png of 19 x 13, .*other.png of 6 x 5"
    with pytest.raises(ZooError, match=message):
        predicted([files[0], str(other)])


@pytest.mark.parametrize("content", [b"no image", b"", b"P6 cut", None])
def test_unreadable_frames_are_named_or_left_out(files, tmp_path, content):
    bad = tmp_path / "bad.png"
    if content is not None:
        bad.write_bytes(content)
    items = [files[0], str(bad), files[1]]
    reason = "no such file or directory" if content is None else "not a readable image: corrupt, "
    with pytest.raises(ZooError, match=f"bad.png: {reason}.*Pass --skip-corrupt"):
        predicted(items)
    report, printed = predicted(items, skip_corrupt=True)
    assert [pair["second"] for pair in report["pairs"]] == [files[1]]
    assert report["skipped"][0]["file"] == str(bad) and "Left out: " in printed
    with pytest.raises(ZooError, match="Fewer than two frames can be read"):
        predicted([files[0], str(bad)], skip_corrupt=True)
