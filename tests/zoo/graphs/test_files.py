"""Graphs from files: four formats, one graph; what is wrong is told in one line."""

import json

import numpy as np
import pytest
from graph_examples import (
    KITE,
    PATH,
    write_dgcnn,
    write_json,
    write_tu,
    write_zip,
)

from zoo.data.folds import fold_rows
from zoo.errors import ZooError
from zoo.graphs.files import read_graphs
from zoo.graphs.graph import make_graph

GRAPHS = [(KITE, 3), (PATH, -1), (KITE, 3)]


def edge_set(graph):
    return {
        (*map(int, ends), int(label))
        for ends, label in zip(graph.edges, graph.edge_labels, strict=True)
    }


@pytest.mark.parametrize("form", ["folder", "zip", "named", "dgcnn", "json"])
def test_every_format_gives_the_same_graphs(form, tmp_path):
    if form in ("zip", "named"):
        path = write_zip(tmp_path / "TOY.zip", GRAPHS)
        path = path.with_suffix("") if form == "named" else path
    elif form == "folder":
        path = write_tu(tmp_path / "TOY", GRAPHS)
    else:
        write = {"dgcnn": write_dgcnn, "json": write_json}[form]
        path = write(tmp_path / f"toy.{'txt' if form == 'dgcnn' else 'json'}", GRAPHS)
    source = read_graphs(path)
    assert source.class_names == ("-1", "3") and source.labels.tolist() == [1, 0, 1]
    assert source.node_labels == (4, 7, 9) and source.num_node_attributes == 0
    assert source.edge_labels == (() if form == "dgcnn" else (1, 2))
    for graph, (fields, _) in zip(source.graphs, GRAPHS, strict=True):
        assert graph.node_labels.tolist() == fields["node_labels"]
        labels = [0] * len(fields["edges"]) if form == "dgcnn" else fields["edge_labels"]
        expected = {(*ends, label) for ends, label in zip(fields["edges"], labels, strict=True)}
        assert edge_set(graph) == expected


def test_attributes_are_read(tmp_path):
    attributes = np.arange(32).reshape(16, 2) / 4
    source = read_graphs(write_tu(tmp_path / "TOY", GRAPHS, attributes=attributes))
    assert source.num_node_attributes == 2
    np.testing.assert_array_equal(source.graphs[1].node_attributes, attributes[6:10])
    path = tmp_path / "toy.txt"
    path.write_text("1\n2 0\n5 1 1 0.5 -1.5\n6 1 0 2.5 3\n")
    graph = read_graphs(path).graphs[0]
    np.testing.assert_array_equal(graph.node_attributes, [[0.5, -1.5], [2.5, 3]])
    assert graph.edges.tolist() == [[0, 1]]


def test_edges_count_once_and_loops_do_not():
    graph = make_graph(
        "g", 3, [[2, 1], [0, 0], [1, 2], [0, 2], [2, 1]], edge_labels=[5, 6, 7, 8, 9]
    )
    assert graph.edges.tolist() == [[1, 2], [0, 2]] and graph.edge_labels.tolist() == [5, 8]
    assert make_graph("g", 2, []).edges.shape == (0, 2)


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("A", None, "must hold one data set in TUDataset's format.* Received: none"),
        ("graph_labels", None, "must hold TOY_graph_labels.txt. Received: no such file"),
        ("graph_indicator", None, "must hold TOY_graph_indicator.txt"),
        ("A", "1, 2\n3, x\n", "TOY_A.txt of .* cannot be read: could not convert string"),
        ("A", "1, 2, 3\n", "Each line of TOY_A.txt of .* must hold 2 numbers. Received: 3"),
        ("A", "1, 17\n", "numbers of nodes from 1 to 16. Received: 17"),
        ("A", "0, 1\n", "numbers of nodes from 1 to 16. Received: 0"),
        ("A", "1, 7\n", "ends of an edge must be in one graph. Received: 1, 7 in line 1"),
        ("graph_indicator", "1\n1\n4\n", "numbers from 1 to 3, .* Received: 4"),
        ("graph_labels", "1\n2\n", "numbers from 1 to 2, the .* Received: 3"),
        ("graph_labels", "1\n2\n1\n1\n", "at least one node. Received: graph 4 of .*, empty"),
        ("node_labels", "1\n2\n", "a line for each of the 16 nodes. Received: 2 lines"),
        ("edge_labels", "1\n", "for each of the 30 lines of TOY_A.txt. Received: 1 lines"),
        ("edge_labels", "", "for each of the 30 lines of TOY_A.txt. Received: 0 lines"),
        ("node_labels", "1, 2\n" * 16, "must hold 1 numbers. Received: 2"),
        ("node_attributes", "1.5\nnan\n" * 8, "finite numbers. Received: graph 1 of"),
    ],
)
def test_broken_tables_are_one_clear_line(part, text, message, tmp_path):
    folder = write_tu(tmp_path / "TOY", GRAPHS)
    path = folder / f"TOY_{part}.txt"
    path.write_text(text) if text is not None else path.unlink()
    with pytest.raises(ZooError, match=message) as caught:
        read_graphs(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("toy.zip", b"text", "it is no complete .zip file"),
        ("toy.txt", b"two\n", "Line 1 of .* must hold the number of graphs. Received: 'two'"),
        ("toy.txt", b"1\n2 0\n1 1 1\n", "Line 4 .* the tag .* Received: the end of the file"),
        ("toy.txt", b"1\n2 0\n1 2 1\n1 1 0\n", "must have the 2 neighbours .* Received: 1"),
        ("toy.txt", b"1\n2 0\n1 1 1\n1 1 0 3\n", "equally many attributes. .* from 0 to 1"),
        ("toy.txt", b"1\n2 0\n1 1 5\n1 1 0\n", "numbers of nodes from 0 to 1. Received: 5 in"),
        ("toy.txt", b"1\n0 0\n", "at least one node. Received: graph 1"),
        ("toy.txt", b"0\n", "must hold graphs. Received: none"),
        ("toy.json", b"{", "it is no JSON"),
        ("toy.json", b"[3]", "must be an object of `edges`.* Received: int"),
        ("toy.json", b'{"edges": [], "nodes": 3}', "must be an object .* Received: edges, nodes"),
        ("toy.json", b'{"edges": [[0, 1]]}', "must have `num_nodes`, .* Received: none"),
        ("toy.json", b'{"edges": [], "num_nodes": 2.5}', "`num_nodes` must be an integer"),
        ("toy.json", b'{"edges": [[0, 0.5]], "num_nodes": 2}', "`edges` of .* integers of shape"),
        (
            "toy.json",
            b'{"edges": [[0]], "num_nodes": 2}',
            r"`edges` of .* integers of shape \(any, 2\)",
        ),
        ("toy.json", b'{"edges": [], "node_labels": ["C"]}', "`node_labels` of .* integers"),
        (
            "toy.json",
            b'{"edges": [], "node_attributes": [[1], [2, 3]]}',
            "`node_attributes` of .* numbers",
        ),
        ("toy.gml", b"", "must be a folder or .zip in TUDataset's format"),
    ],
)
def test_broken_files_are_one_clear_line(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ZooError, match=message) as caught:
        read_graphs(path)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(tmp_path):
    for name in ("none", "none.txt", "none.json"):
        with pytest.raises(ZooError, match=f"no such file or folder of graphs: .*{name}"):
            read_graphs(tmp_path / name)
    with pytest.raises(ZooError, match="must hold one data set.* Received: none"):
        read_graphs(tmp_path)
    write_tu(tmp_path, GRAPHS)
    write_tu(tmp_path, GRAPHS, name="OTHER")
    with pytest.raises(ZooError, match="one data set .* Received: OTHER_A.txt, TOY_A.txt"):
        read_graphs(tmp_path)


def test_graphs_that_cannot_be_used_are_left_out_and_counted(tmp_path):
    path = tmp_path / "toy.json"
    graphs = [{**KITE, "label": 1}, {"edges": [[0, 9]], "num_nodes": 3, "label": 2}, PATH]
    path.write_text(json.dumps({"graphs": graphs}))
    with pytest.raises(ZooError, match="Received: 9 in graph 2 of .* --skip-corrupt"):
        read_graphs(path)
    source = read_graphs(path, skip_corrupt=True)
    assert source.numbers == (1, 3) and source.labels.tolist() == [0, -1]
    assert list(source.skipped) == [2] and "9 in graph 2" in source.skipped[2]


def test_folds_hold_every_example_once_and_the_classes_alike():
    labels = np.array([0] * 41 + [1] * 22)
    tested = []
    for fold in range(4):
        train, test = fold_rows(labels, 4, fold, seed=5)
        assert sorted([*train, *test]) == list(range(63))
        assert 10 <= (labels[test] == 0).sum() <= 11 and 5 <= (labels[test] == 1).sum() <= 6
        np.testing.assert_array_equal(fold_rows(labels, 4, fold, seed=5)[1], test)
        assert (fold_rows(labels, 4, fold, seed=6)[1] != test).any()
        tested += test.tolist()
    assert sorted(tested) == list(range(63))
    with pytest.raises(ZooError, match="num_folds=10 and a class of 3 examples"):
        fold_rows([0] * 20 + [1] * 3, 10, 0, seed=0)
