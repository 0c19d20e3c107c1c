"""A graph as a set of nodes and edges: the one preprocessing of training and serving."""

import tensorflow as tf

from zoo.graphs.widths import edge_channels, node_channels

PARTS = (
    *("node_labels", "node_attributes", "node_mask"),
    *("edges", "edge_labels", "edge_mask"),
)
ZERO_EIGENVALUE = 1e-6
PERTURBATION = 1e-7
SYMMETRIC = 1e-3
BEHIND_ALL_EIGENVALUES = 4.0
SIZE_SCALE = 4.0
DEGREE_SCALE = 4.0
COUNT_SCALE = 4.0


class GraphPreprocess:
    """Makes tokens of the nodes and edges of graphs.

    A node says its label (one-hot), its attributes (their inverse hyperbolic sines, which keep
    large numbers in bounds), how many neighbours it has, of which labels, the chances of random
    walks to be back, and its position: its entries in the eigenvectors of the normalised Laplacian
    I - D^(-1/2) A D^(-1/2) that belong to the smallest eigenvalues above zero, times the square
    root of the number of nodes, so that they are of about unit scale. An edge says its label, the
    labels of its two ends together, and the sums and absolute differences of their positions,
    which do not depend on the order of the ends. Both say the size of the graph, and if wanted how
    many nodes there are of each label and degree, which attention as a mean cannot count.

    An eigenvector's sign is arbitrary, and those of equal eigenvalues are arbitrary within their
    space. What else is known of the nodes decides: of equal eigenvalues by a perturbation of the
    diagonal by 1e-7, of signs see `with_chosen_signs`. So the order of the nodes decides nothing,
    but where nodes of equal marks leave several eigenvectors of one eigenvalue, as in a ring of
    equal nodes. Training turns signs at random.

    The same object works in the training pipeline and inside the served graph, so that both
    compute the same numbers. It has no state and uses TensorFlow's own operations only.

    Args:
        config: `zoo.graphs.configs.GraphClassifierConfig`.
    """

    def __init__(self, config):
        self.config = config

    def specs(self):
        """Returns a dict of the `tf.TensorSpec` of each part of a batch of graphs."""
        widths = {"node_attributes": [self.config.num_node_attributes], "edges": [2]}
        dtypes = {"node_attributes": tf.float32, "node_mask": tf.bool, "edge_mask": tf.bool}
        return {
            name: tf.TensorSpec((None, None, *widths.get(name, [])), dtypes.get(name, tf.int32))
            for name in PARTS
        }

    def __call__(self, graph):
        """Returns the tokens of graphs.

        Args:
            graph: dict of `node_labels` int32 (b, n), `node_attributes` float32 (b, n, a),
                `node_mask` bool (b, n), False for padding, `edges` int32 (b, e, 2), numbers of
                nodes, `edge_labels` int32 (b, e) and `edge_mask` bool (b, e). Edges may be there
                once or in both directions, of which the first counts; loops do not.

        Returns:
            dict of float32 `nodes` (b, max_nodes, c) and `edges` (b, max_edges, d), zeros at
            padding, and bool `node_mask` (b, max_nodes) and `edge_mask` (b, max_edges).
        """
        config, node_mask = self.config, graph["node_mask"]
        num_nodes = tf.shape(node_mask)[1]
        ends, edge_mask = undirected(graph["edges"], graph["edge_mask"], num_nodes)
        adjacent = adjacency(ends, edge_mask, num_nodes)
        labels = one_hot(graph["node_labels"], config.node_labels)
        labels = tf.where(node_mask[..., None], labels, 0.0)
        degrees = tf.reduce_sum(adjacent, axis=-1, keepdims=True)
        size = [graph_size(node_mask, edge_mask)]
        if config.label_counts:
            size.append(tf.reduce_sum(labels, axis=1) / COUNT_SCALE)
        size.append(degree_counts(degrees, config.num_degree_counts) / COUNT_SCALE)
        size = tf.concat(size, axis=-1)[:, None]
        nodes = [
            labels,
            tf.asinh(graph["node_attributes"]),
            degrees / DEGREE_SCALE,
            tf.matmul(adjacent, labels) / DEGREE_SCALE,
            return_chances(adjacent, config.num_walks),
        ]
        nodes = tf.where(node_mask[..., None], tf.concat(nodes, -1), 0.0)
        marks = node_marks(nodes)
        positions = laplacian_positions(adjacent, node_mask, marks, config.num_positions)
        nodes = [nodes, tf.repeat(size, num_nodes, axis=1), positions]
        first, second = tf.unstack(tf.gather(positions, ends, batch_dims=1), axis=2)
        edges = [
            one_hot(graph["edge_labels"], config.edge_labels),
            tf.reduce_sum(tf.gather(labels, ends, batch_dims=1), axis=2),
            tf.repeat(size, tf.shape(ends)[1], axis=1),
            tf.abs(first - second),
            first + second,
        ]
        nodes, node_mask = chosen_rows(tf.concat(nodes, -1), node_mask, config.max_nodes)
        edges, edge_mask = chosen_rows(tf.concat(edges, -1), edge_mask, config.max_edges)
        return {
            "nodes": tf.ensure_shape(nodes, (None, None, node_channels(config))),
            "node_mask": node_mask,
            "edges": tf.ensure_shape(edges, (None, None, edge_channels(config))),
            "edge_mask": edge_mask,
        }


def with_signs(tokens, signs):
    """Returns tokens as if some eigenvectors had the opposite sign.

    Args:
        tokens: dict with `nodes` and `edges`, (..., c) and (..., d), see `GraphPreprocess`.
        signs: float32 (k,), 1 or -1 for each eigenvector.
    """

    def changed(rows):  # the last channels are positions, or sums of positions
        ones = tf.ones(rows.shape[-1] - signs.shape[0])
        return rows * tf.concat([ones, signs], axis=0)

    return {**tokens, "nodes": changed(tokens["nodes"]), "edges": changed(tokens["edges"])}


def chosen_rows(rows, mask, most):
    """Returns `most` rows of each set: all in their order, or evenly spaced ones of more.

    Args:
        rows: float32 (b, n, c).
        mask: bool (b, n), False for rows that do not count.
        most: int.

    Returns:
        float32 (b, most, c), zeros behind the rows of a smaller set; and bool (b, most).
    """
    order = tf.argsort(tf.cast(~mask, tf.int32), axis=1, stable=True)
    count = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1, keepdims=True)
    places = tf.range(most)[None]
    numbers = tf.where(count > most, places * count // most, places)
    exists = places < count
    order = tf.gather(tf.pad(order, [[0, 0], [0, 1]]), tf.where(exists, numbers, 0), batch_dims=1)
    rows = tf.gather(tf.pad(rows, [[0, 0], [0, 1], [0, 0]]), order, batch_dims=1)
    return tf.where(exists[..., None], rows, 0.0), exists


def one_hot(labels, known):
    """Returns float32 (..., k), 1 where an integer label is the known one; zeros for others."""
    return tf.cast(labels[..., None] == tf.constant(known, labels.dtype), tf.float32)


def undirected(edges, mask, num_nodes):
    """Returns edges with their ends clipped to nodes, and which of them count.

    Args:
        edges: int32 (b, e, 2).
        mask: bool (b, e), False for padding.
        num_nodes: scalar int32.

    Returns:
        int32 (b, e, 2), zeros at padding; and bool (b, e), False for padding, loops and edges that
        are there before, in either direction.
    """
    edges = tf.where(mask[..., None], edges, 0)
    low, high = tf.reduce_min(edges, -1), tf.reduce_max(edges, -1)
    counts = mask & (low != high)
    batch_size, num_edges = tf.unstack(tf.shape(mask))
    pairs = num_nodes * num_nodes
    key = (tf.range(batch_size)[:, None] * num_nodes + low) * num_nodes + high
    place = tf.range(num_edges)[None] + tf.zeros_like(low)
    place = tf.where(counts, place, num_edges)
    first = tf.math.unsorted_segment_min(place, key, batch_size * pairs)
    return edges, counts & (tf.gather(first, key) == place)


def adjacency(ends, mask, num_nodes):
    """Returns float32 (b, n, n), 1 where nodes are joined."""
    first, second = (tf.one_hot(ends[..., end], num_nodes) for end in range(2))
    first = tf.where(mask[..., None], first, 0.0)
    joined = tf.matmul(first, second, transpose_a=True)
    return joined + tf.linalg.matrix_transpose(joined)


def node_marks(nodes):
    """Returns a number for each node that depends on what is known of it: float32 (b, n).

    Args:
        nodes: float32 (b, n, c).
    """
    mixture = tf.cos(tf.range(1.0, tf.cast(tf.shape(nodes)[-1], tf.float32) + 1.0))
    return tf.sin(tf.reduce_sum(nodes * mixture, axis=-1))


def laplacian_positions(adjacent, mask, marks, num_positions):
    """Returns the nodes' entries in the smoothest eigenvectors, float32 (b, n, num_positions).

    Args:
        adjacent: float32 (b, n, n).
        mask: bool (b, n).
        marks: float32 (b, n) in [-1, 1]: they decide where the Laplacian alone does not, of equal
            eigenvalues by a perturbation of `PERTURBATION`, of signs see `with_chosen_signs`.
        num_positions: int; zeros where a graph has fewer eigenvectors above eigenvalue 0.
    """
    adjacent, marks = tf.cast(adjacent, tf.float64), tf.cast(marks, tf.float64)
    degrees = tf.reduce_sum(adjacent, axis=-1)
    scale = tf.math.rsqrt(tf.maximum(degrees, 1.0))
    diagonal = tf.cast(degrees > 0, tf.float64) + PERTURBATION * marks
    diagonal = tf.linalg.diag(tf.where(mask, diagonal, BEHIND_ALL_EIGENVALUES))
    values, vectors = tf.linalg.eigh(diagonal - adjacent * scale[..., None] * scale[..., None, :])
    num_nodes = tf.reduce_sum(tf.cast(mask, tf.int32), axis=-1, keepdims=True)
    num_trivial = tf.reduce_sum(tf.cast(values < ZERO_EIGENVALUE, tf.int32), -1, keepdims=True)
    places = num_trivial + tf.range(num_positions)
    exists = places < num_nodes
    places = tf.minimum(places, tf.shape(vectors)[-1] - 1)
    chosen = tf.gather(vectors, places, axis=2, batch_dims=1)
    chosen = tf.where(exists[:, None] & mask[..., None], chosen, 0.0)
    chosen *= tf.sqrt(tf.cast(num_nodes, tf.float64))[..., None]
    return tf.cast(with_chosen_signs(chosen, marks, num_positions), tf.float32)


def with_chosen_signs(vectors, marks, count):
    """Returns eigenvectors with signs that do not depend on those they came with.

    The third moment is to be positive. Where it is zero, as in symmetric graphs, the scalar
    product with the marks and the cubes of the eigenvectors before is: so of several that a
    symmetry turns, all are turned, or none, and the graph is the same.

    Args:
        vectors: float64 (b, n, count).
        marks: float64 (b, n).
        count: int.
    """
    signed = []
    for vector in tf.unstack(vectors, num=count, axis=-1):
        skewed = tf.reduce_sum(vector**3, axis=1, keepdims=True)
        least = SYMMETRIC * tf.reduce_sum(vector**2, axis=1, keepdims=True)
        marked = tf.reduce_sum(vector * marks, axis=1, keepdims=True)
        decisive = tf.where(tf.abs(skewed) > least, skewed, marked)
        signed.append(tf.where(decisive < 0, -vector, vector))
        marks += signed[-1] ** 3
    return tf.stack(signed, axis=-1) if signed else vectors


def return_chances(adjacent, num_walks):
    """Returns the chance of a random walk from each node to be back, (b, n, num_walks).

    Args:
        adjacent: float32 (b, n, n).
        num_walks: int, how many lengths of walks, from 2 steps on.
    """
    degrees = tf.reduce_sum(adjacent, axis=-1, keepdims=True)
    step = tf.math.divide_no_nan(adjacent, degrees)
    chances, walk = [adjacent[..., :0]], step
    for _ in range(num_walks):
        walk = tf.matmul(walk, step)
        chances.append(tf.linalg.diag_part(walk)[..., None])
    return tf.concat(chances, axis=-1)


def degree_counts(degrees, most):
    """Returns how many nodes have 1, 2, ... `most` neighbours, float32 (b, most).

    Args:
        degrees: float32 (b, n, 1), zeros at padding.
        most: int.
    """
    return tf.reduce_sum(tf.cast(degrees == tf.range(1.0, most + 1.0), tf.float32), axis=1)


def graph_size(node_mask, edge_mask):
    """Returns float32 (b, 2), logarithms of the numbers of nodes and edges, about unit scale."""
    counts = [tf.reduce_sum(tf.cast(mask, tf.float32), -1) for mask in (node_mask, edge_mask)]
    return tf.math.log1p(tf.stack(counts, axis=-1)) - SIZE_SCALE
