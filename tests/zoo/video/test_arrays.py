"""Videos in `.npz` files: which array is what, how they are split, what is wrong with them."""

import dataclasses

import numpy as np
import pytest
from video_examples import WHOLE, greys_of

from zoo.errors import ZooError
from zoo.video.arrays import ArrayVideos, parse_array_spec
from zoo.video.pipeline import video_pipeline, with_classes_of_the_data


def write(path, **changed):
    """Ten videos of four frames; video n has the grey 10 n, and the label 7, 8 or 9."""
    greys = (10 * np.arange(10)).astype("uint8")
    arrays = {
        "video": np.broadcast_to(greys[:, None, None, None], (10, 4, 6, 9)),
        "action": np.arange(10) % 3 + 7,
        "subject": np.arange(10) % 5,
    }
    arrays = {name: value for name, value in (arrays | changed).items() if value is not None}
    np.savez(path, **arrays)
    return path


@pytest.fixture
def npz(tmp_path):
    return write(tmp_path / "a.npz")


def videos_of(pipeline, split):
    inputs, labels = next(iter(pipeline.batches(split, 20)))
    numbers = np.round((greys_of(inputs["video"][:, 0, 0]) + 1) * 12.75).astype(int)
    return numbers.tolist(), labels.numpy()


def test_a_specification_says_labels_and_splits(npz):
    spec = f"{npz}:label=action:test=subject=1,3:validation=subject=4"
    pipeline = video_pipeline(WHOLE, spec)
    assert pipeline.splits == ("train", "validation", "test")
    for split, rows in (("train", [0, 2, 5, 7]), ("validation", [4, 9]), ("test", [1, 3, 6, 8])):
        found, labels = videos_of(pipeline, split)
        assert found == rows
        np.testing.assert_array_equal(labels, np.eye(3)[np.array(rows) % 3])
    assert pipeline.class_names == ("7", "8", "9")


def test_a_file_may_say_itself_what_is_held_out(tmp_path):
    labels = np.array(["wave", "clap"] * 5)
    test = np.arange(10) > 6
    path = write(tmp_path / "a.npz", action=None, label=labels, test=test)
    config, pipeline = with_classes_of_the_data(WHOLE, video_pipeline(WHOLE, path))
    assert config.num_classes == 2 and pipeline.class_names == ("clap", "wave")
    assert videos_of(pipeline, "test")[0] == [7, 8, 9]
    split = np.array(["train"] * 5 + ["validation"] * 2 + ["test"] * 3)
    path = write(tmp_path / "b.npz", split=split)
    assert videos_of(video_pipeline(WHOLE, f"{path}:label=action"), "validation")[0] == [5, 6]


def test_without_any_word_a_fixed_fifth_is_held_out(npz):
    rows = ArrayVideos(parse_array_spec(f"{npz}:label=action")).rows
    again = ArrayVideos(parse_array_spec(f"{npz}:label=subject")).rows
    assert 1 <= len(rows["test"]) <= 4
    np.testing.assert_array_equal(rows["test"], again["test"])
    assert sorted([*rows["train"], *rows["test"]]) == list(range(10))


def test_names_colours_and_padding_count(tmp_path, random):
    video = random.integers(0, 256, (10, 4, 6, 9, 3), dtype=np.uint8)
    path = write(
        tmp_path / "a.npz",
        video=video,
        action=None,
        label=np.arange(10) % 2,
        names=np.array(["ape", "bee", "cow"]),
        num_frames=np.array([1, 2, 3, 4, 4, 4, 4, 4, 4, 4]),
        test=np.arange(10) < 3,
    )
    config = dataclasses.replace(WHOLE, frame_shape=(6, 9, 3))
    pipeline = video_pipeline(config, path)
    inputs, _ = next(iter(pipeline.batches("test", 3)))
    assert pipeline.class_names == ("ape", "bee", "cow")
    assert inputs["mask"].numpy().sum(axis=(1, 2)).tolist() == [1, 2, 3]
    np.testing.assert_allclose(inputs["video"][2, 0, :3], video[2, :3] / 127.5 - 1, atol=1e-6)


BAD_ARRAYS = {
    "must hold the array `video`. Received: action, subject": {"video": None},
    r"must be uint8 \(videos, frames, .*Received: float32": {
        "video": np.zeros((10, 4, 6, 9), "float32")
    },
    r"must be uint8 .*Received: uint8 of shape \(10, 4, 6, 9, 2\)": {
        "video": np.zeros((10, 4, 6, 9, 2), "uint8")
    },
    "must hold the array `action`. Received: subject, video": {"action": None},
    r"one value for each of the 10 videos. Received: int64 of shape \(9,\)": {
        "action": np.arange(9)
    },
    "must be integers or strings. Received: float64": {"action": np.ones(10)},
    "integers from 0 to 1, numbers of the class names. Received: 7 to 9": {
        "names": np.array(["a", "b"])
    },
    "`num_frames` of .* must be integers from 1 to 4. Received: int64 from 0 to 0": {
        "num_frames": np.zeros(10, int)
    },
    "`test` of .* must be bool. Received: int64": {"test": np.arange(10)},
    "must hold videos for train. Received: none": {"test": np.ones(10, bool)},
    "one of train, validation, test. Received: 'eval'": {"split": np.array(["eval"] * 10)},
}


@pytest.mark.parametrize("message", BAD_ARRAYS)
def test_wrong_arrays_are_one_clear_line(tmp_path, message):
    path = write(tmp_path / "a.npz", **BAD_ARRAYS[message])
    with pytest.raises(ZooError, match=message) as caught:
        ArrayVideos(parse_array_spec(f"{path}:label=action"))
    assert "\n" not in str(caught.value)


def test_wrong_specifications_are_one_clear_line(npz, tmp_path):
    assert parse_array_spec(tmp_path) is None and parse_array_spec("a.csv") is None
    for option in ("labels=action", "test=subject", "test=subject=", "train=subject=1"):
        with pytest.raises(ZooError, match="must be label=NAME, test=NAME=VALUES or"):
            parse_array_spec(f"{npz}:{option}")
    with pytest.raises(ZooError, match="must hold videos for test. Received: none"):
        ArrayVideos(parse_array_spec(f"{npz}:label=action:test=subject=17"))
    with pytest.raises(ZooError, match="There is no such file: .*gone.npz"):
        ArrayVideos(parse_array_spec(tmp_path / "gone.npz"))
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    with pytest.raises(ZooError, match="Cannot read .*bad.npz"):
        ArrayVideos(parse_array_spec(tmp_path / "bad.npz"))
    with pytest.raises(ZooError, match="2 outputs for the 3 classes of"):
        config = dataclasses.replace(WHOLE, num_classes=2)
        video_pipeline(config, f"{npz}:label=action").num_examples("train")
