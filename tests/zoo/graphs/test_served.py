"""Served graphs: the pipeline's own tokens inside of the graph; what predict prints."""

import dataclasses
import io
import json

import numpy as np
import pytest
import tensorflow as tf
from graph_examples import KITE, PATH, graph, rings_and_trees, write_json, write_tu, write_zip
from rich.console import Console

import zoo
from zoo.errors import ZooError
from zoo.graphs.pipeline import graph_pipeline, raw_batch
from zoo.graphs.predict import predict_graphs
from zoo.serving.endpoints import open_endpoints
from zoo.serving.saved_model import graph_operations

NAMES = ("ring", "tree")
SETTINGS = {
    "node_labels": (4, 7, 9),
    "edge_labels": (1, 2),
    "num_positions": 3,
    "max_nodes": 9,
    "max_edges": 9,
    "num_folds": 2,
    "num_latents": 4,
    "latent_channels": 16,
    "token_channels": 8,
    "cross_attention_qk_channels": 8,
    "cross_attention_v_channels": 8,
}


@pytest.fixture(scope="module")
def entry():
    entry = zoo.build("perceiver_mutag_small", **SETTINGS)
    random = np.random.default_rng(3)
    entry.model.set_weights([random.normal(0, 0.3, w.shape) for w in entry.model.get_weights()])
    return entry


@pytest.fixture(scope="module")
def served(entry):
    return zoo.endpoints_of(entry, class_names=NAMES)


def request(*graphs):
    """Returns a batch as the endpoints of a model without attributes take it."""
    batch = raw_batch(graphs)
    del batch["node_attributes"]
    return batch


def one(fields):
    return {name: fields[name] for name in ("node_labels", "edges", "edge_labels")}


def test_a_graph_alone_and_in_a_padded_batch_scores_as_in_the_pipeline(entry, served, tmp_path):
    graphs = [(fields, number % 2) for number, fields in enumerate((KITE, PATH, KITE, PATH))]
    pipeline = graph_pipeline(entry.config, write_json(tmp_path / "toy.json", graphs))
    inputs, targets = next(iter(pipeline.batches("train", 2)))
    expected = tf.nn.softmax(entry.model(inputs)).numpy()[np.argsort(targets.numpy()[:, 1])]
    assert np.abs(expected[0] - expected[1]).max() > 1e-3
    outputs = served["serving_default"](**request(graph(KITE), graph(PATH)))
    np.testing.assert_allclose(outputs["scores"], expected, atol=1e-5)
    best = [NAMES[index].encode() for index in expected.argmax(axis=1)]
    assert outputs["label"].numpy().tolist() == best
    for fields, scores in zip((KITE, PATH), expected, strict=True):
        alone = served["classify_graph"](**one(fields))["scores"]
        np.testing.assert_allclose(alone, scores[None], atol=1e-5)


def test_both_directions_are_one_edge(served):
    both = {
        "node_labels": KITE["node_labels"],
        "edges": KITE["edges"] + [ends[::-1] for ends in KITE["edges"]],
        "edge_labels": KITE["edge_labels"] * 2,
    }
    np.testing.assert_allclose(
        served["classify_graph"](**both)["scores"],
        served["classify_graph"](**one(KITE))["scores"],
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"node_labels": [7, 7, 9, 9, 4, 5]}, "node labels must be among 4, 7, 9"),
        ({"edge_labels": [1, 2, 1, 2, 2, 3]}, "edge labels must be among 1, 2"),
        ({"edges": [[0, 6]] * 6}, "ends of edges must be numbers of nodes, from 0"),
        ({"edges": [[-1, 2]] * 6}, "ends of edges must be numbers of nodes, from 0"),
        ({"node_labels": np.zeros(0, int)}, "must have at least one node"),
    ],
)
def test_bad_graphs_are_a_clear_error_of_the_graph(served, changes, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["classify_graph"](**{**one(KITE), **changes})


def test_an_edge_to_padding_is_refused(served):
    batch = request(graph(KITE), graph(PATH))
    batch["edges"][1, 0] = (0, 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="ends of edges must be numbers"):
        served["classify_graphs"](**batch)


def test_only_what_the_model_has_is_taken(entry):
    plain = dataclasses.replace(entry.config, node_labels=(), edge_labels=())
    from zoo.graphs.models import graph_classifier
    from zoo.graphs.preprocess import GraphPreprocess
    from zoo.graphs.served import ServedGraphs

    endpoints = ServedGraphs(graph_classifier(plain), GraphPreprocess(plain)).endpoints()
    names = {name: [spec.name for spec in specs] for name, (_, specs) in endpoints.items()}
    assert names["classify_graph"] == ["num_nodes", "edges"]
    assert names["classify_graphs"] == ["node_mask", "edges", "edge_mask"]
    function, _ = endpoints["classify_graph"]
    scores = function(tf.constant(4), tf.constant(PATH["edges"]))["scores"].numpy()
    assert scores.shape == (1, 2) and np.isfinite(scores).all()
    with_attributes = dataclasses.replace(entry.config, num_node_attributes=2)
    served = ServedGraphs(graph_classifier(with_attributes), GraphPreprocess(with_attributes))
    function, specs = served.endpoints()["classify_graph"]
    assert [spec.name for spec in specs][:2] == ["node_labels", "node_attributes"]
    values = [tf.constant(v) for v in (PATH["node_labels"], [[np.nan, 1.0]] * 4, PATH["edges"])]
    with pytest.raises(tf.errors.InvalidArgumentError, match="attributes of nodes must be finite"):
        function(*values, tf.constant(PATH["edge_labels"]))


@pytest.mark.slow
def test_saved_model_serves_the_same_without_python(entry, served, tmp_path):
    path = zoo.export(entry, tmp_path / "exported", class_names=NAMES)
    operations = graph_operations(path)
    assert not {"PyFunc", "PyFuncStateless", "EagerPyFunc"} & operations
    assert "SelfAdjointEigV2" in operations
    loaded = tf.saved_model.load(str(path))
    batch = {k: tf.constant(v) for k, v in request(graph(KITE), graph(PATH)).items()}
    outputs = loaded.signatures["serving_default"](**batch)
    np.testing.assert_allclose(
        outputs["scores"], served["classify_graphs"](**batch)["scores"], atol=1e-6
    )
    ready = open_endpoints(path)
    assert ready.task.signature == "classify_graphs"
    assert ready.endpoints["graph_format"]()["node_labels"].numpy().tolist() == [4, 7, 9]


def run(served, items, **settings):
    text = io.StringIO()
    settings = {"out": None, "console": Console(file=text, width=140), **settings}
    report = predict_graphs(served, list(map(str, items)), **settings)
    return json.loads(json.dumps(report)), text.getvalue()


def test_predict_scores_all_graphs_of_every_format(served, tmp_path):
    graphs = rings_and_trees(5)
    files = [
        write_zip(tmp_path / "TOY.zip", graphs),
        write_tu(tmp_path / "TU", graphs),
        write_json(tmp_path / "toy.json", graphs),
        write_json(tmp_path / "single.json", graphs[:1]),
    ]
    report, text = run(served, files, top=2, batch_size=3)
    expected = served["classify_graphs"](**request(*(graph(fields) for fields, _ in graphs)))
    expected = expected["scores"].numpy()
    scores = [{best["label"]: best["score"] for best in p["top"]} for p in report["predictions"]]
    scores = np.array([[of[name] for name in NAMES] for of in scores])
    np.testing.assert_allclose(scores, [*expected, *expected, *expected, expected[0]], atol=1e-5)
    assert report["predictions"][3]["file"] == f"{files[0]}: graph 4" in text
    assert report["predictions"][-1]["file"] == str(files[-1])


def test_predict_refuses_or_leaves_out_what_cannot_be_used(served, tmp_path):
    good = write_json(tmp_path / "good.json", [(KITE, 0)])
    bad = write_json(tmp_path / "bad.json", [({**KITE, "edges": [[0, 8]] * 6}, 0), (PATH, 0)])
    foreign = write_json(tmp_path / "foreign.json", [({**PATH, "node_labels": [1] * 4}, 0)])
    items = [good, bad, foreign, tmp_path / "missing.json"]
    for item, message in zip(
        items[1:],
        ("Received: 8 in graph 1 of .*--skip-corrupt", "among .* Received: 1 in", "no such file"),
        strict=True,
    ):
        with pytest.raises(ZooError, match=message):
            run(served, [item])
    report, text = run(served, items, skip_corrupt=True)
    assert [p["file"] for p in report["predictions"]] == [str(good), f"{bad}: graph 2"]
    skipped = [f"{bad}: graph 1", str(foreign), str(items[3])]
    assert [s["file"] for s in report["skipped"]] == skipped
    assert "Left out, as they could not be read: 3" in text
    with pytest.raises(ZooError, match="None of the files could be predicted"):
        run(served, [foreign], skip_corrupt=True)
    with pytest.raises(ZooError, match="have no pictures: leave out `--out`"):
        run(served, [good], out=tmp_path)
    with pytest.raises(ZooError, match="`top` must be at least 1"):
        run(served, [good], top=0)


@pytest.mark.slow
def test_training_learns_and_the_run_predicts_with_the_datas_labels(tmp_path):
    data = write_tu(tmp_path / "TOY", rings_and_trees(80))
    changes = {k: v for k, v in SETTINGS.items() if k not in ("node_labels", "edge_labels")}
    result = zoo.train(
        "perceiver_mutag_small",
        data=str(data),
        out=tmp_path / "run",
        overrides={**changes, "num_folds": 4},
        epochs=2,
        passes_per_epoch=20,
        batch_size=30,
        learning_rate=5e-3,
        console=Console(file=io.StringIO()),
        jit_compile=False,
    )
    assert result.num_test_examples == 20 and result.test_figures["accuracy"] >= 0.9
    ready = open_endpoints(tmp_path / "run")
    assert ready.endpoints["graph_format"]()["edge_labels"].numpy().tolist() == [1, 2]
    ring = {"edges": [[n, (n + 1) % 7] for n in range(7)], "edge_labels": [1] * 7}
    label = ready.endpoints["classify_graph"](node_labels=[4] * 7, **ring)["label"]
    assert label.numpy().tolist() == [b"1"]
    entry, _ = zoo.load_run(tmp_path / "run")
    assert zoo.evaluate(entry)["accuracy"] == result.test_figures["accuracy"]
