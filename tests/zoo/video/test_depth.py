"""Depth video as a model sees it: where anything was measured, and how near it is."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from video_examples import WHOLE

from zoo.errors import ZooError
from zoo.video.depth import depth_channels, described_depth
from zoo.video.models import video_model
from zoo.video.preprocess import VideoPreprocess

DEPTH = dataclasses.replace(WHOLE, depth_range=20.0, crop_area=(0.8, 1.2), crop_aspect=1.1)


def body(random, distance=100):
    """Frames with something of about one distance in the middle, and nothing around."""
    frames = np.zeros((4, 6, 9, 1), "uint8")
    frames[:, 1:5, 2:7] = distance + random.integers(-15, 16, (4, 4, 5, 1))
    return frames


def described(frames, depth_range=20.0):
    return np.asarray(described_depth(depth_channels(tf.constant(frames), depth_range)))


def test_depth_is_what_was_measured_and_its_distance_from_the_mean(random):
    frames = body(random)
    measured, relative = np.moveaxis(described(frames), -1, 0)
    there = frames[..., 0] > 0
    np.testing.assert_allclose(measured, there, atol=1e-6)
    expected = (frames[..., 0] - frames[frames > 0].mean()) / 20.0
    np.testing.assert_allclose(relative[there], np.clip(expected[there], -1, 1), atol=1e-5)
    np.testing.assert_array_equal(relative[~there], 0.0)


def test_distances_beyond_the_range_count_as_its_ends():
    frames = np.full((1, 1, 4, 1), 100, "uint8")
    frames[0, 0, :2, 0] = 40, 160
    np.testing.assert_allclose(described(frames)[0, 0, :, 1], [-1, 1, 0, 0], atol=1e-6)


def test_how_far_away_somebody_stands_does_not_matter(random):
    frames = body(random)
    nearer = np.where(frames > 0, frames + 50, 0).astype("uint8")
    np.testing.assert_allclose(described(frames), described(nearer), atol=1e-5)


def test_videos_of_a_batch_have_means_of_their_own(random):
    frames = np.stack([body(random, 60), body(random, 180)])
    for one, expected in zip(described(frames), frames, strict=True):
        np.testing.assert_allclose(one, described(expected), atol=1e-5)


def test_nothing_measured_is_zero():
    np.testing.assert_array_equal(described(np.zeros((2, 3, 4, 1), "uint8")), 0.0)


def test_edges_of_resized_depth_are_no_distances():
    # Everything is at the mean: whatever share of a pixel it covers, it is neither near nor far,
    # but for what the bicubic filter overshoots.
    frames = np.zeros((4, 12, 18, 1), "uint8")
    frames[:, 3:10, 5:12] = 90
    video = np.asarray(VideoPreprocess(DEPTH)(tf.constant(frames))["video"])
    assert video.shape == (1, 4, 6, 9, 2)
    assert ((video[..., 0] > 0.05) & (video[..., 0] < 0.95)).any()
    np.testing.assert_allclose(video[..., 1], 0.0, atol=0.12)


def test_a_served_graph_takes_depth_of_any_size_and_as_grey_colours(random):
    preprocess = VideoPreprocess(DEPTH)
    spec = tf.TensorSpec((None, None, None, None), tf.uint8)
    graph = tf.function(preprocess, input_signature=[spec])
    frames = random.integers(0, 256, (7, 20, 31, 1), dtype="uint8")
    expected = preprocess(tf.constant(frames))["video"]
    for channels in (1, 3):
        video = graph(tf.constant(np.repeat(frames, channels, axis=-1)))["video"]
        np.testing.assert_allclose(video, expected, atol=1e-4)


def test_training_windows_hold_depth_as_those_of_evaluation(random):
    preprocess = VideoPreprocess(dataclasses.replace(DEPTH, crop_area=(1, 1), crop_aspect=1.0))
    frames = tf.constant(body(random))
    trained = preprocess.training(frames, tf.constant([3, 4], tf.int32))["video"]
    np.testing.assert_allclose(trained, preprocess(frames)["video"], atol=1e-4)
    moved = VideoPreprocess(DEPTH).training(frames, tf.constant([3, 4], tf.int32))["video"]
    assert moved.shape == trained.shape
    assert np.abs(moved - trained).max() > 0.1


def test_a_model_of_depth_takes_both_channels(random):
    inputs = VideoPreprocess(DEPTH)(tf.constant(body(random)))
    model = video_model(DEPTH)
    batch = {name: value[None] for name, value in inputs.items()}
    farther = {**batch, "video": batch["video"] * tf.constant([1.0, -1.0])}
    assert np.abs(model(batch) - model(farther)).max() > 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth_range": 0.0}, "`depth_range` must be None, or greater than 0"),
        ({"frame_shape": (6, 9, 3)}, "`depth_range` must be .* for 1 channel"),
        ({"max_contrast": 0.1}, "`max_contrast` must be 0 for depth"),
        ({"mix_up": 1.5}, r"`mix_up` must be in \[0, 1\]"),
    ],
)
def test_configurations_that_depth_cannot_have_are_refused(changes, message):
    with pytest.raises((ValueError, ZooError), match=message):
        dataclasses.replace(DEPTH, **changes)
