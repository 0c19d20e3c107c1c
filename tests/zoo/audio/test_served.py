"""Served models of sound: waveforms and WAV files in the graph, and what predict prints."""

import dataclasses
import io
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from audio_examples import MEL, RAW, TAGGER
from rich.console import Console

from zoo.audio.models import audio_model
from zoo.audio.predict import predict_sounds
from zoo.audio.preprocess import AudioPreprocess
from zoo.audio.resampling import resample
from zoo.audio.served import ServedAudioModel, ServedAudioTagger
from zoo.entry import Entry
from zoo.errors import ZooError
from zoo.serving.endpoints import open_endpoints
from zoo.serving.saved_model import export, graph_operations

NAMES = ("ant", "bee", "cow", "dog")
SAMPLES = pathlib.Path(__file__).parents[4] / "shared/data/audio/decoder_samples"


def served_model(config, served=ServedAudioModel):
    model = audio_model(config)
    random = np.random.default_rng(5)
    model.set_weights([0.3 * random.normal(size=weight.shape) for weight in model.get_weights()])
    return served(model, AudioPreprocess(config), NAMES)


@pytest.fixture(scope="module")
def raw():
    return served_model(RAW)


def callables(served):
    def by_keyword(function, specs):
        graph = tf.function(function, input_signature=specs, autograph=False)
        return lambda **tensors: graph(*(tensors[spec.name] for spec in specs))

    return {name: by_keyword(*endpoint) for name, endpoint in served.endpoints().items()}


def batch_of(sounds, rate=1000):
    length = max(map(len, sounds))
    return {
        "waveform": np.stack([np.pad(sound, (0, length - len(sound))) for sound in sounds]),
        "sample_rate": tf.constant(rate),
        "num_samples": np.array([len(sound) for sound in sounds], "int32"),
    }


def softmax_of(served, sound):
    inputs = served.preprocess(tf.constant(sound))
    logits = served.model({name: value[None] for name, value in inputs.items()})
    return tf.nn.softmax(logits)[0].numpy()


def test_sounds_of_several_lengths_are_scored_as_each_alone(raw, random):
    sounds = [random.normal(size=n).astype("float32") for n in (30, 96, 250)]
    outputs = callables(raw)["serving_default"](**batch_of(sounds))
    for scores, label, sound in zip(outputs["scores"], outputs["label"], sounds, strict=True):
        np.testing.assert_allclose(scores, softmax_of(raw, sound), atol=1e-5)
        assert label.numpy().decode() == NAMES[np.argmax(scores)]
    assert np.ptp(outputs["scores"].numpy(), axis=0).max() > 1e-3


def test_what_is_behind_a_sound_does_not_count(raw, random):
    sound = random.normal(size=30).astype("float32")
    endpoint = callables(raw)["classify_sound"]
    clean, dirty = (batch_of([sound, np.zeros(50, "float32")], 1700) for _ in range(2))
    dirty["waveform"][0, 30:] = 9.0
    np.testing.assert_array_equal(endpoint(**clean)["scores"][0], endpoint(**dirty)["scores"][0])


def test_another_sample_rate_is_resampled_in_the_graph(raw, random):
    sound = random.normal(size=190).astype("float32")
    outputs = callables(raw)["classify_sound"](**batch_of([sound], 2500))
    resampled = resample(tf.constant(sound), 2500, 1000).numpy()
    np.testing.assert_allclose(outputs["scores"][0], softmax_of(raw, resampled), atol=1e-5)


def test_wav_files_are_decoded_in_the_graph(raw, random):
    sounds = [random.uniform(-0.9, 0.9, (n, c)).astype("float32") for n, c in ((30, 1), (200, 2))]
    files = [tf.audio.encode_wav(sound, 2000) for sound in sounds]
    outputs = callables(raw)["classify_wav"](wav=tf.stack(files))
    for scores, file in zip(outputs["scores"], files, strict=True):
        samples = tf.audio.decode_wav(file)[0].numpy().mean(axis=1)
        expected = softmax_of(raw, resample(tf.constant(samples), 2000, 1000).numpy())
        np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_a_tagger_scores_each_label_by_itself(random):
    served = served_model(TAGGER, ServedAudioTagger)
    assert "tag_sound" in served.endpoints() and "classify_sound" not in served.endpoints()
    sound = random.normal(size=30).astype("float32")
    scores = callables(served)["tag_sound"](**batch_of([sound]))["scores"][0].numpy()
    softmax = softmax_of(served, sound)
    odds = np.log(scores / (1 - scores))
    np.testing.assert_allclose(odds - odds[0], np.log(softmax / softmax[0]), atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_samples": np.array([31], "int32")}, "`num_samples` must be from 1 to the length"),
        ({"num_samples": np.array([0], "int32")}, "`num_samples` must be from 1 to the length"),
        ({"sample_rate": tf.constant(0)}, "A sample rate must be at least 1"),
    ],
)
def test_bad_waveforms_are_a_clear_error_of_the_graph(raw, change, message):
    good = batch_of([np.ones(30, "float32")])
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        callables(raw)["classify_sound"](**{**good, **change})


def test_bad_wav_is_an_error_of_the_graph(raw):
    endpoint = callables(raw)["classify_wav"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="RIFF"):
        endpoint(wav=tf.constant(["no sound"]))
    empty = tf.audio.encode_wav(tf.zeros((0, 1)), 1000)
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least one sample"):
        endpoint(wav=empty[None])


class OfThisProcess:
    """Stands where a pipeline would: an export needs its preprocessing only."""

    def __init__(self, preprocess):
        self.preprocess = preprocess
        self.class_names = NAMES


LOADING = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("zoo", "perceiver_tf", "tensorflow_io", "soundfile"):
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
wav = tf.constant([open(sys.argv[2], "rb").read()])
np.save(sys.argv[3], loaded.signatures["classify_wav"](wav=wav)["scores"].numpy())
"""


@pytest.mark.slow
def test_an_export_needs_tensorflow_alone(tmp_path, random):
    pytest.importorskip("tensorflow_io")
    served = served_model(MEL)
    path = export(
        Entry("sounds", MEL, served.model, OfThisProcess(served.preprocess)), tmp_path / "served"
    )
    assert not [name for name in graph_operations(path) if "PyFunc" in name or "IO>" in name]
    wav = tf.audio.encode_wav(random.uniform(-0.9, 0.9, (333, 2)).astype("float32"), 1600)
    (tmp_path / "a.wav").write_bytes(wav.numpy())
    files = [str(path), str(tmp_path / "a.wav"), str(tmp_path / "scores.npy")]
    subprocess.run([sys.executable, "-c", LOADING, *files], check=True, capture_output=True)
    expected = callables(served)["classify_wav"](wav=wav[None])["scores"]
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, atol=1e-5)
    assert open_endpoints(path).task.predict is predict_sounds


def printed(served, items, **settings):
    console = Console(file=io.StringIO(), width=200)
    files = [str(item) for item in items]
    report = predict_sounds(callables(served), files, out=None, console=console, **settings)
    return report, console.file.getvalue()


@pytest.fixture
def files(tmp_path, random):
    """Sounds of two rates."""
    paths = [tmp_path / f"{i}.wav" for i in range(3)]
    for path, rate in zip(paths, (1000, 1000, 2000), strict=True):
        sound = random.uniform(-0.9, 0.9, (rate // 9, 1)).astype("float32")
        path.write_bytes(tf.audio.encode_wav(sound, rate).numpy())
    return paths


def test_predict_names_the_best_classes_of_files(raw, files):
    report, text = printed(raw, files, top=2)
    expected = callables(raw)["classify_wav"](wav=[path.read_bytes() for path in files])
    for prediction, path, scores in zip(
        report["predictions"], files, expected["scores"].numpy(), strict=True
    ):
        order = np.argsort(-scores)[:2]
        assert prediction["file"] == str(path) and path.name in text
        assert [best["label"] for best in prediction["top"]] == [NAMES[i] for i in order]
        assert prediction["score"] == pytest.approx(scores.max(), rel=1e-3)
    assert report["skipped"] == []


def test_predict_refuses_or_leaves_out_bad_files(raw, files, tmp_path):
    pytest.importorskip("soundfile")
    (tmp_path / "bad.mp3").write_text("no sound")
    items = [files[0], tmp_path / "bad.mp3", tmp_path / "gone.wav"]
    with pytest.raises(ZooError, match=r"^\S*bad.mp3: it is corrupt, .* Pass --skip-corrupt"):
        printed(raw, items)
    report, text = printed(raw, items, skip_corrupt=True)
    assert [prediction["file"] for prediction in report["predictions"]] == [str(files[0])]
    assert [item["reason"][:10] for item in report["skipped"]] == ["it is corr", "no such fi"]
    assert "Left out, as they could not be read: 2" in text
    with pytest.raises(ZooError, match="None of the files could be predicted"):
        printed(raw, items[1:], skip_corrupt=True)
    with pytest.raises(ZooError, match="`--out` must be left out for sounds"):
        predict_sounds({}, ["a"], out=tmp_path, console=Console(file=io.StringIO()))
    with pytest.raises(ZooError, match="`top` must be at least 1"):
        printed(raw, files, top=0)


def test_predict_leaves_out_what_cannot_be_resampled(raw, files, tmp_path):
    odd = tmp_path / "odd.wav"
    odd.write_bytes(tf.audio.encode_wav(tf.ones((50, 1)), 1000003).numpy())
    with pytest.raises(ZooError, match="odd.wav: 1000003 samples a second are not resampled"):
        printed(raw, [odd])
    report, _ = printed(raw, [files[0], odd], skip_corrupt=True)
    assert [item["file"] for item in report["skipped"]] == [str(odd)]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the sounds at ../shared/data/audio")
def test_predict_takes_real_files_of_all_kinds():
    pytest.importorskip("soundfile")
    served = served_model(dataclasses.replace(RAW, sample_rate=8000))
    names = ("pydub_test1.mp3", "pydub_test1-24bit.wav", "pydub_test-192khz-32bit.flac")
    items = [SAMPLES / name for name in (*names, "librosa_5703-47212-0000.ogg")]
    report, _ = printed(served, items)
    assert len(report["predictions"]) == 4
