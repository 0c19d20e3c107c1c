"""Embeddings of the members of a set, and of the whole (arXiv:2107.14795, StarCraft II)."""

import keras
from keras import ops

from perceiver_tf.layers.entity_inputs import EntityInputs
from perceiver_tf.layers.masked_mean import MaskedMean
from perceiver_tf.models import encoder
from perceiver_tf.models.configs import PerceiverIOConfig
from perceiver_tf.models.perceiver_io import perceiver_io


def set_encoder(
    inputs,
    category_sizes,
    entity_channels,
    output_channels=None,
    config=None,
    name="set_encoder",
    **overrides,
):
    """Return a Perceiver IO over the entities of a set, as a functional `keras.Model`.

    This is the Transformer of AlphaStar's entity encoder (Vinyals et al. 2019) replaced by a
    Perceiver IO, as in arXiv:2107.14795, StarCraft II: the latents read the embedded entities, and
    every entity, as a query, reads the latents. What AlphaStar does after its Transformer is
    kept: a relu, a projection and a relu of every entity; the mean over the entities, a
    projection and a relu of the whole.

    Args:
        inputs: dict of `keras.Input`: `categories` int `(b, m, fields)` and `numbers` float
            `(b, m, f)`, at least one of them, and `mask` bool `(b, m)`, False for entities that
            are not there; see `perceiver_tf.EntityInputs`.
        category_sizes: tuple of ints, how many categories each field has.
        entity_channels: int, width of an embedded entity.
        output_channels: int, width of the outputs; None: `entity_channels`.
        config: `PerceiverIOConfig`; None: its defaults.
        name: str, name of the model.
        **overrides: fields of `PerceiverIOConfig` to replace.

    Returns:
        `keras.Model` from `inputs` to a dict of `entities` float32 `(b, m, output_channels)`,
        zeros where an entity is not there, and `pooled` float32 `(b, output_channels)`.

    Raises:
        ValueError: if a field has an invalid value.
        TypeError: if there is no such field, or `config` is of another class.
    """
    config = encoder.configured(PerceiverIOConfig, config, overrides)
    output_channels = output_channels or entity_channels
    described = EntityInputs(entity_channels, category_sizes, name="inputs")(inputs)
    decoded = perceiver_io(
        inputs,
        lambda _: described,
        queries=lambda _: described["content"],
        queries_mask=lambda inputs: inputs["mask"],
        config=config,
    ).output
    projections = {
        part: keras.layers.Dense(output_channels, "relu", dtype="float32", name=part)
        for part in ("entities", "pooled")
    }
    mean = MaskedMean(dtype="float32", name="mean_entity")(decoded, inputs["mask"])
    is_entity = ops.cast(inputs["mask"], "float32")[..., None]
    outputs = {
        "entities": projections["entities"](ops.relu(decoded)) * is_entity,
        "pooled": projections["pooled"](mean),
    }
    return keras.Model(inputs, outputs, name=name)
