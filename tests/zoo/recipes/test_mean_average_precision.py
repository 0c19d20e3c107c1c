"""Losses and metrics of sounds, and a tiny model that learns to tell tones apart."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from sklearn.metrics import average_precision_score

import zoo
from zoo.recipes.mean_average_precision import MeanAveragePrecision
from zoo.serving.endpoints import open_endpoints


def test_mean_average_precision_is_that_of_scikit_learn(random):
    logits = np.round(random.normal(size=(60, 4)) * 3, 2).astype("float32")
    labels = (random.uniform(size=(60, 4)) < [0.5, 0.1, 0.3, 0.0]).astype("float32")
    metric = MeanAveragePrecision(4)
    for start in range(0, 60, 25):
        metric.update_state(labels[start : start + 25], logits[start : start + 25])
    expected = average_precision_score(labels[:, :3], logits[:, :3])
    assert float(metric.result()) == pytest.approx(expected, abs=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0.0


def test_average_precision_of_perfect_and_of_tied_scores():
    labels = np.array([[1.0], [0.0], [0.0], [0.0]])
    metric = MeanAveragePrecision(1)
    metric.update_state(labels, np.array([[99.0], [-99.0], [0.0], [3.0]]))
    assert float(metric.result()) == 1.0
    metric.reset_state()
    metric.update_state(labels, np.zeros((4, 1)))
    assert float(metric.result()) == 0.25


def test_examples_of_no_weight_do_not_count(random):
    logits, labels = random.normal(size=(9, 2)), random.integers(0, 2, (9, 2)).astype("float32")
    weighted, alone = MeanAveragePrecision(2), MeanAveragePrecision(2)
    weighted.update_state(labels, logits, sample_weight=np.arange(9) < 5)
    alone.update_state(labels[:5], logits[:5])
    assert float(weighted.result()) == pytest.approx(float(alone.result()), abs=1e-6)
    rebuilt = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(weighted))
    assert rebuilt.num_classes == 2


SMALL = {
    "num_latents": 4,
    "latent_channels": 32,
    "num_self_attends_per_block": 1,
    "num_cross_attends": 1,
    "num_cross_attention_heads": 1,
    "cross_attention_qk_channels": 16,
    "cross_attention_v_channels": 32,
    "num_samples": 512,
    "audio_patch": 16,
    "max_resolution": (32,),
    "max_shift": 0,
    "dropout": 0.0,
}
QUIET = {"console": Console(file=io.StringIO()), "jit_compile": False}


def write_tones(folder, random, num_each, rows):
    """Tones of 300 and 1400 Hz, and where `rows` asks for it, of both."""
    times = np.arange(500) / 8000
    lines = ["path,label,split"]
    for i in range(num_each):
        for label, frequencies in rows.items():
            phases = random.uniform(0, 7, len(frequencies))
            tone = sum(
                0.3 * np.sin(2 * np.pi * f * times + p)
                for f, p in zip(frequencies, phases, strict=True)
            )
            sound = (tone + random.normal(0, 0.02, 500)).astype("float32")
            path = folder / f"{label.replace(';', '')}{i}.wav"
            tf.io.write_file(str(path), tf.audio.encode_wav(sound[:, None], 8000))
            lines.append(f"{path.name},{label},{'test' if i % 4 == 0 else 'train'}")
    (folder / "tones.csv").write_text("\n".join(lines))
    return folder / "tones.csv"


@pytest.mark.slow
def test_a_tiny_classifier_learns_tones_from_their_samples(tmp_path, random):
    data = write_tones(tmp_path, random, 60, {"low": [300], "high": [1400]})
    result = zoo.train(
        "perceiver_spoken_digits_raw",
        data=str(data),
        out=tmp_path / "run",
        overrides=SMALL,
        epochs=12,
        batch_size=16,
        **QUIET,
    )
    assert result.headline == "accuracy" and result.num_test_examples == 30
    assert result.test_figures["accuracy"] > 0.9
    wav = tf.constant([(tmp_path / "high0.wav").read_bytes()])
    served = open_endpoints(tmp_path / "run").endpoints["classify_wav"](wav=wav)
    assert served["label"].numpy()[0] == b"high"


@pytest.mark.slow
def test_a_tiny_tagger_learns_to_hear_two_tones_at_once(tmp_path, random):
    tones = {"low": [300], "high": [1400], "high;low": [300, 1400]}
    data = write_tones(tmp_path, random, 48, tones)
    result = zoo.train(
        "perceiver_audioset_raw",
        data=str(data),
        out=tmp_path / "run",
        overrides={
            **SMALL,
            "sample_rate": 8000,
            "num_windows": 2,
            "num_self_attention_heads": 4,
            "num_frequency_bands": 8,
        },
        epochs=15,
        batch_size=16,
        optimizer="adamw",
        learning_rate=5e-3,
        **QUIET,
    )
    assert result.headline == "mean_average_precision"
    assert result.test_figures["mean_average_precision"] > 0.95
