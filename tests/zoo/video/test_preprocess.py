"""From frames to windows: which frames, where they are cut, how they are varied."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from video_examples import RATED, WHOLE, greys_of, numbered

from zoo.video.augment import mirrored, random_crop, recoloured
from zoo.video.preprocess import VideoPreprocess

KEY = tf.constant([3, 4], tf.int32)


def shown(inputs):
    """Which frames of `numbered` the windows hold, -1 for padding."""
    frames = np.round((greys_of(inputs["video"]) + 1) / 2 * 25.5).astype(int)
    return np.where(inputs["mask"], frames, -1).tolist()


@pytest.mark.parametrize(
    ("count", "num_windows", "expected"),
    [
        (1, 2, [[0, -1, -1, -1], [-1] * 4]),
        (3, 2, [[0, 1, 2, -1], [-1] * 4]),
        (4, 2, [[0, 1, 2, 3], [-1] * 4]),
        (5, 2, [[0, 1, 2, 3], [1, 2, 3, 4]]),
        (12, 3, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]),
        (20, 1, [[8, 9, 10, 11]]),
    ],
)
def test_windows_at_a_rate_are_evenly_spread(count, num_windows, expected):
    preprocess = VideoPreprocess(dataclasses.replace(RATED, num_windows=num_windows))
    assert shown(preprocess(tf.constant(numbered(count)))) == expected


@pytest.mark.parametrize(
    ("count", "num_windows", "expected"),
    [
        (1, 1, [[0, -1, -1, -1]]),
        (4, 1, [[0, 1, 2, 3]]),
        (12, 1, [[1, 4, 7, 10]]),
        (3, 2, [[0, 1, 2, -1], [-1] * 4]),
        (8, 2, [[0, 2, 4, 6], [1, 3, 5, 7]]),
        (16, 2, [[1, 5, 9, 13], [3, 7, 11, 15]]),
    ],
)
def test_windows_of_whole_videos_lie_between_one_another(count, num_windows, expected):
    preprocess = VideoPreprocess(dataclasses.replace(WHOLE, num_windows=num_windows))
    assert shown(preprocess(tf.constant(numbered(count)))) == expected


def test_windows_have_the_signature_that_is_told():
    for config in (RATED, WHOLE):
        preprocess = VideoPreprocess(config)
        inputs = preprocess(tf.constant(numbered(7)))
        for name, spec in preprocess.signature.items():
            assert spec.is_compatible_with(inputs[name])


def test_frames_are_scaled_cut_to_the_middle_and_made_grey(random):
    video = random.integers(0, 256, (4, 6, 15, 3), dtype=np.uint8)
    found = VideoPreprocess(RATED)(tf.constant(video))["video"][0]
    np.testing.assert_allclose(found, video[:, :, 3:12] / 127.5 - 1, atol=1e-6)
    grey = VideoPreprocess(WHOLE)(tf.constant(video))["video"][0, ..., 0]
    expected = video[:, :, 3:12] @ [0.299, 0.587, 0.114] / 127.5 - 1
    np.testing.assert_allclose(grey, expected, atol=1e-5)
    colour = VideoPreprocess(RATED)(tf.constant(video[..., :1]))["video"][0]
    np.testing.assert_allclose(
        colour, np.repeat(video[:, :, 3:12, :1], 3, -1) / 127.5 - 1, atol=1e-6
    )


def drawn(config, count, number):
    preprocess = VideoPreprocess(config)
    return preprocess.training(tf.constant(numbered(count)), KEY + number)


def test_training_windows_at_a_rate_are_anywhere():
    windows = [shown(drawn(RATED, 7, number))[0] for number in range(40)]
    assert {window[0] for window in windows} == {0, 1, 2, 3}
    assert all(window == list(range(window[0], window[0] + 4)) for window in windows)
    assert shown(drawn(RATED, 7, 5)) == shown(drawn(RATED, 7, 5))
    assert shown(drawn(RATED, 3, 0)) == [[0, 1, 2, -1]]


def test_training_windows_vary_their_speed():
    config = dataclasses.replace(RATED, max_speed_change=0.5)
    spans = {np.ptp(shown(drawn(config, 20, number))[0]) for number in range(40)}
    assert spans == {1, 2, 3, 4}


def test_training_windows_of_whole_videos_rise_and_leave_little_out():
    config = dataclasses.replace(WHOLE, max_speed_change=0.25)
    windows = np.array([shown(drawn(config, 16, number))[0] for number in range(60)])
    assert (np.diff(windows) >= 0).all() and len({tuple(window) for window in windows}) > 20
    assert windows[:, 0].max() <= 6 and windows[:, -1].min() >= 9
    assert windows.min() == 0 and windows.max() == 15
    assert shown(drawn(config, 3, 0)) == [[0, 1, 2, -1]]


def test_the_whole_window_is_the_picture(random):
    video = random.uniform(0, 255, (2, 6, 15, 3)).astype("float32")
    for number in range(9):
        crop = random_crop(tf.constant(video), (6, 9, 3), (1.0, 1.0), 1.0, KEY + number).numpy()
        begin = np.argmin([np.abs(crop - video[:, :, x : x + 9]).mean() for x in range(7)])
        difference = np.abs(crop - video[:, :, begin : begin + 9]).mean()
        assert difference < 60, difference  # between two places at most
    square = random_crop(tf.constant(video[:, :, :9]), (6, 9, 3), (1.0, 1.0), 1.0, KEY)
    np.testing.assert_allclose(square, video[:, :, :9], atol=1e-2)
    large = random_crop(tf.constant(video[:, :, :9]), (12, 18, 3), (1.0, 1.0), 1.0, KEY)
    np.testing.assert_allclose(large[:, 0, 0], video[:, 0, 0], atol=1e-2)  # no black border


def test_crops_are_where_a_ramp_says():
    """Pixels whose value is their own place: the crop's corners tell its place and size."""
    places = np.stack(np.meshgrid(np.arange(40) + 0.5, np.arange(60) + 0.5, indexing="ij"), -1)
    frames = tf.constant(np.pad(places, [(0, 0), (0, 0), (0, 1)])[None].repeat(2, 0), tf.float32)
    areas, ratios, begins = [], [], []
    for number in range(60):
        crop = random_crop(frames, (8, 12, 3), (0.25, 0.8), 1.5, KEY + number).numpy()
        np.testing.assert_array_equal(crop[0], crop[1])
        height, width = (crop[0, -1, -1, :2] - crop[0, 0, 0, :2]) * (8 / 7, 12 / 11)
        areas.append(height * width / 2400)
        ratios.append(width / height / 1.5)
        begins.append(crop[0, 0, 0, :2] - (height / 16, width / 24))
    assert 0.24 < min(areas) < 0.35 and 0.7 < max(areas) < 0.81
    assert 0.65 < min(ratios) < 0.8 and 1.25 < max(ratios) < 1.52
    assert np.min(begins) > -0.02 and np.ptp(begins, axis=0).min() > 10


def test_crops_beyond_the_frames_have_black_borders():
    frames = tf.fill((1, 20, 20, 1), 100.0)
    crop = random_crop(frames, (20, 20, 1), (4.0, 4.0), 1.0, KEY).numpy()
    assert crop.sum() / 100 == pytest.approx(100, rel=0.25)  # a quarter of the area
    assert set(np.unique(crop)) == {0.0, 100.0}


def test_flips_and_colours_are_the_same_for_all_frames(random):
    video = random.uniform(60, 190, (3, 4, 5, 3)).astype("float32")
    flips = [mirrored(tf.constant(video), KEY + number).numpy() for number in range(30)]
    is_flipped = [(flip == video[:, :, ::-1]).all() for flip in flips]
    assert 5 < sum(is_flipped) < 25
    assert sum((flip == video).all() for flip in flips) == 30 - sum(is_flipped)
    changed = recoloured(tf.constant(video), KEY, 0.1, 0.3).numpy()
    slope, offset = np.polyfit(video.ravel(), changed.ravel(), 1)
    np.testing.assert_allclose(changed, slope * video + offset, atol=1e-2)
    assert 0.7 <= slope <= 1.3 and abs(slope - 1) > 1e-3
    assert abs(changed.mean() - video.mean()) <= 25.5
    assert recoloured(tf.constant(video), KEY, 1.0, 0.0).numpy().max() <= 255
