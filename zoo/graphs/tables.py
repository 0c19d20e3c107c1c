"""The tables of numbers that graphs are distributed as: TUDataset's files, DGCNN's lines."""

import io

import numpy as np

from zoo.errors import ZooError

REQUIRED = ("A", "graph_indicator", "graph_labels")


def parse_tu(where, name, files):
    """Returns the graphs of a data set in the format of TUDataset.

    Args:
        where: str, its folder or file, for messages.
        name: str, name of the data set.
        files: dict from the part of a file's name behind the data set's to its bytes.

    Returns:
        list of (dict of the arguments of `zoo.graphs.graph.make_graph` but the first, class int).

    Raises:
        ZooError: if a file is missing or cannot be read, or the files contradict each other.
    """
    for part in REQUIRED:
        if part not in files:
            raise ZooError(f"{where} must hold {name}_{part}.txt. Received: no such file.")

    def table(part, columns, dtype=np.int64):
        return _table(f"{name}_{part}.txt of {where}", files[part], columns, dtype)

    ends = table("A", 2) - 1
    graph_of = table("graph_indicator", 1)[:, 0] - 1
    labels = table("graph_labels", 1)[:, 0]
    optional = {
        part: table(part, columns, dtype)
        for part, columns, dtype in (
            ("node_labels", 1, np.int64),
            ("node_attributes", None, np.float32),
            ("edge_labels", 1, np.int64),
        )
        if part in files
    }
    _check_counts(where, name, ends, graph_of, labels, optional)
    of_node, of_edge = _by_group(graph_of, len(labels)), None
    place = np.empty(len(graph_of), np.int64)
    for rows in of_node:
        place[rows] = np.arange(len(rows))
    of_edge = _by_group(graph_of[ends[:, 0]], len(labels))
    graphs = []
    for nodes, rows, label in zip(of_node, of_edge, labels.tolist(), strict=True):
        fields = {"num_nodes": len(nodes), "edges": place[ends[rows]]}
        if "node_labels" in optional:
            fields["node_labels"] = optional["node_labels"][nodes, 0]
        if "node_attributes" in optional:
            fields["node_attributes"] = optional["node_attributes"][nodes]
        if "edge_labels" in optional:
            fields["edge_labels"] = optional["edge_labels"][rows, 0]
        graphs.append((fields, label))
    return graphs


def parse_dgcnn(where, text):
    """Returns the graphs of a text in DGCNN's format, as `parse_tu`.

    Raises:
        ZooError: if a line has another number of fields than it says, or lines are missing.
    """
    lines = text.splitlines()
    number = 0

    def numbers(least, what):
        nonlocal number
        number += 1
        fields = lines[number - 1].split() if number <= len(lines) else []
        try:
            read = [int(field) for field in fields[:least]]
        except ValueError:
            read = []
        if len(read) < least:
            got = repr(lines[number - 1][:40]) if number <= len(lines) else "the end of the file"
            raise ZooError(f"Line {number} of {where} must hold {what}. Received: {got}.")
        return read, fields

    graphs = []
    for _ in range(numbers(1, "the number of graphs")[0][0]):
        (num_nodes, label), _ = numbers(2, "a number of nodes and the label of a graph")
        graphs.append((_dgcnn_graph(num_nodes, numbers, where), label))
    return graphs


def _dgcnn_graph(num_nodes, numbers, where):
    edges, tags, attributes = [], [], []
    for node in range(num_nodes):
        (tag, degree), fields = numbers(2, "the tag and the number of neighbours of a node")
        try:
            neighbours = [int(field) for field in fields[2 : 2 + degree]]
            attributes.append([float(field) for field in fields[2 + degree :]])
        except ValueError as error:
            raise ZooError(f"A line of {where} has no number where one must be: {error}.") from None
        if len(neighbours) != degree:
            raise ZooError(
                f"A node of {where} must have the {degree} neighbours that it says. "
                f"Received: {len(neighbours)}."
            )
        tags.append(tag)
        edges += [(node, neighbour) for neighbour in neighbours]
    widths = {len(row) for row in attributes}
    if len(widths) > 1:
        raise ZooError(
            f"The nodes of {where} must have equally many attributes. "
            f"Received: from {min(widths)} to {max(widths)} in one graph."
        )
    return {
        "num_nodes": num_nodes,
        "edges": np.array(edges, np.int64).reshape(-1, 2),
        "node_labels": np.array(tags, np.int64),
        "node_attributes": np.array(attributes, np.float32) if num_nodes else None,
    }


def _table(where, content, columns, dtype):
    """Returns the numbers of a file of lines with commas, (lines, columns)."""
    if not content.strip():  # NumPy would warn
        return np.zeros((0, columns or 0), dtype)
    try:
        table = np.loadtxt(io.BytesIO(content), dtype, delimiter=",", ndmin=2)
    except ValueError as error:
        raise ZooError(f"{where} cannot be read: {error}") from error
    if columns is not None and table.shape[1] != columns:
        raise ZooError(
            f"Each line of {where} must hold {columns} numbers. Received: {table.shape[1]}."
        )
    return table


def _check_counts(where, name, ends, graph_of, labels, optional):
    nodes, graphs = len(graph_of), len(labels)
    if nodes and not 0 <= graph_of.min() <= graph_of.max() < graphs:
        wrong = graph_of.min() if graph_of.min() < 0 else graph_of.max()
        raise ZooError(
            f"{name}_graph_indicator.txt of {where} must hold numbers from 1 to {graphs}, the "
            f"number of lines of {name}_graph_labels.txt. Received: {wrong + 1}."
        )
    if ends.size and not 0 <= ends.min() <= ends.max() < nodes:
        wrong = ends.min() if ends.min() < 0 else ends.max()
        raise ZooError(
            f"{name}_A.txt of {where} must hold numbers of nodes from 1 to {nodes}. "
            f"Received: {wrong + 1}."
        )
    across = np.flatnonzero(graph_of[ends[:, 0]] != graph_of[ends[:, 1]])
    if across.size:
        first, second = ends[across[0]] + 1
        raise ZooError(
            f"The ends of an edge must be in one graph. Received: {first}, {second} in line "
            f"{across[0] + 1} of {name}_A.txt of {where}."
        )
    for part, table in optional.items():
        count = len(ends) if part.startswith("edge") else nodes
        if len(table) != count:
            raise ZooError(
                f"{name}_{part}.txt of {where} must have a line for each of the {count} "
                f"{'lines of ' + name + '_A.txt' if part.startswith('edge') else 'nodes'}. "
                f"Received: {len(table)} lines."
            )


def _by_group(groups, count):
    """Returns for each group from 0 to `count` the rows that belong to it, in order."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.cumsum(np.bincount(groups, minlength=count))[:-1])
