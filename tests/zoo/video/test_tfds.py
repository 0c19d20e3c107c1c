"""Videos of TensorFlow Datasets: a stream, decoded where they are used, with labels or without."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf
from tfds_examples import mocked, prepared
from video_examples import RATED, WHOLE, greys_of, numbered

from zoo.data import tfds as tfds_source
from zoo.errors import ZooError
from zoo.multimodal.configs import MULTIMODAL_MODELS
from zoo.multimodal.pipeline import multimodal_pipeline
from zoo.multimodal.pipeline import with_classes_of_the_data as clips_with_classes_of_the_data
from zoo.training.fit import data_errors_named
from zoo.video.pipeline import video_pipeline, with_classes_of_the_data
from zoo.video.tfds import TfdsVideos, open_tfds_videos

pytestmark = pytest.mark.filterwarnings("ignore")
CONFIG = dataclasses.replace(RATED, num_classes=101)
COUNTS = {"train": (2, 9, 13, 5, 7, 10, 4), "test": (13, 3)}
STEP = 16  # greys are far apart, as the frames are JPEGs
LABELS = ("Archery", "Bowling", "YoYo")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(scope="module")
def ucf101(folder):
    """Videos of grey frames, numbered by their grey, 20 x 30."""

    def example(number, count):
        return {"video": numbered(count, 20, 30, step=STEP), "label": LABELS[number % 3]}

    splits = {split: [example(*x) for x in enumerate(n)] for split, n in COUNTS.items()}
    with prepared(folder, "ucf101/ucf101_1", splits):
        yield "ucf101/ucf101_1"


@pytest.fixture(scope="module")
def moving_mnist(folder):
    """Ten videos of 20 frames, frame n of video m of grey 10 n + m."""
    videos = [numbered(20, 64, 64, 1) + np.uint8(number) for number in range(10)]
    splits = {"test": [{"image_sequence": video} for video in videos]}
    with prepared(folder, "moving_mnist", splits):
        yield "moving_mnist"


def examples(batches):
    """All of a dataset in one batch."""
    parts = [tf.nest.flatten(batch) for batch in batches]
    structure = batches.element_spec
    return tf.nest.pack_sequence_as(
        structure, [np.concatenate(x) for x in zip(*parts, strict=True)]
    )


def frame_numbers(inputs):
    frames = np.round((greys_of(inputs["video"]) + 1) * 127.5 / STEP).astype(int)
    return np.where(inputs["mask"], frames, -1)


def test_a_data_set_by_name_gives_windows_and_labels(ucf101):
    config, pipeline = with_classes_of_the_data(RATED, video_pipeline(RATED, ucf101))
    assert config.num_classes == 101 and pipeline.splits == ("train", "test")
    assert [pipeline.num_examples(split) for split in pipeline.splits] == [7, 2]
    inputs, labels = examples(pipeline.batches("test", 1))
    stored = [x["label"] for x in pipeline.split("test").stored().as_numpy_iterator()]
    np.testing.assert_array_equal(labels.argmax(axis=1), stored)
    assert {pipeline.class_names[label] for label in stored} == {"Archery", "Bowling"}
    # Frames are taken as they are: whole windows of the long video, of the other one padding.
    found = {tuple(map(tuple, windows)) for windows in frame_numbers(inputs).tolist()}
    assert found == {((0, 1, 2, 3), (9, 10, 11, 12)), ((0, 1, 2, -1), (-1,) * 4)}


def test_frames_are_those_of_all_decoded_at_once(ucf101):
    """Decoding the chosen ones alone, one by one, changes nothing."""
    for changes in ({}, {"frame_rate": None}, {"crop_area": (0.5, 1.0), "flip": True}):
        config = dataclasses.replace(CONFIG, **changes)
        pipeline = video_pipeline(config, ucf101)
        preprocess, key = pipeline.preprocess, tf.constant([3, 5])
        for stored in pipeline.split("train").stored():
            encoded = stored["video"]
            assert encoded.dtype == tf.string
            videos = open_tfds_videos(ucf101)
            pixels = tf.stack([videos.decode(frame) for frame in encoded])
            for one, other in (
                (preprocess(encoded, videos.decode), preprocess(pixels)),
                (
                    preprocess.training(encoded, key, videos.decode),
                    preprocess.training(pixels, key),
                ),
            ):
                np.testing.assert_array_equal(one["mask"], other["mask"])
                np.testing.assert_allclose(one["video"], other["video"], atol=1e-5)


def test_training_draws_windows(ucf101):
    pipeline = video_pipeline(CONFIG, ucf101)
    starts = set()
    for epoch in range(6):
        inputs, _ = examples(pipeline.batches("train", 3, training=True, epoch=epoch))
        for window in frame_numbers(inputs)[:, 0]:
            shown = window[window >= 0]
            np.testing.assert_array_equal(shown, shown[0] + np.arange(len(shown)))
            starts.add(int(shown[0]))
    assert len(starts) > 3


def test_a_stream_is_shuffled_shared_and_gone_on_with(ucf101):
    pipeline = video_pipeline(dataclasses.replace(WHOLE, num_classes=101), f"tfds:{ucf101}")
    settings = {"training": True, "seed": 3, "epoch": 1}
    inputs, labels = examples(pipeline.batches("train", 2, **settings))
    videos = inputs["video"]
    again, _ = examples(pipeline.batches("train", 2, **settings))
    rest, rest_labels = examples(pipeline.batches("train", 2, **settings, start_step=2))
    part, _ = examples(pipeline.batches("train", 2, **settings, num_shards=2, shard=1))
    other, _ = examples(pipeline.batches("train", 2, training=True, seed=3, epoch=2))
    np.testing.assert_array_equal(again["video"], videos)
    np.testing.assert_array_equal(rest["video"], videos[4:])
    np.testing.assert_array_equal(rest_labels, labels[4:])
    np.testing.assert_array_equal(part["video"], videos[1::2])
    assert not np.array_equal(other["video"], videos)


def test_what_is_passed_over_is_not_decoded(ucf101, monkeypatch):
    counts = []

    def decode(videos, frame):
        number = tf.numpy_function(lambda: np.int64(counts.append(1) or 0), [], tf.int64)
        with tf.control_dependencies([number]):
            return tf.ensure_shape(tf.io.decode_jpeg(frame, 3), (None, None, 3))

    monkeypatch.setattr("zoo.video.tfds.TfdsVideos.decode", decode)
    pipeline = video_pipeline(CONFIG, ucf101)
    list(pipeline.batches("train", 1, training=True, epoch=0, start_step=6))
    assert 1 <= len(counts) <= CONFIG.num_frames


def test_the_buffer_is_bounded_by_bytes_as_stored(ucf101, monkeypatch):
    data = open_tfds_videos(ucf101)
    mean = data.stream("train", None).shuffle_buffer
    assert mean == tfds_source.SHUFFLE_BUFFER
    monkeypatch.setattr(
        tfds_source, "SHUFFLE_BYTES", 3 * tfds_source.TfdsData(ucf101).mean_bytes("train")
    )
    assert data.stream("train", None).shuffle_buffer == 3


def test_a_part_of_a_split(ucf101):
    pipeline = video_pipeline(CONFIG, f"{ucf101}:train[:3]")
    assert pipeline.num_examples("train") == 3 and pipeline.num_examples("test") == 2
    assert len(examples(pipeline.batches("train", 2))[1]) == 3


def test_mocked_contents_decode_as_the_features_say():
    with mocked(3, ("train", "valid", "test")):
        pipeline = video_pipeline(CONFIG, "ucf101")
        assert pipeline.splits == ("train", "validation", "test")
        inputs, _ = examples(pipeline.batches("validation", 2))
    assert inputs["video"].shape == (3, 2, 4, 6, 9, 3)


def clip_config(**changes):
    return dataclasses.replace(MULTIMODAL_MODELS["perceiver_io_multimodal_tiny"], **changes)


def test_videos_without_labels_are_clips_with_silence(moving_mnist):
    config, pipeline = clips_with_classes_of_the_data(
        clip_config(), multimodal_pipeline(clip_config(), moving_mnist)
    )
    assert config.num_classes == 10 and pipeline.class_names is None
    assert pipeline.splits == ("train", "test")
    assert [pipeline.num_examples(split) for split in pipeline.splits] == [8, 2]
    seen, starts = {}, set()
    for split in pipeline.splits:
        inputs, targets = examples(pipeline.batches(split, 3, training=split == "train"))
        greys = np.round(greys_of(inputs["image"]) * 255).astype(int)
        np.testing.assert_array_equal(np.diff(greys), 10)
        seen[split] = set(greys[:, 0] % 10)
        starts |= {(split, start) for start in greys[:, 0] // 10}
        assert not inputs["audio"].any() and not targets["label"].any()
        np.testing.assert_array_equal(inputs["image"], targets["image"])
    assert seen["train"] | seen["test"] == set(range(10)) and not seen["train"] & seen["test"]
    assert {start for split, start in starts if split == "test"} == {0}
    assert len(starts) > 3  # in training clips begin anywhere


def test_videos_with_labels_are_clips_with_labels(ucf101):
    config = clip_config(image_shape=(2, 32, 32, 3))
    config, pipeline = clips_with_classes_of_the_data(config, multimodal_pipeline(config, ucf101))
    assert config.num_classes == 101 and pipeline.class_names[0] == "ApplyEyeMakeup"
    _, targets = examples(pipeline.batches("train", 3, training=True))
    np.testing.assert_array_equal(targets["label"].sum(axis=1), 1)
    with pytest.raises(ZooError, match="10 outputs for the 101 classes of ucf101"):
        multimodal_pipeline(clip_config(), ucf101).num_examples("train")


def test_a_part_of_a_single_split_is_held_out_from_too(moving_mnist):
    pipeline = multimodal_pipeline(clip_config(), f"{moving_mnist}:test[2:7]")
    assert [pipeline.num_examples(split) for split in pipeline.splits] == [4, 1]
    for split, names in (("train", {2, 3, 4, 5}), ("test", {6})):
        stored = pipeline.split(split).stored()
        (first, *_), count = list(stored), len(list(stored))
        assert count == len(names) and first["image_sequence"].shape == (20,)
    with pytest.raises(ZooError, match="at least 2 examples, to hold one out. Received: 1"):
        multimodal_pipeline(clip_config(), f"{moving_mnist}:test[2:3]").num_examples("train")
    with pytest.raises(ZooError, match="has no such part"):
        multimodal_pipeline(clip_config(), f"{moving_mnist}:test[:x]").num_examples("train")


def test_videos_that_are_too_short_for_clips_are_named(ucf101):
    config = clip_config(image_shape=(8, 32, 32, 3), num_classes=101)
    batches = multimodal_pipeline(config, ucf101).batches("train", 2)
    message = "videos of ucf101.* must have at least 8 frames each"
    with pytest.raises(ZooError, match=message), data_errors_named():
        list(batches)


def test_what_is_no_data_set_of_labelled_videos_is_an_error(moving_mnist):
    assert open_tfds_videos("videos/") is None
    for make in (
        video_pipeline,
        lambda *a: with_classes_of_the_data(CONFIG, video_pipeline(*a))[1],
    ):
        with pytest.raises(ZooError, match="must have labels.*data set 'moving_mnist'"):
            make(CONFIG, moving_mnist).num_examples("train")
    for name in ("mnist", "abstract_reasoning"):
        with pytest.raises(ZooError, match=f"one feature of type Video.*{name}' with .*, "):
            open_tfds_videos(f"tfds:{name}")
    kinds = pytest.importorskip("tensorflow_datasets").features
    features = kinds.FeaturesDict({"depth": kinds.Video((None, 4, 4, 1), dtype=np.uint16)})
    builder = types.SimpleNamespace(info=types.SimpleNamespace(features=features))
    with pytest.raises(ZooError, match="8 bits. Received: uint16 in 'deep'"):
        TfdsVideos(types.SimpleNamespace(name="deep", builder=builder))
    with mocked(2), pytest.raises(ZooError, match="3 outputs for the 101 classes"):
        video_pipeline(RATED, "ucf101").num_examples("train")
