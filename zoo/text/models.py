"""From the configuration of a model of text to the model."""

import keras

from perceiver_tf.layers.latents import LatentArray
from perceiver_tf.layers.ngrams import NgramEmbedding
from perceiver_tf.layers.tokens import OutputBias, TokenEmbedding, TokenInputs, TokenQueries
from perceiver_tf.models.perceiver_io import perceiver_io
from zoo.numerics import architecture_of


def masked_language_model(config, name="masked_language_model"):
    """Return the model of a `MaskedLanguageConfig`.

    Args:
        config: `MaskedLanguageConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from a dict of `token_ids` int32 `(b, length)` and `mask` bool
        `(b, length)`, False for padding, to float32 logits `(b, length, vocabulary_size)`; any
        length up to `config.max_length`. Logits at padding mean nothing.
    """
    inputs = _text_inputs()
    embedding = _embedding(config)
    queries = TokenQueries(
        config.max_length,
        config.token_channels,
        config.init_scale,
        config.position_init,
        name="queries",
    )
    # transformers decodes the queries at padding too.
    masks_queries = config.numerics == "deepmind"
    decoder = perceiver_io(
        inputs,
        _adapter(config, embedding),
        lambda inputs: queries(inputs["token_ids"]),
        config=architecture_of(config),
        queries_mask=(lambda inputs: inputs["mask"]) if masks_queries else None,
    )
    scores = embedding(decoder.output, reverse=True)
    return keras.Model(inputs, OutputBias(name="logits", dtype="float32")(scores), name=name)


def text_classifier(config, name="text_classifier"):
    """Return the model of a `TextClassifierConfig`.

    Args:
        config: `TextClassifierConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from a dict of `token_ids` and `mask`, as `masked_language_model`
        takes it, to float32 logits `(b, num_classes)`.
    """
    inputs = _text_inputs()
    query = LatentArray(1, config.architecture.latent_channels, name="query")
    decoder = perceiver_io(
        inputs,
        _adapter(config, _embedding(config)),
        query,
        config.num_classes,
        config=architecture_of(config),
    )
    logits = keras.layers.Reshape((config.num_classes,), name="logits", dtype="float32")
    return keras.Model(inputs, logits(decoder.output), name=name)


def _text_inputs():
    return {
        "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }


def _embedding(config):
    return TokenEmbedding(
        config.vocabulary_size, config.token_channels, config.init_scale, name="token_embedding"
    )


def _adapter(config, embedding):
    """Return the function from a model's inputs to the byte array that the latents read."""
    describe = TokenInputs(
        config.max_length, config.init_scale, config.position_init, name="inputs"
    )
    ngrams = None
    if config.ngram_sizes:
        ngrams = NgramEmbedding(
            config.token_channels,
            config.ngram_sizes,
            config.num_ngram_buckets,
            config.ngram_dropout,
            name="ngram_embedding",
        )

    def adapter(inputs):
        content = embedding(inputs["token_ids"])
        if ngrams is not None:
            content = keras.layers.Add(name="tokens_and_ngrams")([content, ngrams(inputs)])
        return describe({"content": content, "mask": inputs["mask"]})

    return adapter
