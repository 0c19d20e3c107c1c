"""Graphs for tests: small ones in memory, and data sets written in every format."""

import json
import zipfile

import numpy as np

from zoo.graphs.graph import make_graph

# A path of four nodes with a triangle at its end: symmetric but for its labels, and its third and
# fourth eigenvalues above 0 are equal.
KITE = {
    "num_nodes": 6,
    "edges": [[0, 1], [1, 2], [2, 3], [3, 4], [3, 5], [4, 5]],
    "node_labels": [7, 7, 9, 9, 4, 9],
    "edge_labels": [1, 2, 1, 2, 2, 1],
}
# A ring of equal nodes, one of them with a leaf: turning it over changes nothing, and turns the
# signs of several eigenvectors.
PHENOL = {
    "num_nodes": 7,
    "edges": [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 0], [0, 6]],
    "node_labels": [4, 4, 4, 4, 4, 4, 9],
    "edge_labels": [1, 1, 1, 1, 1, 1, 2],
}
PATH = {
    "num_nodes": 4,
    "edges": [[0, 1], [1, 2], [2, 3]],
    "node_labels": [4, 7, 7, 9],
    "edge_labels": [2, 1, 1],
}


def graph(fields=KITE):
    """Returns a `zoo.graphs.graph.Graph`."""
    return make_graph("a graph", **fields)


def rings_and_trees(count, seed=0):
    """Returns (fields, label) of rings (1) and of trees with a random bond more or less (0)."""
    random = np.random.default_rng(seed)
    graphs = []
    for number in range(count):
        size, label = int(random.integers(5, 9)), number % 2
        if label:
            edges = [[node, (node + 1) % size] for node in range(size)]
        else:
            edges = [[node, int(random.integers(node))] for node in range(1, size)]
        order = random.permutation(size)
        fields = {
            "num_nodes": size,
            "edges": order[np.array(edges)].tolist(),
            "node_labels": random.choice([4, 7, 9], size).tolist(),
            "edge_labels": random.choice([1, 2], len(edges)).tolist(),
        }
        graphs.append((fields, 2 * label - 1))
    return graphs


def tu_files(graphs, name="TOY", attributes=None):
    """Returns a dict from names to texts: a data set in TUDataset's format."""
    offsets = np.cumsum([0, *(fields["num_nodes"] for fields, _ in graphs)])
    ends, edge_labels = [], []
    for offset, (fields, _) in zip(offsets[:-1], graphs, strict=True):
        for (a, b), kind in zip(fields["edges"], fields["edge_labels"], strict=True):
            ends += [(a + offset + 1, b + offset + 1), (b + offset + 1, a + offset + 1)]
            edge_labels += [kind, kind]
    indicator = [n for n, (f, _) in enumerate(graphs, 1) for _ in range(f["num_nodes"])]
    node_labels = [label for fields, _ in graphs for label in fields["node_labels"]]
    files = {
        "A": [f"{a}, {b}" for a, b in ends],
        "graph_indicator": indicator,
        "graph_labels": [label for _, label in graphs],
        "node_labels": node_labels,
        "edge_labels": edge_labels,
    }
    if attributes is not None:
        files["node_attributes"] = [", ".join(map(str, row)) for row in attributes]
    return {f"{name}_{part}.txt": "\n".join(map(str, lines)) for part, lines in files.items()}


def write_tu(folder, graphs, **settings):
    """Writes `folder` in TUDataset's format and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tu_files(graphs, **settings).items():
        (folder / name).write_text(text + "\n")
    return folder


def write_zip(path, graphs):
    """Writes `path` as a zip of a folder in TUDataset's format and returns it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in tu_files(graphs).items():
            archive.writestr(f"TOY/{name}", text + "\n")
    return path


def write_dgcnn(path, graphs):
    """Writes `path` in DGCNN's format and returns it."""
    lines = [str(len(graphs))]
    for fields, label in graphs:
        lines.append(f"{fields['num_nodes']} {label}")
        for node, tag in enumerate(fields["node_labels"]):
            joined = [a + b - node for a, b in fields["edges"] if node in (a, b)]
            lines.append(" ".join(map(str, (tag, len(joined), *joined))))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_json(path, graphs):
    """Writes `path` as JSON and returns it."""
    path.write_text(json.dumps([{**fields, "label": label} for fields, label in graphs]))
    return path
