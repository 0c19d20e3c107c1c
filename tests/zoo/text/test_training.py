"""The tiny language model from text to served sentences, and the classifier on labels."""

import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

import zoo
from zoo.serving.endpoints import open_endpoints
from zoo.text.losses import unigram_entropy

TINY_SHAKESPEARE = pathlib.Path(__file__).parents[4] / "shared/data/text/tinyshakespeare/input.txt"
SMALL = {
    "max_length": 16,
    "num_latents": 8,
    "latent_channels": 32,
    "cross_attention_qk_channels": 32,
    "cross_attention_v_channels": 32,
    "decoder_qk_channels": 32,
    "decoder_v_channels": 32,
    "num_self_attends_per_block": 1,
}
QUIET = {"console": Console(file=io.StringIO()), "jit_compile": False}


@pytest.fixture
def text_file(tmp_path):
    """A text in which each word tells the next."""
    path = tmp_path / "counting.txt"
    path.write_text("one two three four five six seven eight " * 150)
    return path


@pytest.mark.slow
def test_language_model_learns_what_letter_frequencies_do_not_tell(text_file, tmp_path):
    entropy = unigram_entropy(text_file.read_bytes().replace(b" ", b""))
    result = zoo.train(
        "perceiver_io_language_tiny",
        data=str(text_file),
        out=tmp_path / "run",
        overrides=SMALL,
        epochs=25,
        **QUIET,
    )
    assert result.headline == "bits_per_byte"
    assert result.test_figures["bits_per_byte"] < 0.5 * entropy
    assert result.test_figures["loss"] == pytest.approx(
        result.test_figures["bits_per_byte"] * np.log(2), rel=1e-3
    )

    report = open_endpoints(tmp_path / "run")
    filled = report.endpoints["fill_in"](text=tf.constant(["two [MASK:5] four"]))
    assert filled["text"].numpy()[0] == b"two three four"


@pytest.mark.slow
def test_classifier_learns_from_labelled_sentences(tmp_path):
    rows = [f"{'good' if i % 2 else 'bad'} number {i}\t{i % 2}\n" for i in range(300)]
    path = tmp_path / "rows.tsv"
    path.write_text("".join(rows))
    result = zoo.train(
        "perceiver_io_language_classifier",
        data=str(path),
        out=tmp_path / "run",
        overrides={
            **SMALL,
            "token_channels": 32,
            "num_cross_attention_heads": 2,
            "num_self_attention_heads": 2,
            "self_attention_qk_channels": 32,
            "self_attention_v_channels": 32,
            "position_init": "sinusoidal",
            "init_scale": 0.1,
        },
        epochs=20,
        learning_rate=3e-3,
        **QUIET,
    )
    assert result.headline == "accuracy"
    assert result.test_figures["accuracy"] > 0.9


@pytest.mark.skipif(
    not TINY_SHAKESPEARE.is_file(), reason="needs tiny Shakespeare at ../shared/data/text"
)
def test_unigram_entropy_of_tiny_shakespeare():
    text = TINY_SHAKESPEARE.read_bytes()
    held_out = text[len(text) - len(text) // 10 :]
    assert unigram_entropy(text) == pytest.approx(4.779, abs=1e-3)
    assert unigram_entropy(held_out) == pytest.approx(4.815, abs=1e-3)
    words = b"".join(held_out.split())
    assert unigram_entropy(words) == pytest.approx(4.901, abs=1e-3)
