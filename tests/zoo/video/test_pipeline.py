"""Videos from files to batches: folders, manifests, labels, memory, bad files."""

import dataclasses
import logging

import numpy as np
import pytest
import tensorflow as tf
from video_examples import RATED, TAGGER, WHOLE, greys_of, write_numbered

from zoo.errors import ZooError
from zoo.training.fit import data_errors_named
from zoo.video import videos
from zoo.video.pipeline import VideoPipeline, video_pipeline, with_classes_of_the_data

pytest.importorskip("av", reason="needs PyAV: pip install 'perceiver-tf[video]'")

CONFIG = dataclasses.replace(RATED, num_classes=2)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Videos of two classes, of 2 to 13 frames; those of `b` at twice the rate."""
    folder = tmp_path_factory.mktemp("videos")
    for split, counts in (("train", (2, 5, 9)), ("test", (3, 13))):
        for name, rate in (("a", 10.0), ("b", 20.0)):
            for count in counts:
                write_numbered(folder / split / name / f"{count:02}.mp4", count, rate)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A copy that a test may spoil."""
    for path in written.rglob("*.mp4"):
        copy = tmp_path / path.relative_to(written)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return tmp_path


def batch(pipeline, split, **settings):
    inputs, labels = next(iter(pipeline.batches(split, 20, **settings)))
    return {name: value.numpy() for name, value in inputs.items()}, labels.numpy()


def numbers(inputs):
    frames = np.round((greys_of(inputs["video"]) + 1) * 12.75).astype(int)
    return np.where(inputs["mask"], frames, -1).tolist()


def test_batches_have_windows_masks_and_labels(written):
    pipeline = video_pipeline(CONFIG, written)
    assert pipeline.class_names is None and pipeline.splits == ("train", "test")
    assert pipeline.class_names == ("a", "b")
    assert [pipeline.num_examples(split) for split in pipeline.splits] == [6, 4]
    inputs, labels = batch(pipeline, "test")
    assert inputs["video"].shape == (4, 2, 4, 6, 9, 3)
    np.testing.assert_array_equal(labels, [[1, 0]] * 2 + [[0, 1]] * 2)
    none = [-1] * 4
    assert numbers(inputs) == [
        [[0, 1, 2, -1], none],
        [[0, 1, 2, 3], [9, 10, 11, 12]],
        [[0, 2, -1, -1], none],  # twice the rate
        [[0, 2, 4, 6], [6, 8, 10, 12]],
    ]
    inputs, labels = batch(pipeline, "train", training=True)
    assert inputs["video"].shape == (6, 1, 4, 6, 9, 3) and inputs["mask"].shape == (6, 1, 4)


def test_order_and_draws_depend_on_seed_and_epoch_alone(written):
    config = dataclasses.replace(CONFIG, max_brightness=0.2, crop_area=(0.5, 1.0), flip=True)
    pipeline = video_pipeline(config, written)

    def draw(**settings):
        return batch(pipeline, "train", training=True, **settings)[0]["video"]

    np.testing.assert_array_equal(draw(seed=1, epoch=2), draw(seed=1, epoch=2))
    assert (draw(seed=1, epoch=2) != draw(seed=1, epoch=3)).any()
    assert (draw(seed=1, epoch=2) != draw(seed=2, epoch=2)).any()


@pytest.mark.parametrize("config", [CONFIG, dataclasses.replace(WHOLE, num_classes=2)])
def test_videos_that_do_not_fit_into_memory_are_the_same(written, monkeypatch, config):
    kept = batch(video_pipeline(config, written), "test")
    monkeypatch.setattr(videos, "MEMORY_LIMIT", 1000)
    pipeline = video_pipeline(config, written)
    streamed = batch(pipeline, "test")
    for one, other in zip(kept, streamed, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_of_videos_that_do_not_fit_windows_are_decoded_where_they_are_drawn(written, monkeypatch):
    monkeypatch.setattr(videos, "MEMORY_LIMIT", 1000)
    pipeline = video_pipeline(CONFIG, written)
    starts = set()
    for epoch in range(6):
        inputs, _ = batch(pipeline, "train", training=True, epoch=epoch)
        for (window,) in numbers(inputs):
            frames = [frame for frame in window if frame >= 0]
            assert (
                frames == list(range(frames[0], frames[0] + len(frames)))
                or (np.diff(frames) == 2).all()
            )
            starts.add(frames[0])
    assert len(starts) > 3 and min(starts) == 0 and max(starts) >= 4


def test_a_manifest_has_parts_splits_and_several_labels(written, tmp_path):
    rows = [
        "train/a/09.mp4,dog;cat,0.2,0.4,train",
        "train/a/05.mp4,,,,train",
        "test/b/13.mp4,cow,0.3,,train",
        "test/a/03.mp4,cat,,,test",
    ]
    path = tmp_path / "videos.csv"
    lines = [f"{written}/{row}" for row in rows]
    path.write_text("\n".join(["path,label,start,end,split", *lines]))
    config, pipeline = with_classes_of_the_data(TAGGER, VideoPipeline(TAGGER, path))
    assert config.num_classes == 3 and pipeline.class_names == ("cat", "cow", "dog")
    inputs, labels = batch(pipeline, "train")
    np.testing.assert_array_equal(labels, [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    assert [windows[0] for windows in numbers(inputs)] == [
        [2, 3, -1, -1],
        [0, 1, 2, 3],
        [6, 8, 10, 12],
    ]


def test_labels_must_fit_the_model(written, tmp_path):
    one = dataclasses.replace(CONFIG, num_classes=1)
    with pytest.raises(ZooError, match="1 outputs for the 2 classes of"):
        video_pipeline(one, written).num_examples("train")
    path = tmp_path / "videos.csv"
    for text, message in {
        "path,label,split\na.mp4,a;b,train": "one label for a classifier.*: .*a.mp4 with 2",
        "path,label,split\na.mp4,4,train": "one of the 2 classes 0, 1. Received: '4'",
        "path,split\na.mp4,train": "must have the columns path and label.*without label",
        "path,label,split\na.mp4,0,test": "must hold videos to train on",
        "path,label,start,end\na.mp4,0,3,2": "end of a part must be behind its start",
    }.items():
        path.write_text(text)
        with pytest.raises(ZooError, match=message):
            video_pipeline(CONFIG, path).num_examples("train")


def test_what_is_no_source_is_named(tmp_path):
    pipeline = video_pipeline(CONFIG, tmp_path / "nothing")  # opened when it is needed
    with pytest.raises(ZooError, match="an .npz file of arrays. Received: .*nothing, not found"):
        pipeline.num_examples("train")
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(ZooError, match="Received: .*a.txt, which is none of these"):
        video_pipeline(CONFIG, tmp_path / "a.txt").num_examples("train")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(ZooError, match=r"class folder .* must hold videos \(.mp4"):
        video_pipeline(CONFIG, tmp_path).num_examples("train")


def spoil(folder):
    (folder / "train/a/05.mp4").write_text("no video")
    path = folder / "train/b/09.mp4"
    path.write_bytes(path.read_bytes()[:300])


def test_a_bad_file_ends_it_with_its_name(folder):
    spoil(folder)
    with pytest.raises(ZooError, match="Cannot read the video .*05.mp4: .* --skip-corrupt"):
        video_pipeline(CONFIG, folder).num_examples("train")


def test_bad_files_are_left_out_and_counted(folder, caplog):
    spoil(folder)
    pipeline = video_pipeline(CONFIG, folder, skip_corrupt=True)
    with caplog.at_level(logging.WARNING, "zoo"):
        assert pipeline.num_examples("train") == 4
    assert "Left out 2 of 6 videos. Cannot read the video" in caplog.text
    assert len(pipeline.skipped) == 2 and "05.mp4" in pipeline.skipped[0]
    np.testing.assert_array_equal(batch(pipeline, "train")[1], [[1, 0]] * 2 + [[0, 1]] * 2)
    for path in folder.rglob("*.mp4"):
        path.write_text("no video")
    with pytest.raises(ZooError, match="None of the videos can be read. Cannot read"):
        video_pipeline(CONFIG, folder, skip_corrupt=True).num_examples("train")


def test_a_bad_file_among_many_is_named_when_its_turn_comes(folder, monkeypatch):
    spoil(folder)
    order = sorted((folder / "train").rglob("*.mp4"))
    monkeypatch.setattr(videos, "MEMORY_LIMIT", order[0].stat().st_size)
    (folder / "train/a/02.mp4").write_bytes((folder / "test/a/13.mp4").read_bytes())
    pipeline = video_pipeline(CONFIG, folder)
    with pytest.raises(ZooError, match="Cannot read the video .*mp4"), data_errors_named():
        list(pipeline.batches("train", 2))
