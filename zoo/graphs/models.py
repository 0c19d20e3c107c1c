"""From the configuration of a classifier of graphs to its model."""

import keras

from perceiver_tf.layers.entity_inputs import EntityInputs
from perceiver_tf.models.perceiver import perceiver
from zoo.graphs.widths import edge_channels, node_channels
from zoo.numerics import architecture_of


def graph_classifier(config, name="graph_classifier"):
    """Return the model of a `GraphClassifierConfig`.

    Nodes and edges are two modalities of one byte array; the bias of each one's projection tells
    which it is.

    Args:
        config: `GraphClassifierConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from a dict of `nodes` float32 `(b, n, node channels)`,
        `node_mask` bool `(b, n)`, `edges` float32 `(b, e, edge channels)` and `edge_mask` bool
        `(b, e)`, False for padding (see `zoo.graphs.preprocess`), to float32 logits
        `(b, num_classes)`; any n and e. The order of nodes and edges does not matter.
    """
    inputs = {
        "nodes": keras.Input((None, node_channels(config)), name="nodes"),
        "node_mask": keras.Input((None,), dtype="bool", name="node_mask"),
        "edges": keras.Input((None, edge_channels(config)), name="edges"),
        "edge_mask": keras.Input((None,), dtype="bool", name="edge_mask"),
    }
    layers = {
        kind: EntityInputs(
            config.token_channels,
            hidden_channels=config.hidden_channels or None,
            name=f"{kind}_inputs",
        )
        for kind in ("node", "edge")
    }

    def adapter(inputs):
        return [
            layer({"numbers": inputs[f"{kind}s"], "mask": inputs[f"{kind}_mask"]})
            for kind, layer in layers.items()
        ]

    return perceiver(inputs, adapter, config.num_classes, architecture_of(config), name)
