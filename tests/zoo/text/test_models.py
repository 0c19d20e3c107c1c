"""The named models of text: their counts, their switches, and what their fields refuse."""

import dataclasses
import functools

import numpy as np
import pytest

from perceiver_tf import count_parameters
from zoo.text.configs import (
    TEXT_MODELS,
    MaskedLanguageConfig,
    TextClassifierConfig,
    language_architecture,
)
from zoo.text.models import masked_language_model, text_classifier

PUBLISHED = {
    "perceiver_io_language": 201_108_230,
    "perceiver_io_language_sentencepiece": 223_155_456,
    "perceiver_io_language_large": 425_607_430,
    "perceiver_io_language_classifier": 206_098_690,
}
TINY = {
    "architecture": language_architecture(
        num_latents=4,
        latent_channels=8,
        num_self_attends_per_block=2,
        num_cross_attention_heads=2,
        num_self_attention_heads=2,
        cross_attention_qk_channels=4,
        cross_attention_v_channels=8,
        self_attention_qk_channels=4,
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


def build(config):
    is_language = isinstance(config, MaskedLanguageConfig)
    return (masked_language_model if is_language else text_classifier)(config)


def inputs(random, length=7, valid=5):
    token_ids = random.integers(6, 262, (2, length)).astype("int32")
    return {"token_ids": token_ids, "mask": np.arange(length)[None] < [[length], [valid]]}


@pytest.mark.parametrize("name", TEXT_MODELS)
def test_named_model_has_its_parameters(name):
    config = TEXT_MODELS[name]
    assert count_parameters(functools.partial(build, config)) == config.parameters
    assert config.parameters == PUBLISHED.get(name, config.parameters)


def test_all_published_models_are_named():
    assert PUBLISHED.keys() <= TEXT_MODELS.keys()


def test_outputs_are_named_layers_of_the_right_shape(random):
    language, classifier = build(LANGUAGE), build(CLASSIFIER)
    assert language(inputs(random)).shape == (2, 7, 262)
    assert classifier(inputs(random)).shape == (2, 3)
    names = {"token_embedding", "inputs", "latents", "cross_attend", "latent_transformer"}
    assert names | {"queries", "decoder", "logits"} <= {layer.name for layer in language.layers}
    assert names | {"query", "decoder", "outputs"} <= {layer.name for layer in classifier.layers}


def test_padding_changes_no_class(random):
    classifier = build(CLASSIFIER)
    padded = inputs(random)
    short = {name: values[1:, :5] for name, values in padded.items()}
    np.testing.assert_allclose(classifier(padded)[1:], classifier(short), atol=1e-5)
    changed = {**padded, "token_ids": np.where(padded["mask"], padded["token_ids"], 9)}
    np.testing.assert_array_equal(classifier(padded), classifier(changed))


def test_ngrams_are_read_and_padding_still_changes_nothing(random):
    with_ngrams = build(dataclasses.replace(CLASSIFIER, ngram_sizes=(2, 3), num_ngram_buckets=31))
    names = {layer.name for layer in with_ngrams.layers} - {
        layer.name for layer in build(CLASSIFIER).layers
    }
    assert names == {"ngram_embedding", "tokens_and_ngrams"}
    with_ngrams.set_weights([random.normal(size=w.shape) for w in with_ngrams.get_weights()])
    padded = inputs(random)
    logits = np.asarray(with_ngrams(padded))
    changed = {**padded, "token_ids": np.where(padded["mask"], padded["token_ids"], 9)}
    np.testing.assert_array_equal(logits, with_ngrams(changed))
    table = with_ngrams.get_layer("ngram_embedding").embeddings
    table.assign(np.zeros(table.shape))
    assert np.abs(logits - with_ngrams(padded)).max() > 1e-3


def test_numerics_of_transformers_change_gelu_and_queries_at_padding(random):
    deepmind = build(LANGUAGE)
    huggingface = build(dataclasses.replace(LANGUAGE, numerics="huggingface"))
    assert deepmind.get_layer("decoder").gelu == "tanh"
    assert huggingface.get_layer("decoder").gelu == "erf"
    weights = [random.normal(size=weight.shape) for weight in deepmind.get_weights()]
    deepmind.set_weights(weights)
    huggingface.set_weights(weights)
    padded = inputs(random)
    ours, theirs = (np.asarray(model(padded)) for model in (deepmind, huggingface))
    np.testing.assert_allclose(ours[padded["mask"]], theirs[padded["mask"]], rtol=0.1, atol=0.5)
    # A masked query gathers nothing, so that all of them are decoded alike.
    np.testing.assert_array_equal(ours[1, 5], ours[1, 6])
    assert np.abs(theirs[1, 5] - theirs[1, 6]).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numerics": "jax"}, "`numerics` must be one of .*'jax'"),
        ({"tokenizer": "words"}, "`tokenizer` must be one of .*'words'"),
        ({"vocabulary_size": 300}, "`vocabulary_size` must be 262 .*300"),
        ({"max_length": 0}, "`max_length` must be at least 1.*max_length=0"),
        ({"token_channels": 1.5}, "`token_channels` must be at least 1.*1.5"),
        ({"window": 12}, "`window` must not be larger than `max_length`.*window=12, max_length=11"),
        ({"position_init": "zeros"}, "`position_init` must be one of .*'zeros'"),
        ({"init_scale": 0}, "`init_scale` must be greater than 0.*init_scale=0"),
        ({"ngram_sizes": (3, 0)}, "`ngram_sizes` must be at least 1.*ngram_sizes=0"),
        ({"num_ngram_buckets": 0}, "`num_ngram_buckets` must be at least 1.*num_ngram_buckets=0"),
        ({"ngram_dropout": 1.0}, r"`ngram_dropout` must be in \[0, 1\).*ngram_dropout=1.0"),
    ],
)
def test_a_wrong_field_is_a_clear_error(changes, message):
    for config in (LANGUAGE, CLASSIFIER):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(config, **changes)


def test_a_classifier_must_have_classes():
    with pytest.raises(ValueError, match="`num_classes` must be at least 1.*num_classes=0"):
        dataclasses.replace(CLASSIFIER, num_classes=0)
