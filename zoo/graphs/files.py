"""Data sets of graphs in files: TUDataset's folders and zips, DGCNN's text, JSON."""

import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from zoo.errors import ZooError
from zoo.graphs.graph import GraphSet, make_graph
from zoo.graphs.tables import parse_dgcnn, parse_tu

ADJACENCY = "_A.txt"
JSON_FIELDS = ("num_nodes", "edges", "node_labels", "node_attributes", "edge_labels", "label")


def read_graphs(spec, skip_corrupt=False) -> GraphSet:
    """Returns the graphs of a file or folder.

    Args:
        spec: str or path, one of:
            a folder, or a `.zip` of it, in the format of TUDataset: `DS_A.txt`,
            `DS_graph_indicator.txt`, `DS_graph_labels.txt` and, if there are such,
            `DS_node_labels.txt`, `DS_node_attributes.txt`, `DS_edge_labels.txt`; "FOLDER/DS" also
            finds `FOLDER/DS.zip`;
            a `.txt` file in DGCNN's format: the number of graphs; of each graph a line with its
            number of nodes and its label; of each node a line with its tag, its number of
            neighbours, their numbers from 0 and, if any, its attributes;
            a `.json` file: a graph, or a list of graphs, or `{"graphs": [...]}`, see `_from_json`.
        skip_corrupt: bool. Leave out, and list in `skipped`, graphs that cannot be used.

    Raises:
        ZooError: if there is no such file, it is incomplete or its parts contradict each other,
            or a graph cannot be used (with `skip_corrupt`: if none can).
    """
    path = Path(spec).expanduser()
    zipped = path.with_name(path.name + ".zip")
    if not path.exists() and zipped.is_file():
        path = zipped
    if path.is_dir() or path.suffix.lower() == ".zip":
        raw = parse_tu(str(path), *_tu_files(path))
    elif path.suffix.lower() == ".txt":
        raw = parse_dgcnn(str(path), _content(path).decode("utf-8", "replace"))
    elif path.suffix.lower() == ".json":
        raw = _from_json(path)
    elif not path.exists():
        raise ZooError(f"There is no such file or folder of graphs: {spec}.")
    else:
        raise ZooError(
            "Graphs must be a folder or .zip in TUDataset's format, a .txt file in DGCNN's, or a "
            f".json file. Received: {spec}."
        )
    return _graph_set(path, raw, skip_corrupt)


def _graph_set(path, raw, skip_corrupt):
    """Returns the `GraphSet` of a list of (arguments of `make_graph` but the first, label)."""
    graphs, labels, skipped = {}, [], {}
    for number, (fields, label) in enumerate(raw, 1):
        try:
            graphs[number] = make_graph(f"graph {number} of {path}", **fields)
        except ZooError as error:
            if not skip_corrupt:
                raise ZooError(f"{error} Leave such out with --skip-corrupt.") from error
            skipped[number] = str(error)
            continue
        labels.append(label)
    if not graphs:
        raise ZooError(f"{path} must hold graphs. Received: none that can be used.")
    widths = {graph.node_attributes.shape[1] for graph in graphs.values()}
    if len(widths) > 1:
        raise ZooError(
            "The nodes of all graphs must have equally many attributes. "
            f"Received: from {min(widths)} to {max(widths)} in {path}."
        )
    classes = sorted({label for label in labels if label is not None})
    numbers = {label: number for number, label in enumerate(classes)}
    return GraphSet(
        name=str(path),
        graphs=tuple(graphs.values()),
        labels=np.array([numbers.get(label, -1) for label in labels], np.int64),
        class_names=tuple(str(label) for label in classes),
        node_labels=_occurring(raw, "node_labels", [g.node_labels for g in graphs.values()]),
        edge_labels=_occurring(raw, "edge_labels", [g.edge_labels for g in graphs.values()]),
        num_node_attributes=widths.pop(),
        numbers=tuple(graphs),
        skipped=skipped,
    )


def _occurring(raw, name, arrays):
    if all(fields.get(name) is None for fields, _ in raw):
        return ()
    return tuple(np.unique(np.concatenate(arrays)).tolist())


def _tu_files(path):
    """Returns the name of a TUDataset, and a dict from the part of a name behind it to bytes."""
    contents = _folder_texts(path) if path.is_dir() else _zip_texts(path)
    found = sorted(name for name in contents if name.endswith(ADJACENCY))
    if len(found) != 1:
        raise ZooError(
            f"{path} must hold one data set in TUDataset's format, with its DS{ADJACENCY}. "
            f"Received: {', '.join(found) or 'none'}."
        )
    prefix = found[0][: -len(ADJACENCY)]
    name = prefix.rsplit("/", 1)[-1]
    parts = {
        member[len(prefix) + 1 : -len(".txt")]: read
        for member, read in contents.items()
        if member.startswith(prefix + "_")
    }
    return name, {part: read() for part, read in parts.items()}


def _folder_texts(path):
    files = sorted(file for file in path.iterdir() if file.suffix == ".txt")
    return {file.name: (lambda file=file: _content(file)) for file in files}


def _zip_texts(path):
    content = _content(path)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile as error:
        raise ZooError(f"{path} cannot be read: it is no complete .zip file.") from error

    def read(member):
        try:
            return archive.read(member)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
            raise ZooError(f"{member} of {path} cannot be read: {error}.") from error

    members = [member for member in archive.namelist() if member.endswith(".txt")]
    return {member: (lambda member=member: read(member)) for member in members}


def _content(path):
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ZooError(f"There is no such file or folder of graphs: {path}.") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ZooError(f"The graphs {path} cannot be read: {reason}.") from error


def _from_json(path):
    """Returns the graphs of a JSON file as `_graph_set` takes them.

    A graph is an object of `edges`, a list of pairs of numbers of nodes from 0, and of
    `num_nodes`, `node_labels` (integers) or `node_attributes` (a list of numbers for each node),
    at least one of the three; and, if wanted, `edge_labels` (integers) and `label` (its class).
    """
    try:
        content = json.loads(_content(path).decode("utf-8"))
    except ValueError as error:
        raise ZooError(f"{path} cannot be read: it is no JSON ({error}).") from error
    if isinstance(content, dict) and "graphs" in content:
        content = content["graphs"]
    graphs = content if isinstance(content, list) else [content]
    return [_json_graph(path, number, graph) for number, graph in enumerate(graphs, 1)]


def _json_graph(path, number, graph):
    where = f"graph {number} of {path}"
    if not isinstance(graph, dict) or "edges" not in graph or set(graph) - set(JSON_FIELDS):
        found = ", ".join(map(str, graph)) if isinstance(graph, dict) else type(graph).__name__
        raise ZooError(
            f"A graph must be an object of `edges` and of some of {', '.join(JSON_FIELDS)}. "
            f"Received: {found} ({where})."
        )
    fields = {name: graph.get(name) for name in JSON_FIELDS if name != "label"}
    if fields["num_nodes"] is None:
        per_node = fields["node_labels"] if fields["node_labels"] is not None else None
        per_node = fields["node_attributes"] if per_node is None else per_node
        if not isinstance(per_node, list):
            raise ZooError(
                "A graph must have `num_nodes`, `node_labels` or `node_attributes`. "
                f"Received: none of them ({where})."
            )
        fields["num_nodes"] = len(per_node)
    if type(fields["num_nodes"]) is not int:
        raise ZooError(
            f"`num_nodes` must be an integer. Received: {fields['num_nodes']!r} ({where})."
        )
    label = graph.get("label")
    return fields, None if label is None else str(label)
