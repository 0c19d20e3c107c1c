"""Sounds of TensorFlow Datasets: decoded, resampled, labelled, in a stream."""

import dataclasses

import numpy as np
import pytest
from audio_examples import RAW
from tfds_examples import mocked

from zoo.audio.pipeline import audio_pipeline, with_classes_of_the_data
from zoo.audio.tfds import open_stored_sounds
from zoo.errors import ZooError

pytestmark = pytest.mark.filterwarnings("ignore")
CONFIG = dataclasses.replace(RAW, sample_rate=16000, num_classes=12)


def examples(dataset):
    inputs, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    names = inputs[0]
    return {n: np.concatenate([x[n] for x in inputs]) for n in names}, np.concatenate(labels)


def test_a_data_set_by_name_gives_sounds_and_labels():
    with mocked(5, ("train", "valid")):
        pipeline = audio_pipeline(CONFIG, "speech_commands")
        assert pipeline.splits == ("train", "validation")
        assert pipeline.num_examples("train") == 5
        assert pipeline.class_names[:2] == ("down", "go") and len(pipeline.class_names) == 12
        inputs, labels = examples(pipeline.batches("train", 2))
        stored = list(pipeline.split("train").stored().as_numpy_iterator())
    assert inputs["waveform"].shape == (5, 3, 96, 1)
    np.testing.assert_array_equal(labels.argmax(axis=1), [x["label"] for x in stored])
    np.testing.assert_array_equal(labels.sum(axis=1), 1)
    for waveform, example in zip(inputs["waveform"], stored, strict=True):
        sound = example["audio"].astype("float32") / 2**15
        start = (96 - len(sound)) // 2 if len(sound) < 96 and CONFIG.max_shift else 0
        window = np.zeros(96, "float32")
        window[start : start + len(sound)] = sound[:96]
        expected = window / np.sqrt(np.square(window).sum() / min(len(sound), 96))
        np.testing.assert_allclose(waveform[0, :, 0], expected, rtol=1e-4, atol=1e-5)


def test_a_stream_is_shuffled_shared_and_gone_on_with():
    with mocked(7):
        pipeline = audio_pipeline(CONFIG, "tfds:speech_commands")
        settings = {"training": True, "seed": 3, "epoch": 1}
        inputs, labels = examples(pipeline.batches("train", 2, **settings))
        again, _ = examples(pipeline.batches("train", 2, **settings))
        rest, rest_labels = examples(pipeline.batches("train", 2, **settings, start_step=2))
        part, _ = examples(pipeline.batches("train", 2, **settings, num_shards=2, shard=1))
        other, _ = examples(pipeline.batches("train", 2, training=True, seed=3, epoch=2))
    waveforms = inputs["waveform"]
    np.testing.assert_array_equal(again["waveform"], waveforms)
    np.testing.assert_array_equal(rest["waveform"], waveforms[4:])
    np.testing.assert_array_equal(rest_labels, labels[4:])
    np.testing.assert_array_equal(part["waveform"], waveforms[1::2])
    assert not np.array_equal(other["waveform"], waveforms)


def test_a_nested_label_and_another_rate():
    with mocked(2):
        config, pipeline = with_classes_of_the_data(RAW, audio_pipeline(RAW, "nsynth"))
        assert config.num_classes == 11 and pipeline.class_names[0] == "bass"
        inputs, labels = examples(pipeline.batches("test", 2))
        families = [
            x["instrument"]["family"] for x in pipeline.split("test").stored().as_numpy_iterator()
        ]
    assert inputs["mask"].all()  # 4 s at 1 kHz fill all three windows
    np.testing.assert_array_equal(labels.argmax(axis=1), families)


def test_what_is_no_data_set_of_sounds_is_an_error():
    assert open_stored_sounds("sounds/") is None
    with pytest.raises(ZooError, match="must have a feature 'audio' of type Audio"):
        open_stored_sounds("tfds:mnist")
    with mocked(2), pytest.raises(ZooError, match="4 outputs for the 12 classes"):
        audio_pipeline(RAW, "speech_commands").num_examples("train")
