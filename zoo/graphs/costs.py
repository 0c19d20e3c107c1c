"""What models of graphs have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

from perceiver_tf.layers.reading import Rows
from perceiver_tf.models.memory import GELU_KEPT
from zoo.graphs.widths import edge_channels, node_channels
from zoo.surroundings import Surroundings, around_modalities


def around_graphs(config) -> Surroundings:
    """Returns what embeds `max_nodes` nodes and `max_edges` edges, and the classifier's head.

    Graphs of fewer are padded to as many, see `zoo.graphs.preprocess`.
    """
    nodes = _embedded(config, config.max_nodes, node_channels(config))
    edges = _embedded(config, config.max_edges, edge_channels(config))
    return around_modalities([nodes, edges], config.architecture, config.num_classes)


def _embedded(config, length, input_channels):
    """Returns what embeds the nodes, or the edges."""
    width, hidden = config.token_channels, config.hidden_channels
    between = hidden or input_channels
    num_weights = (between + 1) * width + ((input_channels + 1) * hidden if hidden else 0)
    inputs, embedded = length * (input_channels + 1), length * width
    return Surroundings(
        rows=Rows((length,), width),
        queries=(1, None),
        multiply_adds=length * (between * width + input_channels * hidden),
        num_weights=num_weights,
        held=inputs + embedded,
        forward=inputs + embedded + length * hidden,
        kept=inputs + embedded + GELU_KEPT["tanh"] * length * hidden,
        rows_have_gradients=True,
    )
