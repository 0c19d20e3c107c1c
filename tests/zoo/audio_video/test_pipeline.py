"""Video with sound: its data, what is masked and dropped, its models at tiny size."""

import dataclasses
import logging
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from audio_video_examples import MEL, RAW, SERIES, TAGGER, inputs_of, overrides_of, write_arrays

import zoo
from zoo.audio.augment import at_speed, vary
from zoo.audio_video.models import audio_video_model
from zoo.audio_video.pipeline import audio_video_pipeline, with_classes_of_the_data, without_stream
from zoo.audio_video.preprocess import AudioVideoPreprocess, drop_streams
from zoo.configs import configuration
from zoo.entry import Entry
from zoo.errors import ZooError
from zoo.training.train import evaluate

UTD = pathlib.Path(__file__).parents[4] / "shared/data/video/utd_mhad"


@pytest.mark.parametrize("config", [RAW, MEL, SERIES], ids=["raw", "mel", "series"])
def test_logits_depend_on_both_streams_and_on_no_missing_one(random, config):
    model, inputs = audio_video_model(config), inputs_of(random, config)
    logits = np.asarray(model(inputs))
    assert logits.shape == (2, config.num_classes)
    for name in ("video", "audio"):
        changed = {**inputs, name: inputs[name][::-1]}
        assert np.abs(model(changed) - logits).max() > 1e-4
        missing = {f"{name}_mask": np.zeros_like(inputs[f"{name}_mask"])}
        without = np.asarray(model({**inputs, **missing}))
        assert np.abs(without - logits).max() > 1e-4
        np.testing.assert_array_equal(model({**changed, **missing}), without)


def test_a_model_of_one_stream_is_that_of_both_without_the_other(random):
    config = dataclasses.replace(RAW, patch_widening_factor=1)
    model, inputs = audio_video_model(config), inputs_of(random, config)
    weights = {weight.path: weight for weight in model.weights}
    for stream, other in (("video", "audio"), ("audio", "video")):
        alone = audio_video_model(dataclasses.replace(config, streams=(stream,)))
        for weight in alone.weights:
            weight.assign(weights[weight.path])
        masked = {**inputs, f"{other}_mask": np.zeros_like(inputs[f"{other}_mask"])}
        expected = alone({name: inputs[name] for name in (stream, f"{stream}_mask")})
        np.testing.assert_allclose(model(masked), expected, atol=1e-5)


def test_published_model_has_the_rows_of_the_paper():
    config = configuration("perceiver_audioset_audio_video")
    assert np.prod(config.grids["video"]) == 12_544 and config.grids["audio"] == (480,)
    assert config.row_channels == 487  # arXiv:2107.14795 table 13
    assert config.num_audio_samples / config.sample_rate == 32 / config.frame_rate
    assert (config.video_dropout, config.audio_dropout) == (0.3, 0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"streams": ("sound",)}, r"`streams` must be \('video', 'audio'\), or one of them"),
        ({"streams": ()}, "`streams` must be"),
        ({"image_patch": (3, 8, 8)}, "a divisor of `image_shape`"),
        ({"audio_patch": 100}, "a divisor of the 48 frames of the spectrogram"),
        ({"representation": "waveform", "audio_patch": 5}, "a divisor of the 6144 samples"),
        ({"num_audio_channels": 2}, "1 for spectrograms of sound"),
        ({"audio_scale": (1.0, 2.0)}, r"`audio_scale` must be \(\) or 1 numbers greater"),
        ({"video_dropout": 1.0}, r"`video_dropout` must be in \[0, 1\)"),
        ({"video_dropout": 0.6, "audio_dropout": 0.6}, "at most 1 together with `video_dropout`"),
        ({"highest_frequency": 5000.0}, "at most half the sample rate"),
        ({"mel_window": 1024}, "at most `fft_length`=512"),
        ({"num_image_bands": 0}, "`num_image_bands` must be an integer of at least 1"),
        ({"image_shape": (16, 32, 32)}, "with 1 or 3 channels"),
        ({"max_speed_change": 0.7}, r"must be in \[0, 0.5\]"),
        ({"max_image_shift": -1}, "an integer of at least 0"),
    ],
)
def test_wrong_settings_are_one_clear_line(changes, message):
    with pytest.raises(ZooError, match=message):
        configuration("perceiver_audio_video_digits", **changes)


def test_samples_are_scaled_and_padding_is_masked():
    preprocess = AudioVideoPreprocess(SERIES)
    samples = np.stack([np.arange(1, 6), 10.0 * np.arange(1, 6)], axis=1).astype("float32")
    inputs = preprocess.audio(tf.constant(samples))
    np.testing.assert_array_equal(inputs["audio_mask"], [True, True, False, False])
    np.testing.assert_allclose(inputs["audio"][:5], np.arange(1, 6)[:, None].repeat(2, 1))
    assert not np.any(inputs["audio"][5:])
    longer = np.arange(16, dtype="float32")[:, None].repeat(2, 1)
    inputs = preprocess.audio(tf.constant(longer))
    np.testing.assert_allclose(inputs["audio"][:, 0], np.arange(2, 14))
    assert np.all(inputs["audio_mask"])
    assert not np.any(preprocess.audio(tf.zeros((0, 2)))["audio_mask"])
    # Loudness is taken away from sound, but silence stays silent.
    sound = AudioVideoPreprocess(RAW).audio(tf.constant([[0.5], [-0.5]] * 10))
    np.testing.assert_allclose(np.abs(sound["audio"][:20]), 1.0, atol=1e-6)
    np.testing.assert_array_equal(sound["audio_mask"], [True, True, False, False, False])
    assert not np.any(AudioVideoPreprocess(RAW).audio(tf.zeros((30, 1)))["audio"])


def test_a_sound_may_begin_anywhere_in_training_and_in_the_middle_else():
    preprocess = AudioVideoPreprocess(dataclasses.replace(SERIES, max_audio_shift=6))
    samples = tf.ones((4, 2))
    inputs = preprocess.audio(samples)
    np.testing.assert_array_equal(inputs["audio"][:, 0], 3 * [0] + 4 * [1] + 5 * [0])
    np.testing.assert_array_equal(inputs["audio_mask"], [False, True, True, False])
    begins = set()
    for number in range(40):
        inputs = preprocess.audio(samples, tf.constant([1, number]))
        (there,) = np.nonzero(inputs["audio"][:, 0])
        begins.add(there[0])
        rows = np.arange(there[0] // 3, there[-1] // 3 + 1)
        np.testing.assert_array_equal(np.flatnonzero(inputs["audio_mask"]), rows)
    assert begins == set(range(7))
    assert not np.any(preprocess.audio(tf.zeros((0, 2)))["audio_mask"])


def test_training_videos_are_moved_and_their_ends_repeated(random):
    video = random.integers(0, 255, (2, 24, 28, 1)).astype("uint8")
    preprocess = AudioVideoPreprocess(SERIES)
    moves = set()
    for number in range(20):
        moved = preprocess.training_video(tf.constant(video), tf.constant([2, number]))["video"]
        found = [
            (y, x)
            for y in range(-2, 3)
            for x in range(-2, 3)
            if np.allclose(
                moved[..., 0] * 255,
                video[:, np.clip(np.arange(24) + y, 0, 23)][
                    :, :, np.clip(np.arange(28) + x, 0, 27), 0
                ],
                atol=1e-3,
            )
        ]
        assert len(found) == 1
        moves.add(found[0])
    assert len(moves) > 5
    changes = {"max_image_shift": 0, "max_image_zoom": 0.3, "max_video_speed_change": 0.3}
    preprocess = AudioVideoPreprocess(dataclasses.replace(SERIES, **changes, flips=True))
    ramp = np.broadcast_to(10 * np.arange(24, dtype="uint8")[:, None, None], (2, 24, 28, 1))
    steps = []
    for number in range(10):
        moved = preprocess.training_video(tf.constant(ramp), tf.constant([2, number]))["video"]
        steps.append(float(moved[0, -1, 0, 0] - moved[0, 0, 0, 0]) * 255 / 230)
    assert min(steps) < 0.9 and max(steps) == pytest.approx(1.0)


def test_every_channel_gets_noise_and_speed_of_its_own_size():
    samples = np.stack([np.ones(600), np.full(600, 100.0)], axis=1).astype("float32")
    for number in range(5):
        key = tf.constant([1, number])
        noisy = vary(tf.constant(samples), key, 0.0, 0.1, flips_polarity=False)
        spread = np.std(noisy, axis=0)
        assert 0 < spread[0] < 0.11
        assert spread[1] / spread[0] == pytest.approx(100, rel=0.2)
    ramp = np.arange(100, dtype="float32")[:, None] * [1.0, 10.0]
    faster = at_speed(tf.constant(ramp, tf.float32), tf.constant(1.25))
    np.testing.assert_allclose(faster, 1.25 * np.arange(80)[:, None] * [1.0, 10.0], rtol=1e-5)


def test_training_sounds_differ_and_held_out_ones_do_not(tmp_path):
    config = dataclasses.replace(SERIES, max_gain=0.3)
    pipeline = audio_video_pipeline(config, write_arrays(tmp_path))
    first, second = (
        next(iter(pipeline.batches("train", 6, training=True, seed=seed)))[0] for seed in (0, 1)
    )
    assert np.abs(np.max(first["audio"]) - np.max(second["audio"])) > 1e-3
    first, second = (next(iter(pipeline.batches("test", 6, seed=seed)))[0] for seed in (0, 1))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_dropped_streams_are_masked_at_the_rates_and_never_both():
    masks = {"video_mask": tf.ones(4, tf.bool), "audio_mask": tf.constant([True, False])}
    counts = {"video": 0, "audio": 0}
    for number in range(400):
        dropped = drop_streams(masks, tf.constant([7, number]), 0.3, 0.2)
        there = {name: np.any(dropped[f"{name}_mask"]) for name in counts}
        assert there["video"] or there["audio"]
        for name in counts:
            counts[name] += not there[name]
            if there[name]:
                np.testing.assert_array_equal(dropped[f"{name}_mask"], masks[f"{name}_mask"])
    assert abs(counts["video"] / 400 - 0.3) < 0.07 and abs(counts["audio"] / 400 - 0.2) < 0.06
    alone = {**masks, "audio_mask": tf.zeros(2, tf.bool)}
    for number in range(20):
        assert np.all(drop_streams(alone, tf.constant([7, number]), 0.99, 0.0)["video_mask"])


def test_streams_are_dropped_in_training_alone_and_by_the_seed(tmp_path):
    config = dataclasses.replace(SERIES, video_dropout=0.5, audio_dropout=0.5)
    pipeline = audio_video_pipeline(config, write_arrays(tmp_path))

    def masks(split, **settings):
        inputs, _ = next(iter(pipeline.batches(split, 6, **settings)))
        return np.any(inputs["video_mask"], 1), np.any(inputs["audio_mask"], 1), inputs["audio"]

    video, audio, samples = masks("train", training=True, seed=3, epoch=2)
    assert np.all(video != audio) and video.any() and audio.any()
    for one, other in zip(
        masks("train", training=True, seed=3, epoch=2), (video, audio, samples), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    draws = [masks("train", training=True, seed=seed, epoch=2)[0] for seed in range(4, 9)]
    assert any(np.any(draw != video) for draw in draws)
    video, audio, _ = masks("test")
    assert video.all() and audio.all()


def test_video_series_and_class_belong_together(tmp_path):
    pipeline = audio_video_pipeline(SERIES, write_arrays(tmp_path))
    assert {split: pipeline.num_examples(split) for split in pipeline.splits} == {
        "train": 6,
        "test": 6,
    }
    assert pipeline.class_names == ("7", "8", "9")
    for split in pipeline.splits:
        for inputs, targets in pipeline.batches(split, 4):
            labels = np.argmax(targets, -1)
            pixels = np.max(inputs["video"], axis=(1, 2, 3, 4)) * 255
            np.testing.assert_allclose(pixels, 50 + 60 * labels, atol=1e-3)
            np.testing.assert_allclose(inputs["audio"][:, 4], np.outer(2 * labels - 2, [1, -1]))
    _, targets = next(iter(pipeline.batches("train", 6, training=True)))
    np.testing.assert_array_equal(np.sum(targets, 0), [2, 2, 2])


def test_a_split_may_be_given(tmp_path):
    source = write_arrays(tmp_path, subject=None, test=np.arange(12) == 5)
    pipeline = audio_video_pipeline(SERIES, source)
    inputs, targets = next(iter(pipeline.batches("test", 8)))
    np.testing.assert_array_equal(np.argmax(targets, -1), [2])
    assert np.sum(inputs["audio_mask"]) == 4  # 10 samples


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video": None}, "videos.npz must have an array 'video'. Received: action, subject"),
        ({"action": None}, "must have an array 'label' or 'action'"),
        ({"subject": None}, "must have an array 'test' or 'subject'"),
        ({"video": np.zeros((12, 2, 24, 28), "float32")}, "must be uint8 .* Received: float32"),
        ({"video": np.zeros((12, 1, 24, 28), "uint8")}, "must have 2 frames, as the model has"),
        ({"action": np.arange(11)}, "one integer for each of the 12 videos. Received: int64"),
        ({"subject": np.full(12, 2)}, "no videos to train on"),
        ({"x": np.zeros((3, 2), "float32")}, "`offsets` in .* must rise from 0 to the 3 samples"),
        ({"x": np.zeros((126, 3), "float32")}, r"must be float \(samples, 2\), as the model"),
        ({"x": np.full((126, 2), np.nan, "float32")}, "must be finite. Received: NaN"),
        ({"offsets": np.zeros(13, int)}, "`offsets` in .* must rise"),
    ],
)
def test_arrays_that_do_not_fit_are_one_clear_line(tmp_path, changes, message):
    pipeline = audio_video_pipeline(SERIES, write_arrays(tmp_path, **changes))
    with pytest.raises(ZooError, match=message) as caught:
        pipeline.num_examples("train")
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_are_one_clear_line(tmp_path):
    (tmp_path / "text.npz").write_text("no arrays")
    for source, message in (
        (f"{tmp_path}/none.npz+{tmp_path}/none.npz", "none.npz cannot .*: no such file"),
        (f"{tmp_path}/text.npz+{tmp_path}/none.npz", "text.npz cannot be read as a .npz file"),
        (f"{tmp_path}/none", "There is no such folder or list of clips"),
    ):
        with pytest.raises(ZooError, match=message):
            audio_video_pipeline(SERIES, source).num_examples("train")


def test_classes_come_from_the_data(tmp_path):
    config = dataclasses.replace(SERIES, num_classes=5)
    pipeline = audio_video_pipeline(config, write_arrays(tmp_path))
    _, targets = next(iter(pipeline.batches("train", 6)))
    assert targets.shape == (6, 5) and pipeline.class_names is None
    config, pipeline = with_classes_of_the_data(config, pipeline)
    assert config.num_classes == 3 and pipeline.class_names == ("7", "8", "9")
    few = audio_video_pipeline(dataclasses.replace(config, num_classes=2), pipeline.source_spec)
    with pytest.raises(ZooError, match="2 outputs for the 3 classes"):
        few.num_examples("train")


def test_a_model_is_measured_with_and_without_each_stream(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    pipeline = audio_video_pipeline(SERIES, write_arrays(tmp_path))
    entry = Entry("small", SERIES, audio_video_model(SERIES), pipeline)
    figures = evaluate(entry, "test", batch_size=4)
    assert figures["num_examples"] == 6
    for name, stream in (
        ("accuracy", None),
        ("accuracy_without_audio", "audio"),
        ("accuracy_without_video", "video"),
    ):
        (inputs, targets) = next(iter(pipeline.batches("test", 6)))
        if stream is not None:
            inputs = {**inputs, f"{stream}_mask": tf.zeros_like(inputs[f"{stream}_mask"])}
        best = np.argmax(entry.model(inputs), -1)
        assert figures[name] == pytest.approx(np.mean(best == np.argmax(targets, -1)))


def test_what_an_example_has_alone_is_not_taken_away():
    masked = without_stream(RAW)
    inputs = {
        "video_mask": tf.constant([[True, True], [True, True]]),
        "audio_mask": tf.constant([[False], [True]]),
    }
    np.testing.assert_array_equal(
        masked["without_video"](inputs)["video_mask"], [[True, True], [False, False]]
    )
    assert not np.any(masked["without_audio"](inputs)["audio_mask"])
    assert without_stream(dataclasses.replace(RAW, streams=("video",))) == {}


def test_a_model_of_one_stream_gets_no_other(tmp_path):
    config = dataclasses.replace(SERIES, streams=("audio",))
    inputs, _ = next(iter(audio_video_pipeline(config, write_arrays(tmp_path)).batches("test", 2)))
    assert set(inputs) == {"audio", "audio_mask"} == set(audio_video_model(config).input)


@pytest.mark.slow
def test_a_small_run_learns_from_either_stream(tmp_path):
    source = write_arrays(tmp_path, num_videos=120, subject=1 + np.arange(120) // 3 % 2)
    result = zoo.train(
        "perceiver_utd_depth_inertial",
        data=source,
        out=tmp_path / "run",
        overrides=overrides_of(SERIES) | {"audio_dropout": 0.3, "recipe": "audio_video_actions"},
        epochs=6,
        batch_size=4,
        learning_rate=1e-2,
        label_smoothing=0.0,
    )
    assert set(result.test_figures) == {
        "loss",
        "accuracy",
        "accuracy_without_audio",
        "accuracy_without_video",
    }
    assert result.test_figures["accuracy"] > 0.9
    assert result.test_figures["accuracy_without_video"] > 0.9


@pytest.mark.skipif(not UTD.is_dir(), reason="needs ../shared/data/video/utd_mhad")
def test_the_actions_of_utd_mhad_are_read():
    pipeline = audio_video_pipeline(
        configuration("perceiver_utd_depth_inertial"),
        f"{UTD}/depth16x48x48_crop.npz+{UTD}/inertial.npz",
    )
    assert {split: pipeline.num_examples(split) for split in pipeline.splits} == {
        "train": 431,
        "test": 430,
    }
    inputs, _ = next(iter(pipeline.batches("train", 64, training=True)))
    assert inputs["video"].shape == (64, 16, 24, 24, 2)
    assert 0.3 < np.std(inputs["audio"]) < 3


def test_a_tagger_has_a_logit_for_each_label(random):
    assert audio_video_model(TAGGER)(inputs_of(random, TAGGER)).shape == (2, 10)
