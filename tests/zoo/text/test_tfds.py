"""Texts of TensorFlow Datasets: corpora in a stream, labelled texts in memory."""

import dataclasses

import numpy as np
import pytest
from tfds_examples import mocked

import zoo.text.tfds
from zoo.errors import ZooError
from zoo.text.bytes_tokenizer import MASK, NUM_SPECIAL, PAD
from zoo.text.configs import MaskedLanguageConfig, TextClassifierConfig
from zoo.text.pipeline import masked_language_pipeline, text_classifier_pipeline

pytestmark = pytest.mark.filterwarnings("ignore")
LANGUAGE = MaskedLanguageConfig("", "", 1, max_length=40, window=30)
CLASSIFIER = TextClassifierConfig("", "", 1, max_length=400)


def examples(dataset):
    inputs, *others = zip(*dataset.as_numpy_iterator(), strict=True)
    joined = {name: np.concatenate([part[name] for part in inputs]) for name in inputs[0]}
    return (joined, *(np.concatenate(part) for part in others))


def bytes_of(token_ids):
    return bytes((token_ids[token_ids >= NUM_SPECIAL] - NUM_SPECIAL).astype("uint8"))


@pytest.mark.parametrize("name", ["lm1b", "wiki40b/en", "wikipedia/20230601.en"])
def test_a_corpus_becomes_windows_of_several_texts(name):
    with mocked(9, ("train", "valid"), num_bytes=15):
        pipeline = masked_language_pipeline(LANGUAGE, name)
        assert pipeline.splits == ("train", "validation")
        assert pipeline.num_examples("train") == 4  # of two texts, the ninth is left
        inputs, targets, hidden = examples(pipeline.batches("train", 3))
        stored = list(pipeline.split("train").stored().as_numpy_iterator())
    assert targets.shape == (4, 30) and all(b"\n" in text for text in stored)
    for row, text in zip(targets, stored, strict=True):
        assert bytes_of(row) == text[:30]
    np.testing.assert_array_equal(inputs["mask"], targets != PAD)
    assert not hidden[targets == PAD].any() and (hidden.sum(axis=1) > 0).all()
    np.testing.assert_array_equal(inputs["token_ids"], np.where(hidden > 0, MASK, targets))


def test_windows_of_long_texts_move_and_short_ones_are_padded():
    with mocked(6, num_bytes=1000):
        pipeline = masked_language_pipeline(LANGUAGE, "lm1b:train[:50%]")
        assert pipeline.num_examples("train") == 3
        pipeline = masked_language_pipeline(LANGUAGE, "lm1b")
        stored = list(pipeline.split("train").stored().as_numpy_iterator())
        first, second = (
            examples(pipeline.batches("train", 6, training=True, epoch=epoch))[1]
            for epoch in range(2)
        )
    assert not np.array_equal(first, second)
    for row in (*first, *second):
        assert any(bytes_of(row) in text for text in stored)


def test_a_corpus_too_small_for_a_window_is_an_error():
    with mocked(2, num_bytes=1), pytest.raises(ZooError, match="at least 30 texts.*Received: 2"):
        masked_language_pipeline(LANGUAGE, "lm1b").num_examples("train")


@pytest.mark.parametrize(("name", "feature"), [("glue/sst2", "sentence"), ("imdb_reviews", "text")])
def test_labelled_texts_by_name(name, feature):
    with mocked(5, ("train", "validation")):
        pipeline = text_classifier_pipeline(CLASSIFIER, f"tfds:{name}")
        inputs, labels = examples(pipeline.batches("train", 2))
        data = zoo.text.tfds.open_stored_texts(name)
        stored = list(data.dataset("train").as_numpy_iterator())
    assert pipeline.splits == ("train", "validation")
    assert len(pipeline.class_names) == 2 and "" not in pipeline.class_names
    assert [bytes_of(row) for row in inputs["token_ids"]] == [x[feature] for x in stored]
    np.testing.assert_array_equal(labels.argmax(axis=1), [x["label"] for x in stored])


def test_a_text_that_is_too_long_is_named_or_left_out():
    with mocked(8):
        stored = zoo.text.tfds.open_stored_texts("glue/sst2").dataset("train")
        lengths = sorted(len(x["sentence"]) for x in stored.as_numpy_iterator())
        short = dataclasses.replace(CLASSIFIER, max_length=lengths[3])
        with pytest.raises(ZooError, match=r"example \d of glue/sst2 \(train\): .*too long|longer"):
            text_classifier_pipeline(short, "glue/sst2").num_examples("train")
        pipeline = text_classifier_pipeline(short, "glue/sst2", skip_corrupt=True)
        kept = pipeline.num_examples("train")
        assert kept == sum(length <= lengths[3] for length in lengths) < 8
        assert len(pipeline.skipped) == 2 * (8 - kept)  # train and test are the same here


def test_labelled_texts_must_fit_into_memory(monkeypatch):
    monkeypatch.setattr(zoo.text.tfds, "MEMORY_LIMIT", 100)
    with mocked(5), pytest.raises(ZooError, match=r"take a part of it, such as glue/sst2:train\["):
        text_classifier_pipeline(CLASSIFIER, "glue/sst2").num_examples("train")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tfds:mnist", "must have one feature of text.*'mnist' with none"),
        ("glue/mrpc", "must have one feature of text.*with sentence1, sentence2"),
    ],
)
def test_a_data_set_without_one_text_is_an_error(name, message):
    with mocked(2), pytest.raises(ZooError, match=message):
        text_classifier_pipeline(CLASSIFIER, name).num_examples("train")
