"""Sounds from files to batches: sample rates, labels, memory, bad files."""

import dataclasses
import logging

import numpy as np
import pytest
import tensorflow as tf
from audio_examples import RAW, TAGGER

from zoo.audio import sounds as audio_sounds
from zoo.audio.pipeline import AudioPipeline, audio_pipeline, with_classes_of_the_data
from zoo.data.manifests import LabelledFile
from zoo.errors import ZooError
from zoo.training.fit import data_errors_named


def write(path, samples, rate=1000):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.asarray(samples, "float32")
    samples = samples if samples.ndim == 2 else samples[:, None]
    tf.io.write_file(str(path), tf.audio.encode_wav(samples, rate))


@pytest.fixture
def folder(tmp_path, random):
    """Sounds of two classes and several lengths and rates, those of `b` at twice the rate."""
    for i in range(9):
        write(tmp_path / f"a_ann_{i}.wav", random.uniform(-0.5, 0.5, 40 + 20 * i))
        write(tmp_path / f"b_ann_{i}.wav", random.uniform(-0.5, 0.5, (90, 2)), 2000)
    return tmp_path


CONFIG = dataclasses.replace(RAW, num_classes=2)


def batch(pipeline, split, **settings):
    inputs, labels = next(iter(pipeline.batches(split, 20, **settings)))
    return {name: value.numpy() for name, value in inputs.items()}, labels.numpy()


def test_batches_have_windows_masks_and_labels(folder):
    pipeline = audio_pipeline(CONFIG, folder)
    assert pipeline.class_names is None
    assert pipeline.splits == ("train", "validation", "test")
    assert pipeline.class_names == ("a", "b")
    assert [pipeline.num_examples(split) for split in pipeline.splits] == [2, 6, 10]
    inputs, labels = batch(pipeline, "test")
    assert inputs["waveform"].shape == (10, 3, 96, 1) and inputs["mask"].shape == (10, 3, 8)
    np.testing.assert_array_equal(labels, [[1, 0]] * 5 + [[0, 1]] * 5)
    # 40 samples need 4 patches of 12; 120 samples are three windows.
    assert inputs["mask"].sum(axis=(1, 2)).tolist() == [4, 5, 7, 24, 24] + [4] * 5
    inputs, labels = batch(pipeline, "train", training=True)
    assert inputs["waveform"].shape == (2, 1, 96, 1) and inputs["mask"].shape == (2, 1, 8)


def test_other_rates_and_stereo_become_those_of_the_model(tmp_path):
    times = np.arange(190) / 2000
    tone = 0.5 * np.sin(2 * np.pi * 100 * times)
    write(tmp_path / "a_x_9.wav", np.stack([tone, np.zeros(190)], axis=1), 2000)
    pipeline = audio_pipeline(dataclasses.replace(CONFIG, num_windows=1), tmp_path)
    found = batch(pipeline, "train")[0]["waveform"][0, 0, :, 0]
    expected = np.sqrt(2) * np.sin(2 * np.pi * 100 * np.arange(95) / 1000)
    np.testing.assert_allclose(found[30:65], expected[30:65], atol=0.05)


def test_order_and_draws_depend_on_seed_and_epoch_alone(folder):
    pipeline = audio_pipeline(dataclasses.replace(CONFIG, max_noise=0.2), folder)

    def draw(**settings):
        return batch(pipeline, "test", training=True, **settings)[0]["waveform"]

    np.testing.assert_array_equal(draw(seed=1, epoch=2), draw(seed=1, epoch=2))
    assert (draw(seed=1, epoch=2) != draw(seed=1, epoch=3)).any()
    assert (draw(seed=1, epoch=2) != draw(seed=2, epoch=2)).any()


def test_sounds_that_do_not_fit_into_memory_are_the_same(folder, monkeypatch):
    kept = batch(audio_pipeline(CONFIG, folder), "test")
    monkeypatch.setattr(audio_sounds, "MEMORY_LIMIT", 1000)
    streamed = batch(audio_pipeline(CONFIG, folder), "test")
    for one, other in zip(kept, streamed, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize(("num_samples", "at_once"), [(400, 16), (900_000, 4)])
def test_long_sounds_are_not_read_many_at_a_time(tmp_path, monkeypatch, num_samples, at_once):
    monkeypatch.setattr(audio_sounds, "MEMORY_LIMIT", 1000)
    write(tmp_path / "a.wav", np.zeros(num_samples))
    sounds = audio_sounds.Sounds([LabelledFile(str(tmp_path / "a.wav"), (0,))] * 40, 1000)
    sizes = []

    def read_none(numbers):
        count = len(numbers)
        sizes.append(count)
        return np.zeros(0, "float32"), np.zeros(count, "int64"), np.full(count, b"", object)

    monkeypatch.setattr(sounds, "_read_all_of", read_none)
    places = tf.data.Dataset.range(40)
    assert len(list(sounds.fetch(tf.data.Dataset.zip((places, places))))) == 40
    assert max(sizes) == at_once


def test_a_tagger_gets_all_labels_of_a_sound(tmp_path, random):
    for name in "abc":
        write(tmp_path / f"{name}.wav", random.uniform(-0.5, 0.5, 300))
    rows = ["a.wav,dog;cat,0.05,0.1", "b.wav,,,", "c.wav,cow,,", "a.wav,cow,0.2,"]
    path = tmp_path / "sounds.csv"
    path.write_text("\n".join(["path,label,start,end,split", *(f"{row},train" for row in rows)]))
    config, pipeline = with_classes_of_the_data(TAGGER, AudioPipeline(TAGGER, path))
    assert config.num_classes == 3 and pipeline.class_names == ("cat", "cow", "dog")
    inputs, labels = batch(pipeline, "train")
    np.testing.assert_array_equal(labels, [[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 1, 0]])
    assert inputs["mask"].sum(axis=(1, 2)).tolist() == [5, 24, 24, 24]


def test_labels_must_fit_the_model(tmp_path, folder):
    with pytest.raises(ZooError, match="1 outputs for the 2 classes of"):
        audio_pipeline(dataclasses.replace(CONFIG, num_classes=1), folder).num_examples("train")
    path = tmp_path / "sounds.csv"
    path.write_text("path,label,split\na_ann_0.wav,a;b,train")
    with pytest.raises(
        ZooError, match="one label for a classifier.*Received: .*a_ann_0.wav with 2"
    ):
        audio_pipeline(CONFIG, path).num_examples("train")
    path.write_text("path,label,split\na_ann_0.wav,4,train")
    with pytest.raises(ZooError, match="one of the 4 classes 0, 1, 2, 3. Received: '4'"):
        audio_pipeline(RAW, path).num_examples("train")


def test_no_file_is_opened_before_it_is_needed(tmp_path):
    pipeline = audio_pipeline(CONFIG, tmp_path / "nothing")
    with pytest.raises(ZooError, match="nothing, not found"):
        pipeline.num_examples("train")


def spoil(folder):
    (folder / "b_ann_2.wav").write_bytes(b"RIFF no sound")
    write(folder / "a_ann_3.wav", np.zeros((0, 1)))


def test_bad_files_end_it_at_once_or_are_left_out_and_counted(folder, caplog):
    pytest.importorskip("soundfile")
    spoil(folder)
    with pytest.raises(ZooError, match="a_ann_3.wav: it has no samples. Leave .* --skip-corrupt"):
        audio_pipeline(CONFIG, folder).num_examples("train")
    with caplog.at_level(logging.WARNING, "zoo"):
        pipeline = audio_pipeline(CONFIG, folder, skip_corrupt=True)
        assert pipeline.num_examples("test") == 8
    assert len(pipeline.skipped) == 2 and "b_ann_2.wav" in pipeline.skipped[1]
    (line,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Left out")]
    assert line.startswith("Left out 2 of 10 sounds. Cannot read the sound")
    assert batch(pipeline, "test")[1].sum(axis=0).tolist() == [4, 4]


def test_bad_files_are_named_when_their_turn_comes(folder, monkeypatch):
    pytest.importorskip("soundfile")
    monkeypatch.setattr(audio_sounds, "MEMORY_LIMIT", 100)
    spoil(folder)
    pipeline = audio_pipeline(CONFIG, folder)
    match = "a_ann_3.wav: it has no samples"
    with pytest.raises(ZooError, match=match) as caught, data_errors_named():
        list(pipeline.batches("test", 2))
    assert "\n" not in str(caught.value)
    skipping = audio_pipeline(CONFIG, folder, skip_corrupt=True)
    assert sum(len(labels) for _, labels in skipping.batches("test", 3)) == 8


def test_nothing_but_bad_files_and_hardly_related_rates_are_named(tmp_path, random):
    write(tmp_path / "a_ann_9.wav", random.uniform(-0.5, 0.5, 50), 44099)
    config = dataclasses.replace(CONFIG, sample_rate=48000)
    with pytest.raises(ZooError, match="None of the .*44099 samples a second are not resampled"):
        audio_pipeline(config, tmp_path, skip_corrupt=True).num_examples("train")
