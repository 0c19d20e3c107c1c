"""Depth video beside a sensor's series: what the model takes, motion, mixtures of both."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from audio_video_examples import SERIES, inputs_of, write_arrays

from zoo.audio.augment import turned
from zoo.audio_video.models import audio_video_model
from zoo.audio_video.pipeline import audio_video_pipeline
from zoo.audio_video.preprocess import AudioVideoPreprocess
from zoo.errors import ZooError
from zoo.video.depth import depth_channels, described_depth

KEY = tf.constant([3, 4], tf.int32)
DEPTH = dataclasses.replace(SERIES, depth_range=30.0, use_motion=True, max_image_shift=0)


def training_batch(config, source):
    batches = audio_video_pipeline(config, source).batches("train", 64, training=True, seed=3)
    return next(iter(batches))


def test_depth_of_the_models_size_is_described_as_it_is(random):
    frames = random.integers(0, 256, (3, *DEPTH.image_shape), dtype="uint8")
    inputs = AudioVideoPreprocess(DEPTH).video(tf.constant(frames))
    expected = described_depth(depth_channels(tf.constant(frames), 30.0))
    np.testing.assert_allclose(inputs["video"], expected, atol=1e-5)
    assert DEPTH.seen_shape == (2, 24, 28, 2)


def test_a_served_graph_takes_depth_of_any_size_and_as_grey_colours(random):
    preprocess = AudioVideoPreprocess(DEPTH)
    spec = tf.TensorSpec((None, None, None, None, None), tf.uint8)
    graph = tf.function(preprocess.video, input_signature=[spec])
    frames = random.integers(0, 256, (3, 2, 30, 50, 1), dtype="uint8")
    expected = preprocess.video(tf.constant(frames))["video"]
    for channels in (1, 3):
        video = graph(tf.constant(np.repeat(frames, channels, axis=-1)))["video"]
        np.testing.assert_allclose(video, expected, atol=1e-4)


def test_a_missing_video_of_depth_has_the_shape_of_one_that_is_there():
    preprocess = AudioVideoPreprocess(DEPTH)
    assert preprocess.missing("video", 5)["video"].shape == (5, *DEPTH.seen_shape)


@pytest.mark.parametrize("use_motion", [False, True])
def test_patches_hold_motion_beside_pixels(random, use_motion):
    config = dataclasses.replace(DEPTH, use_motion=use_motion)
    model = audio_video_model(config)
    width = 12 * 14 * 2 * (2 if use_motion else 1)
    assert model.get_layer("video_patches").output.shape[-1] == width
    assert model(inputs_of(random, config)).shape == (2, 3)


def test_both_streams_and_the_labels_are_mixed_by_one_share(tmp_path):
    source = write_arrays(tmp_path, num_videos=24, subject=np.ones(24, int))
    config = dataclasses.replace(
        SERIES,
        mix_up=1.0,
        video_dropout=0.0,
        audio_dropout=0.0,
        max_image_shift=0,
        max_speed_change=0.0,
        max_noise=0.0,
    )
    inputs, labels = training_batch(config, source)
    labels = np.asarray(labels)
    np.testing.assert_allclose(labels.sum(axis=1), 1.0, atol=1e-5)
    assert (np.max(labels, axis=1) < 0.95).sum() > 4
    pixels, samples = labels @ np.array([50, 110, 170]) / 255, labels @ np.array([-2.0, 0.0, 2.0])
    np.testing.assert_allclose(np.mean(inputs["video"], axis=(1, 2, 3, 4)), pixels, atol=1e-5)
    # Every series has at least 5 samples.
    np.testing.assert_allclose(np.mean(inputs["audio"][:, :5, 0], axis=1), samples, atol=1e-5)


def test_streams_are_dropped_after_they_are_mixed(tmp_path):
    source = write_arrays(tmp_path, num_videos=24, subject=np.ones(24, int))
    config = dataclasses.replace(SERIES, mix_up=1.0, video_dropout=0.5, audio_dropout=0.5)
    inputs, _ = training_batch(config, source)
    video, audio = (np.any(inputs[f"{name}_mask"], axis=1) for name in ("video", "audio"))
    # One of the two of each example is masked as a whole, though its mixture had both.
    np.testing.assert_array_equal(video, ~audio)
    assert 0 < video.sum() < len(video)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth_range": -1.0}, "`depth_range` must be None, or greater than 0"),
        ({"image_shape": (2, 24, 28, 3)}, "`depth_range` must be .* for 1 channel"),
        ({"mix_up": -0.1}, r"`mix_up` must be in \[0, 1\]"),
        ({"crop_area": (0.9, 0.5)}, "`crop_area` must be None or two numbers above 0"),
        ({"crop_aspect": 0.5}, "`crop_aspect` must be at least 1"),
        ({"max_video_shift": -1}, "`max_video_shift` must be an integer of at least 0"),
        ({"max_rotation": 20.0}, "`max_rotation` must be .* for channels in threes"),
    ],
)
def test_configurations_that_depth_cannot_have_are_refused(changes, message):
    with pytest.raises((ValueError, ZooError), match=message):
        dataclasses.replace(DEPTH, **changes)


def test_a_sensor_that_is_turned_measures_the_same_vectors(random):
    samples = random.normal(size=(50, 6)).astype("float32")
    turns = [np.asarray(turned(tf.constant(samples), key, 40.0)) for key in tf.random.split(KEY, 9)]
    for series in turns:
        first, second = (x.reshape(50, 2, 3) for x in (samples, series))
        # Lengths, and angles between accelerations and rates of rotation, are as they were.
        for a, b in ((0, 0), (0, 1), (1, 1)):
            expected = np.sum(first[:, a] * first[:, b], axis=1)
            np.testing.assert_allclose(
                np.sum(second[:, a] * second[:, b], axis=1), expected, atol=1e-4
            )
        rotation = np.linalg.lstsq(first[:, 0], second[:, 0], rcond=None)[0]
        assert np.linalg.det(rotation) == pytest.approx(1.0, abs=1e-4)
        angle = np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
        assert 0 <= angle <= 40.01
    assert np.abs(turns[0] - turns[1]).max() > 0.05


def test_training_crops_show_parts_of_the_video(random):
    """Without a change of size or aspect a crop is the whole, and otherwise it is not."""
    frames = tf.constant(random.integers(1, 256, DEPTH.image_shape, dtype="uint8"))
    whole = dataclasses.replace(DEPTH, crop_area=(1.0, 1.0), max_video_speed_change=0.0)
    expected = AudioVideoPreprocess(DEPTH).video(frames[None])
    inputs = AudioVideoPreprocess(whole).training_video(frames, KEY)
    np.testing.assert_allclose(inputs["video"], expected["video"][0], atol=1e-3)
    np.testing.assert_array_equal(inputs["video_mask"], expected["video_mask"][0])
    smaller = dataclasses.replace(whole, crop_area=(0.5, 0.6), crop_aspect=1.2)
    cropped = AudioVideoPreprocess(smaller).training_video(frames, KEY)["video"]
    assert cropped.shape == DEPTH.seen_shape
    assert np.abs(cropped - inputs["video"]).max() > 0.1


def test_videos_of_colour_are_cropped_too(random):
    config = dataclasses.replace(SERIES, image_shape=(2, 24, 28, 3), crop_area=(0.5, 1.0))
    frames = tf.constant(random.integers(0, 256, (2, 40, 50, 3), dtype="uint8"))
    video = AudioVideoPreprocess(config).training_video(frames, KEY)["video"]
    assert video.shape == config.image_shape
    assert 0 <= np.min(video) < np.max(video) <= 1
