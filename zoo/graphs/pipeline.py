"""Graphs: the pipeline from files to batches of tokens, by folds."""

import dataclasses
import warnings

import numpy as np
import tensorflow as tf

from zoo.data.example_pipeline import ExamplePipeline, Split
from zoo.data.folds import fold_rows
from zoo.errors import ZooError
from zoo.graphs.files import read_graphs
from zoo.graphs.preprocess import GraphPreprocess, with_signs


class GraphPipeline(ExamplePipeline):
    """Delivers `(inputs, targets)`: a dict of tokens and masks, and one-hot labels.

    The split "test" is the configuration's fold, "train" all others.

    Args:
        config: `GraphClassifierConfig`.
        source_spec: where the graphs are, see `zoo.graphs.files.read_graphs`.
        skip_corrupt: bool. Leave out, and count, graphs that cannot be used.
        source: `zoo.graphs.graph.GraphSet` that was read already, or None: read when it is needed.
    """

    def __init__(self, config, source_spec, skip_corrupt=False, source=None):
        super().__init__(f"the graphs {source_spec}", self._read, GraphPreprocess(config))
        self.config, self.source_spec, self.skip_corrupt = config, source_spec, skip_corrupt
        self._source = source
        if source is not None and len(source.class_names) == config.num_classes:
            self.class_names = source.class_names

    @property
    def source(self):
        """The `zoo.graphs.graph.GraphSet`.

        Raises:
            ZooError: if there is no such data.
        """
        if self._source is None:
            self._source = read_graphs(self.source_spec, self.skip_corrupt)
        return self._source

    @property
    def skipped(self):
        """Tuple of str: what was left out so far, and why."""
        return () if self._source is None else tuple(self._source.skipped.values())

    def _read(self):
        source, config = self.source, self.config
        check_fields(source, config)
        if len(source.class_names) == config.num_classes:
            self.class_names = source.class_names
        parts = fold_rows(source.labels, config.num_folds, config.fold, config.fold_seed)
        warn_of_large_graphs(source, config)
        tokens = tokens_of(source.graphs, self.preprocess)
        return {
            split: _split(config, tokens, source.labels, rows)
            for split, rows in zip(("train", "test"), parts, strict=True)
        }


def graph_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the `GraphPipeline` of a `GraphClassifierConfig`."""
    return GraphPipeline(config, source_spec, skip_corrupt)


def with_fields_of_the_data(config, pipeline):
    """Returns the configuration and the pipeline for the classes, labels and attributes there."""
    source = pipeline.source
    config = dataclasses.replace(
        config,
        num_classes=max(len(source.class_names), 1),
        node_labels=source.node_labels,
        edge_labels=source.edge_labels,
        num_node_attributes=source.num_node_attributes,
    )
    return config, GraphPipeline(config, pipeline.source_spec, pipeline.skip_corrupt, source)


def check_fields(source, config, with_classes=True):
    """Raises a `ZooError` if the model does not take the graphs of a `GraphSet`."""
    if with_classes and (source.labels.min() < 0 or len(source.class_names) < 2):
        raise ZooError(f"All graphs of {source.name} must have a class, of two or more.")
    if with_classes and len(source.class_names) > config.num_classes:
        raise ZooError(
            "The model must have an output for each class of the data. Received: "
            f"{config.num_classes} outputs for the {len(source.class_names)} classes of "
            f"{source.name}."
        )
    for name in ("node_labels", "edge_labels"):
        known = getattr(config, name)
        unknown = sorted(set(getattr(source, name)) - set(known))
        if known and not getattr(source, name):
            raise ZooError(
                f"{name.split('_')[0].capitalize()}s must have labels, as the model takes. "
                f"Received: none in {source.name}."
            )
        if known and unknown:
            raise ZooError(
                f"The {name.replace('_', ' ')} must be among those that the model knows, "
                f"{', '.join(map(str, known))}. Received: {unknown[0]} in {source.name}."
            )
    if source.num_node_attributes != config.num_node_attributes:
        raise ZooError(
            f"Nodes must have {config.num_node_attributes} attributes, as the model takes. "
            f"Received: {source.num_node_attributes} in {source.name}."
        )


def warn_of_large_graphs(source, config):
    """Warns if there are graphs of which the model reads a part only."""
    num_large = sum(
        graph.num_nodes > config.max_nodes or len(graph.edges) > config.max_edges
        for graph in source.graphs
    )
    if num_large:
        warnings.warn(
            f"{num_large:,} of the {len(source.graphs):,} graphs of {source.name} have more than "
            f"max_nodes={config.max_nodes} nodes or max_edges={config.max_edges} edges; evenly "
            "spaced ones of them are read. More are by --set max_nodes=N and --set max_edges=N.",
            stacklevel=2,
        )


def raw_batch(graphs):
    """Returns graphs as `GraphPreprocess` takes them, padded to the largest."""
    most_nodes = max(graph.num_nodes for graph in graphs)
    most_edges = max(len(graph.edges) for graph in graphs)

    nodes = [np.ones(graph.num_nodes, bool) for graph in graphs]
    edges = [np.ones(len(graph.edges), bool) for graph in graphs]
    return {
        "node_labels": padded([graph.node_labels for graph in graphs], most_nodes, np.int32),
        "node_attributes": padded(
            [graph.node_attributes for graph in graphs], most_nodes, np.float32
        ),
        "node_mask": padded(nodes, most_nodes, bool),
        "edges": padded([graph.edges for graph in graphs], most_edges, np.int32),
        "edge_labels": padded([graph.edge_labels for graph in graphs], most_edges, np.int32),
        "edge_mask": padded(edges, most_edges, bool),
    }


def padded(arrays, count, dtype):
    """Returns arrays (any, ...) as one (arrays, count, ...), zeros behind the shorter ones."""
    whole = np.zeros((len(arrays), count, *arrays[0].shape[1:]), dtype)
    for row, array in zip(whole, arrays, strict=True):
        row[: len(array)] = array
    return whole


def tokens_of(graphs, preprocess):
    """Returns the tokens of graphs, computed here, once, and not again in every epoch.

    Returns:
        dict of numpy arrays, see `GraphPreprocess`.
    """
    compute = tf.function(preprocess, [preprocess.specs()], autograph=False)
    parts = []
    with tf.init_scope(), tf.device("CPU:0"):
        for graph in graphs:
            tokens = compute({name: tf.constant(v) for name, v in raw_batch([graph]).items()})
            parts.append({name: value.numpy() for name, value in tokens.items()})
    return {name: np.concatenate([tokens[name] for tokens in parts]) for name in parts[0]}


def with_random_signs(tokens, key, num_positions):
    """Returns tokens with each eigenvector's sign turned or not, at even chances."""
    turned = tf.random.stateless_uniform((num_positions,), key) < 0.5
    return with_signs(tokens, tf.where(turned, -1.0, 1.0))


def _split(config, tokens, labels, rows):
    """Returns the `Split` of the graphs of some rows."""
    with tf.init_scope(), tf.device("CPU:0"):
        tokens = {name: tf.constant(values[rows]) for name, values in tokens.items()}
        labels = tf.constant(labels[rows])

    def example(index, key, training):
        inputs = {name: values[index] for name, values in tokens.items()}
        if training and config.random_signs:
            inputs = with_random_signs(inputs, key, config.num_positions)
        return inputs, tf.one_hot(labels[index], config.num_classes)

    return Split(len(rows), example)
