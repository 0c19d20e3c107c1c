"""Texts of TensorFlow Datasets, by name: corpora for language models, and labelled texts."""

import numpy as np
import tensorflow as tf

from zoo.data.example_pipeline import Stream
from zoo.data.tfds import data_set_of, import_tfds
from zoo.errors import ZooError
from zoo.text.bytes_tokenizer import PAD
from zoo.text.files import LabelledTexts
from zoo.text.masking import hide_words

# Names that are accepted without "tfds:".
WELL_KNOWN = ("ag_news_subset", "c4", "glue", "imdb_reviews", "lm1b", "wiki40b", "wikipedia")
_TEXT_FEATURES = ("text", "sentence", "description", "content")
MEMORY_LIMIT = 2**30


def open_stored_texts(spec):
    """Returns the `zoo.data.tfds.TfdsData` that a specification of texts names, or None.

    Args:
        spec: str or path-like, "tfds:NAME", or NAME alone for those in `WELL_KNOWN`.
    """
    return data_set_of(spec, WELL_KNOWN)


def stored_windows(data, num_bytes, tokenizer):
    """Returns the `Stream`s of windows of a corpus, which need not fit into memory.

    As many texts as make up a window on average are joined, on a new line each. Of what is longer
    a part is taken, in training at a random place; what is shorter is padded, and the padding is
    masked and never hidden. So the number of windows is known without reading the corpus.

    Args:
        data: `zoo.data.tfds.TfdsData` with a feature of text.
        num_bytes: int, bytes of a window.
        tokenizer: `BytesTokenizer`.

    Returns:
        dict from the name of a split, "train" and, if there are such, "validation" and "test",
        to a `Stream` of `(inputs, targets, sample_weight)` as of
        `zoo.text.pipeline.masked_language_pipeline`.

    Raises:
        ZooError: if the data set has no text.
    """
    feature = _text_feature(data)
    example = _window_of(num_bytes, tokenizer)
    return {split: _windows(data, split, feature, num_bytes, example) for split in data.parts}


def stored_labelled(data, check, *, skip_corrupt=False):
    """Returns labelled texts of a data set, which must fit into memory.

    Args:
        data: `zoo.data.tfds.TfdsData` with features of text and "label".
        check, skip_corrupt: see `zoo.text.files.read_labelled`. Splits without labels are left
            out.

    Returns:
        `(splits, class_names, skipped)`, see `zoo.text.files.read_labelled`.

    Raises:
        ZooError: if the data set has other features, does not fit, or a text cannot be taken.
    """
    feature, names = _text_feature(data), data.class_names("label")
    splits, skipped = {}, []
    for split in data.parts:
        if data.num_examples(split) * data.mean_bytes(split) > MEMORY_LIMIT:
            raise ZooError(
                f"Labelled texts must fit into {MEMORY_LIMIT // 2**20} MiB. Received: the split "
                f"{split!r} of {data.name!r}; take a part of it, such as {data.name}:{split}[:10%]."
            )
        texts, labels = [], []
        for number, example in enumerate(data.dataset(split).as_numpy_iterator()):
            try:
                if example["label"] >= 0:
                    texts.append(check(example[feature]))
                    labels.append(example["label"])
            except ZooError as error:
                reason = f"example {number} of {data.name} ({split}): {error}"
                if not skip_corrupt:
                    raise ZooError(f"{reason} Leave such out with --skip-corrupt.") from error
                skipped.append(reason)
        if texts:
            splits[split] = LabelledTexts(tuple(texts), np.array(labels, np.int32))
    if "train" not in splits:
        raise ZooError(f"The data set {data.name!r} must have labelled texts to train on.")
    return splits, names, tuple(skipped)


def _text_feature(data):
    """Returns the name of the feature with the text."""
    kind = import_tfds(data.name).features.Text
    found = [name for name, x in data.builder.info.features.items() if isinstance(x, kind)]
    named = [name for name in _TEXT_FEATURES if name in found]
    if not named and len(found) != 1:
        raise ZooError(
            "A data set must have one feature of text, or one that is named "
            f"{', '.join(_TEXT_FEATURES)}. Received: {data.name!r} with "
            f"{', '.join(found) or 'none'}."
        )
    return (named or found)[0]


def _windows(data, split, feature, num_bytes, example):
    num_joined = max(round(num_bytes / data.mean_bytes(split)), 1)

    def stored():
        texts = data.dataset(split).map(lambda stored: stored[feature])
        joined = texts.batch(num_joined, drop_remainder=True)
        return joined.map(lambda part: tf.strings.reduce_join(part, separator="\n"))

    num_windows = data.num_examples(split) // num_joined
    if not num_windows:
        raise ZooError(
            f"The split {split!r} of {data.name!r} must have at least {num_joined} texts, for "
            f"windows of {num_bytes} bytes. Received: {data.num_examples(split)}."
        )
    buffer = max(data.shuffle_buffer(split) // num_joined, 1)
    return Stream(num_windows, stored, example, buffer)


def _window_of(num_bytes, tokenizer):
    def example(text, key, training):
        place_key, hide_key = (tf.random.fold_in(key, i) for i in range(2))
        values = tf.io.decode_raw(text, tf.uint8)
        spare = tf.maximum(tf.size(values) - num_bytes, 0)
        start = 0
        if training:
            start = tf.random.stateless_uniform([], place_key, 0, spare + 1, tf.int32)
        token_ids = tokenizer.of_bytes(values[start : start + num_bytes])
        length = num_bytes + tokenizer.num_added
        padding = [[0, length - tf.size(token_ids)]]
        targets = tf.ensure_shape(tf.pad(token_ids, padding, constant_values=PAD), [length])
        token_ids, hidden = hide_words(targets, hide_key, training)
        inputs = {"token_ids": token_ids, "mask": targets != PAD}
        return inputs, targets, tf.cast(hidden, tf.float32)

    return example
