"""Text: from files to examples for masked language models and for classifiers."""

import dataclasses

import tensorflow as tf

from zoo.data.example_pipeline import ExamplePipeline, Split
from zoo.errors import ZooError
from zoo.text.bytes_tokenizer import BytesTokenizer
from zoo.text.files import read_labelled, read_text
from zoo.text.masking import hide_words
from zoo.text.tfds import open_stored_texts, stored_labelled, stored_windows

HELD_OUT_SHARE = 10  # the last tenth


def tokenizer_of(config):
    """Returns the `BytesTokenizer` of a text model, or None if its vocabulary was not released."""
    if config.tokenizer != "bytes":
        return None
    return BytesTokenizer(config.max_length, config.numerics == "huggingface")


def masked_language_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the pipeline of a masked language model on plain text.

    The last tenth of the text is the split "validation". An example is a window of the text,
    `config.example_length` tokens; in training each window is shifted by a random part of its
    length. 15 % of its words are hidden, see `zoo.text.masking.hide_words`. A corpus of TensorFlow
    Datasets keeps its own splits and is read anew in every epoch, see
    `zoo.text.tfds.stored_windows`.

    Args:
        config: `MaskedLanguageConfig`.
        source_spec: path of a UTF-8 text file, or of a folder of .txt files; or the name of a
            data set, such as "lm1b" or "wiki40b/en:train[:1%]", see `zoo.data.tfds`.
        skip_corrupt: bool. Leave out files of a folder that are not UTF-8.

    Returns:
        `ExamplePipeline` of `(inputs, targets, sample_weight)`: a dict of `token_ids` int32
        (b, length) with words hidden and `mask` bool (b, length); the original token ids, int32;
        and float32 (b, length), 1 where a token is hidden.
    """
    tokenizer = tokenizer_of(config)

    def open_splits():
        _require_tokenizer(tokenizer)
        num_bytes = config.example_length - tokenizer.num_added
        data = open_stored_texts(source_spec)
        if data is not None:
            return stored_windows(data, num_bytes, tokenizer)
        text = read_text(source_spec, skip_corrupt=skip_corrupt)
        held_out = len(text) // HELD_OUT_SHARE
        if held_out < num_bytes or num_bytes < 1:
            raise ZooError(
                f"The text must have at least {HELD_OUT_SHARE * max(num_bytes, 1)} bytes for "
                f"windows of {config.example_length} tokens (--set window=...). "
                f"Received: {source_spec} with {len(text)} bytes."
            )
        cut = len(text) - held_out
        parts = {"train": text[:cut], "validation": text[cut:]}
        return {name: _windows(part, num_bytes, tokenizer) for name, part in parts.items()}

    return ExamplePipeline(f"the text {source_spec}", open_splits, tokenizer)


class LabelledTextPipeline(ExamplePipeline):
    """Delivers `(inputs, targets)`: a dict of `token_ids` and `mask`, and one-hot labels.

    Args:
        config: `TextClassifierConfig`.
        source_spec: folder or file of labelled texts, see `zoo.text.files.read_labelled`; or the
            name of a data set, such as "glue/sst2" or "imdb_reviews", see `zoo.data.tfds`.
        skip_corrupt: bool. Leave out, and count, texts that are wrong or too long.
        class_names: names of the classes; None: known once the data is read, if it has as many
            as the model.

    Attributes:
        skipped: tuple of str, what was left out, and why.
    """

    def __init__(self, config, source_spec, skip_corrupt=False, class_names=None):
        tokenizer = tokenizer_of(config)
        super().__init__(f"the texts {source_spec}", self._read, tokenizer, class_names)
        self.config = config
        self.source_spec = source_spec
        self.skip_corrupt = skip_corrupt

    def read(self):
        """Returns the labelled texts of each split, the names of the classes, what is left out."""
        _require_tokenizer(self.preprocess)
        length = self.config.example_length
        fitting = BytesTokenizer(length, self.preprocess.adds_special_tokens)
        data = open_stored_texts(self.source_spec)
        if data is not None:
            return stored_labelled(data, fitting.check, skip_corrupt=self.skip_corrupt)
        return read_labelled(self.source_spec, fitting.check, skip_corrupt=self.skip_corrupt)

    def _read(self):
        texts, names, self.skipped = self.read()
        num_classes = self.config.num_classes
        if len(names) > num_classes:
            raise ZooError(
                "The model must have an output for each class of the data. Received: "
                f"{num_classes} outputs for the {len(names)} classes of {self.source_spec}."
            )
        if len(names) == num_classes:
            self.class_names = names
        length = self.config.example_length
        return {
            name: _sentences(part, self.preprocess, length, num_classes)
            for name, part in texts.items()
        }


def text_classifier_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the `LabelledTextPipeline` of a `TextClassifierConfig`."""
    return LabelledTextPipeline(config, source_spec, skip_corrupt)


def with_classes_of_the_data(config, pipeline):
    """Returns the configuration and the pipeline for as many classes as the data has."""
    _, names, _ = pipeline.read()
    config = dataclasses.replace(config, num_classes=len(names))
    return config, LabelledTextPipeline(config, pipeline.source_spec, pipeline.skip_corrupt, names)


def _windows(text, num_bytes, tokenizer):
    """Returns the `Split` of the windows of `num_bytes` bytes of a text, uint8 (n,)."""
    last_start = len(text) - num_bytes
    text = tf.constant(text)

    def example(index, key, training):
        shift_key, hide_key = (tf.random.fold_in(key, i) for i in range(2))
        start = tf.cast(index, tf.int64) * num_bytes
        if training:
            shift = tf.random.stateless_uniform([], shift_key, 0, num_bytes, tf.int64)
            start = tf.minimum(start + shift, last_start)
        targets = tokenizer.of_bytes(tf.ensure_shape(text[start : start + num_bytes], [num_bytes]))
        token_ids, hidden = hide_words(targets, hide_key, training)
        inputs = {"token_ids": token_ids, "mask": tf.ones_like(targets, tf.bool)}
        return inputs, targets, tf.cast(hidden, tf.float32)

    return Split(len(text) // num_bytes, example)


def _sentences(labelled, tokenizer, length, num_classes):
    """Returns the `Split` of labelled sentences, padded to `length` tokens."""
    texts, labels = tf.constant(labelled.texts, tf.string), tf.constant(labelled.labels)

    def example(index, key, training):
        inputs = tokenizer(texts[index][None], length)
        inputs = {name: values[0] for name, values in inputs.items()}
        return inputs, tf.one_hot(labels[index], num_classes)

    return Split(len(labelled.texts), example)


def _require_tokenizer(tokenizer):
    if tokenizer is None:
        raise ZooError(
            "A model must have a vocabulary to read text; the SentencePiece one was not released. "
            "Received: a model that takes token ids only."
        )
