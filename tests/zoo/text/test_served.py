"""Served text: the tokenizer in the graph, filled spans, labels, and what predict prints."""

import dataclasses
import functools
import io

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from zoo.errors import ZooError
from zoo.text.bytes_tokenizer import MASK
from zoo.text.configs import MaskedLanguageConfig, TextClassifierConfig, language_architecture
from zoo.text.models import masked_language_model, text_classifier
from zoo.text.pipeline import tokenizer_of
from zoo.text.predict import predict_labels, predict_masked
from zoo.text.served import ServedLanguageModel, ServedTextClassifier

TINY = {
    "architecture": language_architecture(
        num_latents=4,
        latent_channels=8,
        num_self_attends_per_block=1,
        cross_attention_qk_channels=8,
        cross_attention_v_channels=8,
        self_attention_qk_channels=8,
        self_attention_v_channels=8,
        num_decoder_heads=2,
        decoder_qk_channels=4,
        decoder_v_channels=6,
    ),
    "token_channels": 6,
    "max_length": 11,
}
LANGUAGE = MaskedLanguageConfig("", "", 1, **TINY)
CLASSIFIER = TextClassifierConfig("", "", 1, num_classes=3, **TINY)


def randomised(model):
    random = np.random.default_rng(5)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def language():
    return ServedLanguageModel(randomised(masked_language_model(LANGUAGE)), tokenizer_of(LANGUAGE))


@pytest.fixture(scope="module")
def classifier():
    model = randomised(text_classifier(CLASSIFIER))
    return ServedTextClassifier(model, tokenizer_of(CLASSIFIER), ("ham", "eggs", "spam"))


@functools.cache
def callables(served):
    """Endpoints as graphs that are called by keyword."""

    def by_keyword(function, specs):
        graph = tf.function(function, input_signature=specs, autograph=False)
        return lambda **tensors: graph(*(tensors[spec.name] for spec in specs))

    return {name: by_keyword(*endpoint) for name, endpoint in served.endpoints().items()}


def printed(predict, served, items, **settings):
    console = Console(file=io.StringIO(), width=100)
    report = predict(callables(served), items, out=None, console=console, **settings)
    return report, console.file.getvalue()


def test_language_model_scores_every_position_of_raw_text(language):
    endpoints = callables(language)
    outputs = endpoints["serving_default"](text=tf.constant(["to be", "a[MASK:2]"]))
    ids = tokenizer_of(LANGUAGE)(tf.constant(["to be", "a[MASK:2]"]))
    np.testing.assert_array_equal(outputs["token_ids"], ids["token_ids"])
    np.testing.assert_array_equal(outputs["mask"], ids["mask"])
    np.testing.assert_allclose(outputs["logits"], language.model(ids), atol=1e-4)


def test_fill_in_takes_the_likeliest_byte_and_leaves_the_rest(language):
    endpoints = callables(language)
    text = tf.constant(["to [MASK:2]", "[MASK] é"])
    outputs = {name: x.numpy() for name, x in endpoints["fill_in"](text=text).items()}
    ids = tokenizer_of(LANGUAGE)(text)
    logits = language.model(ids).numpy()
    logits[..., :6] = -np.inf
    hidden = ids["token_ids"].numpy() == MASK
    np.testing.assert_array_equal(outputs["filled"], hidden)
    np.testing.assert_array_equal(
        outputs["token_ids"], np.where(hidden, logits.argmax(-1), ids["token_ids"])
    )
    assert outputs["text"][0].decode().startswith("to ")
    assert outputs["text"][1].decode().endswith(" é")
    assert (outputs["scores"][hidden] > 0).all() and (outputs["scores"][~hidden] == 0).all()


def test_a_text_is_filled_in_the_same_alone_and_in_a_batch(language):
    fill_in = callables(language)["fill_in"]
    together = fill_in(text=tf.constant(["a [MASK]", "longer [MASK:3]"]))["text"]
    assert together[0] == fill_in(text=tf.constant(["a [MASK]"]))["text"][0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no mask", r"must contain \[MASK\]"),
        ("", "must not be empty"),
        ("a[MASK:11]", "must not be longer"),
        (b"\xff[MASK]", "must be valid UTF-8"),
    ],
)
def test_bad_text_is_a_clear_error_of_the_graph(language, text, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        callables(language)["fill_in"](text=tf.constant([text]))


def test_saved_language_model_serves_the_same_without_python(language, tmp_path):
    from zoo.serving.saved_model import graph_operations

    module = tf.Module()
    module.served = language.model
    signatures = {
        name: tf.function(function, input_signature=specs, autograph=False)
        for name, (function, specs) in language.endpoints().items()
    }
    tf.saved_model.save(module, str(tmp_path), signatures=signatures)
    loaded = tf.saved_model.load(str(tmp_path))
    assert not {"PyFunc", "PyFuncStateless", "EagerPyFunc"} & graph_operations(tmp_path)
    text = tf.constant(["to [MASK:2]", "[MASK] é"])
    outputs = loaded.signatures["fill_in"](text=text)
    expected = callables(language)["fill_in"](text=text)
    for name in ("text", "token_ids", "filled"):
        np.testing.assert_array_equal(outputs[name], expected[name])
    np.testing.assert_allclose(outputs["scores"], expected["scores"], atol=1e-5)


def test_saved_classifier_hashes_ngrams_itself(tmp_path):
    config = dataclasses.replace(CLASSIFIER, ngram_sizes=(2, 4), num_ngram_buckets=31)
    served = ServedTextClassifier(randomised(text_classifier(config)), tokenizer_of(config))
    module = tf.Module()
    module.served = served.model
    function, specs = served.endpoints()["serving_default"]
    signature = tf.function(function, input_signature=specs, autograph=False)
    tf.saved_model.save(module, str(tmp_path), signatures=signature)
    loaded = tf.saved_model.load(str(tmp_path))
    text = tf.constant(["eggs eggs", "spam é"])
    expected = tf.nn.softmax(served.model(tokenizer_of(config)(text)))
    scores = loaded.signatures["serving_default"](text=text)["scores"]
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_classifier_scores_and_names_raw_text(classifier):
    endpoints = callables(classifier)
    texts = tf.constant(["eggs and", "spam é"])
    outputs = endpoints["serving_default"](text=texts)
    logits = classifier.model(tokenizer_of(CLASSIFIER)(texts))
    np.testing.assert_allclose(outputs["scores"], tf.nn.softmax(logits), atol=1e-5)
    names = endpoints["class_names"]()["class_names"]
    np.testing.assert_array_equal(outputs["label"], tf.gather(names, tf.argmax(logits, -1)))
    unnamed = ServedTextClassifier(classifier.model, classifier.preprocess)
    assert set(unnamed.endpoints()) == {"serving_default", "classify_text"}
    assert set(unnamed.classify_text(texts)) == {"scores"}


def test_wrong_names_or_no_vocabulary_are_refused(classifier, language):
    with pytest.raises(ValueError, match="one name for each .*: 2 names for 3 classes"):
        ServedTextClassifier(classifier.model, classifier.preprocess, ("a", "b"))
    for served in (ServedTextClassifier, ServedLanguageModel):
        with pytest.raises(ZooError, match="must have a vocabulary to be served"):
            served(classifier.model, None)


def test_predict_marks_what_was_filled_in(language):
    report, text = printed(predict_masked, language, ["to [MASK:2]!", "[MASK]é[MASK]"])
    first, second = report["predictions"]
    assert first["input"] == "to [MASK:2]!"
    (span,) = first["filled"]
    assert (span["start"], first["text"]) == (3, f"to {span['text']}!")
    assert [span["start"] for span in second["filled"]] == [0, 3]
    assert f"to [{span['text']}]!".split("\n")[0] in text
    assert report["skipped"] == []


def test_predict_names_the_best_classes(classifier):
    report, text = printed(predict_labels, classifier, ["eggs"], top=2)
    (prediction,) = report["predictions"]
    scores = classifier.classify_text(tf.constant(["eggs"]))["scores"][0].numpy()
    order = np.argsort(-scores)
    assert [best["label"] for best in prediction["top"]] == [
        ("ham", "eggs", "spam")[i] for i in order[:2]
    ]
    assert prediction["score"] == pytest.approx(scores.max(), rel=1e-5)
    assert prediction["label"] in text and "eggs" in text


BAD_TEXTS = {
    "no mask": r"must contain \[MASK\].*In: 'no mask'",
    "": "must not be empty. In: ''",
    "x" * 12 + "[MASK]": "must not be longer than what the model takes .*here 11",
    "\udcff[MASK]": "must be valid UTF-8. Received: an invalid byte at 0",
    "a[MASK:0]": "must hide at least one byte",
}


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_predict_refuses_or_leaves_out_a_bad_text(language, text):
    with pytest.raises(ZooError, match=BAD_TEXTS[text]):
        printed(predict_masked, language, ["good [MASK]", text])
    report, output = printed(
        predict_masked, language, ["good [MASK]", text, "[MASK] too"], skip_corrupt=True
    )
    assert [found["input"] for found in report["predictions"]] == ["good [MASK]", "[MASK] too"]
    (skipped,) = report["skipped"]
    assert "Left out, as they could not be read: 1" in output
    with pytest.raises(ZooError, match="None of the texts could be predicted"):
        printed(predict_masked, language, [text], skip_corrupt=True)


def test_predict_refuses_an_empty_text_and_wrong_settings(classifier, tmp_path):
    with pytest.raises(ZooError, match="A text must not be empty"):
        printed(predict_labels, classifier, [""])
    with pytest.raises(ZooError, match="`top` must be at least 1"):
        printed(predict_labels, classifier, ["a"], top=0)
    with pytest.raises(ZooError, match="`batch_size` must be at least 1"):
        printed(predict_labels, classifier, ["a"], batch_size=0)
    with pytest.raises(ZooError, match="`--out` must be left out"):
        predict_labels({}, ["a"], out=tmp_path, console=Console(file=io.StringIO()))
