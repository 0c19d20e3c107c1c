"""Clips with sound and without: read, trained on, served, predicted."""

import dataclasses
import io
import logging
import wave

import numpy as np
import pytest
import tensorflow as tf
from audio_video_examples import MEL, RAW, SERIES, TAGGER
from rich.console import Console

from zoo.audio_video.models import audio_video_model
from zoo.audio_video.pipeline import audio_video_pipeline
from zoo.audio_video.predict import predict_audio_video
from zoo.clips.codec import write_clip
from zoo.entry import Entry
from zoo.errors import ZooError
from zoo.serving.endpoints import endpoints_of, open_endpoints
from zoo.serving.saved_model import export

pytest.importorskip("av", reason="needs PyAV: pip install 'perceiver-tf[video]'")

NAMES = tuple("abcdefghij")
# Half a second, of which two frames are read.
CLIP = dataclasses.replace(RAW, num_audio_samples=4000, audio_patch=500, audio_max_resolution=8)


def small_entry(config):
    pipeline = audio_video_pipeline(config, "nowhere")
    pipeline.class_names = NAMES[: config.num_classes]
    model = audio_video_model(config)
    random = np.random.default_rng(5)
    model.set_weights([0.3 * random.normal(size=weight.shape) for weight in model.get_weights()])
    return Entry("small", config, model, pipeline)


@pytest.fixture(scope="module")
def entry():
    return small_entry(CLIP)


@pytest.fixture(scope="module")
def served(entry):
    return endpoints_of(entry)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips by class: dark ones with a tone, light ones, of which one has no sound."""
    folder = tmp_path_factory.mktemp("clips")
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    for split in ("train", "test"):
        for number, (name, level) in enumerate((("dark", 40), ("dark", 60), ("light", 200))):
            video = np.full((8, 48, 56, 3), level, "uint8")
            sound = (tone, 8000) if name == "dark" else ()
            write_clip(folder / split / name / f"{number}.mp4", video, 8.0, *sound)
    return folder


def raw_clip(random, lengths=(4000, 3000)):
    return {
        "video": random.integers(0, 255, (2, 2, 30, 41, 3)).astype("uint8"),
        "audio": random.uniform(-1, 1, (2, 4000)).astype("float32"),
        "num_samples": np.array(lengths, "int32"),
    }


def test_a_clip_without_sound_is_masked_and_counted(folder, caplog):
    with caplog.at_level(logging.WARNING, logger="zoo"):
        changes = {"video_dropout": 0.99, "max_speed_change": 0.15, "max_noise": 0.1}
        config = dataclasses.replace(CLIP, num_classes=2, **changes)
        pipeline = audio_video_pipeline(config, folder)
        assert pipeline.num_examples("train") == 3
    assert "1 of 3 clips have no sound track: their sound is masked" in caplog.text
    assert pipeline.class_names == ("dark", "light")
    for training in (False, True):
        inputs, targets = next(iter(pipeline.batches("train", 3, training=training)))
        is_light = np.argmax(targets, -1) == 1
        np.testing.assert_array_equal(np.any(inputs["audio_mask"], 1), ~is_light)
        assert np.all(inputs["video_mask"][is_light.argmax()])  # all it has, so not dropped
        light = np.mean(inputs["video"], axis=(1, 2, 3, 4)) > 0.5
        np.testing.assert_array_equal(light, is_light)


def test_a_model_of_video_alone_needs_no_sound(folder, caplog):
    config = dataclasses.replace(CLIP, num_classes=2, streams=("video",))
    with caplog.at_level(logging.WARNING, logger="zoo"):
        assert audio_video_pipeline(config, folder).num_examples("train") == 3
    assert "no sound track" not in caplog.text
    deaf = dataclasses.replace(CLIP, num_classes=2, streams=("audio",))
    with pytest.raises(ZooError, match="1 of 3 clips without a sound track"):
        audio_video_pipeline(deaf, folder).num_examples("train")


def test_clips_that_cannot_be_read_are_named_or_left_out(folder, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no clip")
    lines = [f"{folder}/train/dark/0.mp4\tdark;loud", f"{folder}/train/light/2.mp4\tlight"]
    (tmp_path / "list.txt").write_text("\n".join([*lines, f"{tmp_path}/broken.mp4\tdark"]))
    with pytest.raises(ZooError, match="broken.mp4 cannot be read as a clip"):
        audio_video_pipeline(TAGGER, tmp_path / "list.txt").num_examples("train")
    config = dataclasses.replace(TAGGER, num_classes=3)
    pipeline = audio_video_pipeline(config, tmp_path / "list.txt", skip_corrupt=True)
    assert sum(pipeline.num_examples(split) for split in pipeline.splits) == 2
    assert len(pipeline.skipped) == 1 and pipeline.class_names == ("dark", "light", "loud")
    rows = [y for split in pipeline.splits for _, y in pipeline.batches(split, 1)]
    assert sorted(np.concatenate(rows).tolist()) == [[0, 1, 0], [1, 0, 1]]
    (tmp_path / "list.txt").write_text(f"{folder}/train/dark/0.mp4\n")
    with pytest.raises(ZooError, match="must have a class. Received: .*0.mp4 without one"):
        audio_video_pipeline(config, tmp_path / "list.txt").num_examples("train")


def test_digits_and_their_names_come_together(tmp_path):
    labels = np.arange(20) % 10
    images = np.zeros((20, 28, 28), "uint8")
    images[:, 8:20, 10:18] = 100 + labels[:, None, None]
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(tmp_path / "mnist.npz", **arrays)
    (tmp_path / "fsdd").mkdir()
    for digit in range(10):
        for number in (0, 5, 8):
            with wave.open(str(tmp_path / "fsdd" / f"{digit}_jo_{number}.wav"), "wb") as sound:
                sound.setparams((1, 2, 8000, 0, "NONE", ""))
                sound.writeframes(np.full(90, 1000 * (digit + 1), "<i2").tobytes())
    config = dataclasses.replace(MEL, num_audio_samples=96)
    for config in (RAW, MEL):
        pipeline = audio_video_pipeline(config, f"{tmp_path}/mnist.npz+{tmp_path}/fsdd")
        assert set(pipeline.splits) == {"train", "validation", "test"}
        for training in (False, True):
            inputs, targets = next(iter(pipeline.batches("train", 6, training=training)))
            seen = np.max(inputs["video"], axis=(1, 2, 3, 4)) * 255 - 100
            np.testing.assert_allclose(seen, np.argmax(targets, -1), atol=1e-3)
            assert inputs["audio"].shape == (6, *config.audio_shape)


def test_served_scores_are_those_of_the_model(entry, served, random):
    clip = raw_clip(random)
    outputs = served["classify_audio_video"](**clip)
    preprocess = entry.pipeline.preprocess
    inputs = preprocess.video(tf.constant(clip["video"]))
    sounds = [preprocess.audio(clip["audio"][i, :n, None]) for i, n in enumerate((4000, 3000))]
    inputs |= {name: tf.stack([sound[name] for sound in sounds]) for name in sounds[0]}
    scores = tf.nn.softmax(entry.model(inputs)).numpy()
    np.testing.assert_allclose(outputs["scores"], scores, atol=1e-5)
    labels = [name.decode() for name in outputs["label"].numpy()]
    assert labels == [NAMES[i] for i in scores.argmax(-1)]
    again = served["serving_default"](**clip)["scores"]
    np.testing.assert_array_equal(again, outputs["scores"])
    # What follows the end of a sound does not count.
    clip["audio"][1, 3000:] = 7.0
    np.testing.assert_array_equal(served["serving_default"](**clip)["scores"], again)


def test_either_stream_may_be_left_out(served, random):
    clip = raw_clip(random)
    both = served["classify_audio_video"](**clip)["scores"].numpy()
    video = served["classify_video_only"](video=clip["video"])["scores"].numpy()
    sound = {name: clip[name] for name in ("audio", "num_samples")}
    audio = served["classify_audio_only"](**sound)["scores"].numpy()
    assert np.abs(both - video).max() > 1e-3 and np.abs(both - audio).max() > 1e-3
    # A length of 0 says that one clip of a batch has no sound.
    mixed = served["classify_audio_video"](**{**clip, "num_samples": [4000, 0]})["scores"]
    np.testing.assert_allclose(mixed, [both[0], video[1]], atol=1e-5)


def test_wrong_arrays_are_refused(served, random):
    clip = raw_clip(random)
    for lengths, least in (((4001, 5), 0), ((-1, 5), 0)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"must be from {least}"):
            served["classify_audio_video"](**{**clip, "num_samples": lengths})
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be from 1"):
        served["classify_audio_only"](audio=clip["audio"], num_samples=[0, 5])
    with pytest.raises(tf.errors.InvalidArgumentError, match="`video` must have 2 frames"):
        served["classify_video_only"](video=np.repeat(clip["video"], 2, axis=1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`video` must have 2 frames"):
        served["classify_video_only"](video=clip["video"][:, :0])


@pytest.mark.slow
def test_models_of_one_stream_and_of_several_channels_are_served(random):
    clip = raw_clip(random)
    blind = endpoints_of(small_entry(dataclasses.replace(CLIP, streams=("audio",))))
    assert "classify_video_only" not in blind
    sound = {name: clip[name] for name in ("audio", "num_samples")}
    assert blind["classify_audio_video"](**sound)["scores"].shape == (2, 10)
    deaf = endpoints_of(small_entry(dataclasses.replace(CLIP, streams=("video",))))
    assert deaf["classify_audio_video"](video=clip["video"])["scores"].shape == (2, 10)
    inertial = endpoints_of(small_entry(SERIES))
    series = {"audio": random.normal(size=(2, 9, 2)), "num_samples": [9, 4]}
    depth = clip["video"][..., :1]
    assert inertial["classify_audio_video"](video=depth, **series)["scores"].shape == (2, 3)
    with pytest.raises(ZooError, match="call its endpoints with arrays .* 2 channels"):
        predict_audio_video(inertial, ["a.mp4"], out=None, console=Console(file=io.StringIO()))
    tagger = endpoints_of(small_entry(TAGGER))
    clip = {"video": clip["video"], "audio": clip["audio"][:, :80], "num_samples": [80, 80]}
    scores = tagger["tag_audio_video"](**clip)["scores"].numpy()
    assert np.abs(scores.sum(-1) - 1).max() > 0.1


@pytest.mark.slow
def test_saved_model_gives_the_same_without_this_code(entry, served, random, tmp_path):
    path = export(entry, tmp_path / "served")
    loaded = tf.saved_model.load(str(path))
    clip = {name: tf.constant(x) for name, x in raw_clip(random).items()}
    for signature, names in (
        ("classify_audio_video", ("video", "audio", "num_samples")),
        ("classify_video_only", ("video",)),
        ("classify_audio_only", ("audio", "num_samples")),
    ):
        given = {name: clip[name] for name in names}
        expected = served[signature](**given)
        outputs = loaded.signatures[signature](**given)
        np.testing.assert_allclose(outputs["scores"], expected["scores"], atol=1e-6)
        np.testing.assert_array_equal(outputs["label"], expected["label"])
    ready = open_endpoints(path)
    assert ready.task.signature == "classify_audio_video"
    form = {name: x.numpy().item() for name, x in ready.endpoints["clip_format"]().items()}
    assert form["num_audio_samples"] == 4000 and form["sees_video"] and form["sees_audio"]


def predicted(served, items, **settings):
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    report = predict_audio_video(served, items, out=None, console=console, **settings)
    return report, stream.getvalue()


def test_files_are_predicted_and_those_without_sound_said(served, folder, tmp_path):
    with_sound, without = f"{folder}/test/dark/0.mp4", f"{folder}/test/light/2.mp4"
    report, text = predicted(served, [with_sound, without], top=2)
    assert [p["file"] for p in report["predictions"]] == [with_sound, without]
    assert len(report["predictions"][0]["top"]) == 2
    assert report["without_sound"] == [without]
    assert f"No sound track, scored by video alone: {without}" in text
    report, text = predicted(served, [with_sound])
    assert report["without_sound"] == [] and "No sound track" not in text
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    with pytest.raises(ZooError, match="broken.mp4: cannot be read as a clip: Invalid"):
        predicted(served, [str(broken), with_sound])
    report, text = predicted(served, [str(broken), with_sound], skip_corrupt=True)
    assert len(report["predictions"]) == 1 and len(report["skipped"]) == 1
    with pytest.raises(ZooError, match="`--out` must be left out"):
        predict_audio_video(served, [with_sound], out=tmp_path, console=Console())
    blind = endpoints_of(small_entry(dataclasses.replace(CLIP, streams=("audio",))))
    with pytest.raises(ZooError, match="no sound track, and the model reads sound alone"):
        predicted(blind, [without])


def test_short_clips_are_padded_and_the_padding_does_not_count(tmp_path, entry):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(1700) / 8000)
    for name, num_frames, samples in (("dark", 4, 1700), ("light", 1, 700)):
        video = np.full((num_frames, 48, 56, 3), 200 if name == "light" else 40, "uint8")
        write_clip(tmp_path / "train" / name / "a.mp4", video, 8.0, tone[:samples], 8000)
    config = dataclasses.replace(CLIP, num_classes=2)
    pipeline = audio_video_pipeline(config, tmp_path)
    (inputs, targets) = next(iter(pipeline.batches("train", 2, training=False)))
    dark, light = np.argsort(np.argmax(targets, -1))
    # One frame in 4 patches each; 8 rows of 500 samples: codecs may add some to a sound.
    np.testing.assert_array_equal(inputs["video_mask"][dark], [True] * 8)
    np.testing.assert_array_equal(inputs["video_mask"][light], [True] * 4 + [False] * 4)
    assert 4 <= np.sum(inputs["audio_mask"][dark]) <= 6
    assert 2 <= np.sum(inputs["audio_mask"][light]) <= 4
    assert np.all(np.diff(inputs["audio_mask"].numpy().astype(int)) <= 0)  # padding is behind
    served = endpoints_of(Entry("small", config, audio_video_model(config), pipeline))
    out = io.StringIO()
    files = [str(tmp_path / "train" / name / "a.mp4") for name in ("dark", "light")]
    report = predict_audio_video(served, files, out=None, console=Console(file=out), top=2)
    assert [row["file"] for row in report["predictions"]] == files and not report["skipped"]
    alone = predict_audio_video(served, files[1:], out=None, console=Console(file=out), top=2)
    assert alone["predictions"][0]["score"] == pytest.approx(report["predictions"][1]["score"])


def test_a_video_that_ends_early_is_not_one_whose_last_frame_stands(served, random):
    clip = raw_clip(random)
    one = {**clip, "video": clip["video"][:, :1]}
    repeated = {**clip, "video": np.repeat(one["video"], 2, axis=1)}
    short, long = (served["classify_audio_video"](**x)["scores"].numpy() for x in (one, repeated))
    assert np.abs(short - long).max() > 1e-6  # the second frame counts, if there is one
