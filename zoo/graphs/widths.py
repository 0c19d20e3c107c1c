"""How wide the tokens of nodes and edges are; see `zoo.graphs.preprocess` for what they say.

This module does not load TensorFlow.
"""


def node_channels(config):
    """Returns the width of a node's token."""
    labels, of_graph = len(config.node_labels), size_channels(config)
    own = 2 * labels + config.num_node_attributes + config.num_walks + 1
    return own + of_graph + config.num_positions


def edge_channels(config):
    """Returns the width of an edge's token."""
    own = len(config.edge_labels) + len(config.node_labels)
    return own + size_channels(config) + 2 * config.num_positions


def size_channels(config):
    """Returns how many numbers of each token say what the whole graph is."""
    return 2 + config.label_counts * len(config.node_labels) + config.num_degree_counts
