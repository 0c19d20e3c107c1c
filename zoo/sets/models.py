"""From the configuration of a classifier of sets to its model."""

import keras

from perceiver_tf.models.set_encoder import set_encoder
from zoo.numerics import architecture_of


def set_inputs(config):
    """Return the inputs of a model of sets, a dict of `keras.Input`."""
    inputs = {"mask": keras.Input((None,), dtype="bool", name="mask")}
    if config.category_sizes:
        shape = (None, len(config.category_sizes))
        inputs["categories"] = keras.Input(shape, dtype="int32", name="categories")
    if config.num_numbers:
        inputs["numbers"] = keras.Input((None, config.num_numbers), name="numbers")
    return inputs


def set_classifier(config, name="set_classifier"):
    """Return the model of a `SetClassifierConfig`.

    Its layer "pooled" gives the embedding of the set under the logits, its layer "entities" those
    of the entities, which the logits do not need; `perceiver_tf.set_encoder` returns both.

    Args:
        config: `SetClassifierConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from a dict of `categories` int32 `(b, m, fields)`, `numbers`
        float32 `(b, m, num_numbers)` (those that the configuration has) and `mask` bool `(b, m)`,
        False for entities that are not there, to float32 logits `(b, num_classes)`; any m.
    """
    inputs = set_inputs(config)
    encoder = set_encoder(
        inputs, config.category_sizes, config.entity_channels, config=architecture_of(config)
    )
    logits = keras.layers.Dense(config.num_classes, name="logits", dtype="float32")
    return keras.Model(inputs, logits(encoder.output["pooled"]), name=name)
