"""Graphs in memory, and what must hold of one."""

from dataclasses import dataclass

import numpy as np

from zoo.errors import ZooError


@dataclass(frozen=True)
class Graph:
    """An undirected graph of labelled nodes and edges.

    Attributes:
        node_labels: int64 numpy array (n,), any numbers; zeros where the nodes have no labels.
        node_attributes: float32 numpy array (n, a), a from 0.
        edges: int64 numpy array (e, 2), numbers of nodes from 0, every edge once.
        edge_labels: int64 numpy array (e,); zeros where the edges have no labels.
    """

    node_labels: np.ndarray
    node_attributes: np.ndarray
    edges: np.ndarray
    edge_labels: np.ndarray

    @property
    def num_nodes(self):
        """How many nodes there are."""
        return len(self.node_labels)


@dataclass(frozen=True)
class GraphSet:
    """The labelled graphs of a data set.

    Attributes:
        name: str, for messages.
        graphs: tuple of `Graph`.
        labels: int64 numpy array (graphs,), numbers of classes from 0; -1: not known.
        class_names: tuple of str in the order of the labels.
        node_labels: tuple of int, the labels of nodes that occur, ascending; () without labels.
        edge_labels: tuple of int, those of edges.
        num_node_attributes: int.
        numbers: tuple of int, which graph of the file each is, from 1.
        skipped: dict from the numbers of graphs that were left out to reasons.
    """

    name: str
    graphs: tuple[Graph, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    node_labels: tuple[int, ...]
    edge_labels: tuple[int, ...]
    num_node_attributes: int
    numbers: tuple[int, ...]
    skipped: dict[int, str]


def make_graph(where, num_nodes, edges, node_labels=None, node_attributes=None, edge_labels=None):
    """Returns a `Graph`, its edges undirected: each once, loops left out.

    Args:
        where: str, which graph it is, for messages.
        num_nodes: int.
        edges: integers (e, 2), numbers of nodes from 0; once, or in both directions, of which
            the first one's label counts.
        node_labels: integers (n,) or None.
        node_attributes: numbers (n, a) or None.
        edge_labels: integers (e,) or None.

    Raises:
        ZooError: if there is no node, an edge has an end outside of the graph, the arrays do not
            fit together, or an attribute is not finite.
    """
    if num_nodes < 1:
        raise ZooError(f"A graph must have at least one node. Received: {where}, empty.")
    edges = _integers(where, "edges", edges, (None, 2))
    if edges.size and not 0 <= edges.min() <= edges.max() < num_nodes:
        wrong = edges.min() if edges.min() < 0 else edges.max()
        raise ZooError(
            f"The ends of edges must be numbers of nodes from 0 to {num_nodes - 1}. "
            f"Received: {wrong} in {where}."
        )
    labels = np.zeros(num_nodes, np.int64)
    if node_labels is not None:
        labels = _integers(where, "node_labels", node_labels, (num_nodes,))
    attributes = np.zeros((num_nodes, 0), np.float32)
    if node_attributes is not None:
        attributes = _attributes(where, node_attributes, num_nodes)
    of_edges = np.zeros(len(edges), np.int64)
    if edge_labels is not None:
        of_edges = _integers(where, "edge_labels", edge_labels, (len(edges),))
    kept = _undirected(edges, num_nodes)
    return Graph(labels, attributes, np.sort(edges[kept], axis=1), of_edges[kept])


def _undirected(edges, num_nodes):
    """Returns the rows of the first occurrence of each edge that is no loop, in order."""
    low, high = edges.min(axis=1, initial=num_nodes), edges.max(axis=1, initial=0)
    rows = np.flatnonzero(low != high)
    _, first = np.unique(low[rows] * num_nodes + high[rows], return_index=True)
    return rows[np.sort(first)]


def _integers(where, name, values, shape):
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.zeros(0, object)
    if array.size == 0 and shape[0] in (None, 0):
        return np.zeros((0, *shape[1:]), np.int64)
    fits = array.ndim == len(shape) and all(
        size in (None, has) for size, has in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "iu":
        wanted = f"({', '.join('any' if size is None else str(size) for size in shape)})"
        raise ZooError(
            f"`{name}` of {where} must be integers of shape {wanted}. "
            f"Received: {array.dtype} of shape {array.shape}."
        )
    return array.astype(np.int64)


def _attributes(where, values, num_nodes):
    try:
        array = np.asarray(values, np.float32)
    except (ValueError, TypeError):
        array = np.zeros(0, np.float32)
    if array.ndim != 2 or len(array) != num_nodes:
        raise ZooError(
            f"`node_attributes` of {where} must be numbers of shape ({num_nodes}, any). "
            f"Received: shape {array.shape}."
        )
    if not np.isfinite(array).all():
        raise ZooError(f"The attributes of nodes must be finite numbers. Received: {where}.")
    return array
