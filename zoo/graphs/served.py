"""What is served of a classifier of graphs: labels and edges in, named scores out."""

import tensorflow as tf

from zoo.predictions.served_scores import ServedScores

_EMPTY = "A graph must have at least one node"
_OUTSIDE = "The ends of edges must be numbers of nodes, from 0"
_NOT_FINITE = "The attributes of nodes must be finite numbers"


class ServedGraphs(ServedScores):
    """The functions that are served of a classifier of graphs.

    Args:
        model: functional `keras.Model` from `nodes`, `edges` and their masks to logits (b, k).
        preprocess: `zoo.graphs.preprocess.GraphPreprocess`, which is part of the graph: the
            eigenvectors are computed there.
        class_names: the k labels in the order of the logits, or None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """

    def endpoints(self):
        """Returns the functions that are served, by signature, with what they take.

        Labels and attributes are taken if the model has any.
        """
        several, one = self._specs(2), self._specs(1)
        return {
            "serving_default": (self.classify_graphs, several),
            "classify_graphs": (self.classify_graphs, several),
            "classify_graph": (self.classify_graph, one),
            "graph_format": (self.graph_format, []),
        } | self._names_endpoint()

    def _specs(self, rank):
        """Returns the `tf.TensorSpec`s of a batch of graphs (rank 2), or of a single one (1)."""
        config, any_sizes = self.preprocess.config, (None,) * rank
        specs = []
        if config.node_labels:
            specs.append(tf.TensorSpec(any_sizes, tf.int32, name="node_labels"))
        if config.num_node_attributes:
            shape = (*any_sizes, config.num_node_attributes)
            specs.append(tf.TensorSpec(shape, tf.float32, name="node_attributes"))
        specs.append(tf.TensorSpec(any_sizes, tf.bool, name="node_mask"))
        specs.append(tf.TensorSpec((*any_sizes, 2), tf.int32, name="edges"))
        if config.edge_labels:
            specs.append(tf.TensorSpec(any_sizes, tf.int32, name="edge_labels"))
        specs.append(tf.TensorSpec(any_sizes, tf.bool, name="edge_mask"))
        if rank == 2:
            return specs
        if config.node_labels or config.num_node_attributes:
            return [spec for spec in specs if not spec.name.endswith("_mask")]
        return [tf.TensorSpec((), tf.int32, name="num_nodes"), specs[1], *specs[2:-1]]

    def classify_graphs(self, *tensors):
        """Scores a batch of graphs, padded to the largest of them.

        Args:
            *tensors: what the model has of `node_labels` int32 (b, n), as in the data it was
                trained on; `node_attributes` float32 (b, n, a); `node_mask` bool (b, n), False for
                padding; `edges` int32 (b, e, 2), numbers of nodes from 0, once or in both
                directions; `edge_labels` int32 (b, e); `edge_mask` bool (b, e), in this order.

        Returns:
            `scores`, float32 (b, k), softmax over the classes; and `label`, string (b,), the
            name of the best class, if the names are known.
        """
        graph = self._completed(dict(zip(self._names(2), tensors, strict=True)))
        with tf.control_dependencies(self._checks(graph)):
            graph = {name: tf.identity(value) for name, value in graph.items()}
        return self._scores(self.preprocess(graph))

    def classify_graph(self, *tensors):
        """Scores one graph.

        Args:
            *tensors: what the model has of `node_labels` int32 (n,), `node_attributes` float32
                (n, a), or if it has neither `num_nodes`, scalar int32; `edges` int32 (e, 2);
                `edge_labels` int32 (e,), in this order.

        Returns:
            The same outputs as `classify_graphs`, of a batch of one.
        """
        graph = dict(zip(self._names(1), tensors, strict=True))
        if "num_nodes" in graph:
            count = graph.pop("num_nodes")
        else:
            count = tf.shape(next(iter(graph.values())))[0]
        graph["node_mask"] = tf.ones((count,), tf.bool)
        graph["edge_mask"] = tf.ones(tf.shape(graph["edges"])[:1], tf.bool)
        return self.classify_graphs(*(graph[name][None] for name in self._names(2)))

    def graph_format(self):
        """Returns what graphs must have: the known labels, numbers of attributes, and sizes.

        `node_labels` and `edge_labels` int32 (any,), `num_node_attributes`, and `max_nodes` and
        `max_edges`, int32: of larger graphs evenly spaced nodes and edges are read.
        """
        config = self.preprocess.config
        names = ("node_labels", "edge_labels", "num_node_attributes", "max_nodes", "max_edges")
        return {name: tf.constant(getattr(config, name), tf.int32) for name in names}

    def _names(self, rank):
        return [spec.name for spec in self._specs(rank)]

    def _completed(self, graph):
        """Returns a batch with zeros for the labels and attributes that the model does not take."""
        node_mask, edge_mask = graph["node_mask"], graph["edge_mask"]
        return {
            "node_labels": tf.zeros_like(node_mask, tf.int32),
            "edge_labels": tf.zeros_like(edge_mask, tf.int32),
            "node_attributes": tf.zeros((*tf.unstack(tf.shape(node_mask)), 0)),
            **graph,
        }

    def _checks(self, graph):
        config, node_mask, edge_mask = (
            self.preprocess.config,
            graph["node_mask"],
            graph["edge_mask"],
        )
        clipped = tf.clip_by_value(graph["edges"], 0, tf.maximum(tf.shape(node_mask)[1] - 1, 0))
        padded = tf.pad(node_mask, [[0, 0], [0, 1]])
        is_node = tf.gather(padded, clipped, batch_dims=1) & (clipped == graph["edges"])
        attributes = tf.math.is_finite(graph["node_attributes"]) | ~node_mask[..., None]
        checks = [
            (tf.reduce_any(node_mask, axis=-1), _EMPTY),
            (is_node | ~edge_mask[..., None], _OUTSIDE),
            (attributes, _NOT_FINITE),
        ]
        for name, mask in (("node_labels", node_mask), ("edge_labels", edge_mask)):
            known = getattr(config, name)
            if known:
                is_known = tf.reduce_any(graph[name][..., None] == tf.constant(known), axis=-1)
                what = f"The {name.replace('_', ' ')} must be among {', '.join(map(str, known))}"
                checks.append((is_known | ~mask, what))
        return [tf.debugging.Assert(tf.reduce_all(holds), [what]) for holds, what in checks]
