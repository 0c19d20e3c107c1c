"""Graphs as tokens: positions, invariances, signs, folds, and what the model refuses."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from graph_examples import KITE, PATH, PHENOL, graph, rings_and_trees, write_dgcnn, write_tu

from perceiver_tf.models.configs import PerceiverConfig
from zoo.errors import ZooError
from zoo.graphs.configs import GraphClassifierConfig
from zoo.graphs.graph import make_graph
from zoo.graphs.models import graph_classifier
from zoo.graphs.pipeline import (
    graph_pipeline,
    raw_batch,
    with_fields_of_the_data,
    with_random_signs,
)
from zoo.graphs.preprocess import (
    GraphPreprocess,
    with_chosen_signs,
    with_signs,
)
from zoo.graphs.widths import edge_channels, node_channels

CONFIG = GraphClassifierConfig(
    "",
    "",
    1,
    architecture=PerceiverConfig(
        num_latents=4,
        latent_channels=16,
        num_cross_attends=1,
        num_self_attends_per_block=1,
        num_self_attention_heads=2,
    ),
    node_labels=(4, 7, 9),
    edge_labels=(1, 2),
    num_classes=2,
    num_positions=3,
    num_walks=2,
    max_nodes=9,
    max_edges=11,
    token_channels=8,
    num_folds=3,
)


@pytest.fixture(scope="module")
def model():
    random = np.random.default_rng(5)
    model = graph_classifier(CONFIG)
    model.set_weights([random.normal(0, 0.4, weight.shape) for weight in model.get_weights()])
    return model


def tokens(*graphs, config=CONFIG):
    return {k: v.numpy() for k, v in GraphPreprocess(config)(raw_batch(graphs)).items()}


def permuted(fields, order, edge_order, turn=True):
    """Returns the same graph with its nodes and edges in another order and edges turned."""
    place = np.argsort(order)
    edges = place[np.array(fields["edges"])][edge_order]
    return {
        "num_nodes": fields["num_nodes"],
        "edges": edges[:, ::-1] if turn else edges,
        "node_labels": np.array(fields["node_labels"])[order],
        "edge_labels": np.array(fields["edge_labels"])[edge_order],
    }


def laplacian(fields):
    """Returns I - D^(-1/2) A D^(-1/2) in float64."""
    n = fields["num_nodes"]
    adjacent = np.zeros((n, n))
    for a, b in fields["edges"]:
        adjacent[a, b] = adjacent[b, a] = 1
    degrees = adjacent.sum(axis=1)
    scale = np.where(degrees > 0, 1 / np.sqrt(np.maximum(degrees, 1)), 0)
    return np.diag((degrees > 0) * 1.0) - scale[:, None] * adjacent * scale


def expected_positions(fields, count):
    """Returns the smoothest eigenvectors above eigenvalue 0, of different eigenvalues."""
    values, vectors = np.linalg.eigh(laplacian(fields))
    chosen = vectors[:, values > 1e-4][:, :count]
    return chosen * np.where((chosen**3).sum(axis=0) < 0, -1, 1) * np.sqrt(fields["num_nodes"])


def test_a_node_says_label_degree_neighbours_walks_size_and_position():
    rows = tokens(graph(KITE))["nodes"][0]
    assert rows.shape == (9, node_channels(CONFIG))
    node = rows[3]  # a 9 with neighbours 9, 4, 9
    np.testing.assert_allclose(node[:3], [0, 0, 1])
    np.testing.assert_allclose(node[3:7] * 4, [3, 1, 0, 2])
    # back after two steps: by each neighbour at the chance of its return; after three: triangle
    np.testing.assert_allclose(node[7:9], [(1 / 2 + 1 / 2 + 1 / 2) / 3, 2 / 3 / 4], atol=1e-6)
    np.testing.assert_allclose(node[9:11], np.log1p([6, 6]) - 4, atol=1e-6)
    positions = rows[:6, 11:]
    np.testing.assert_allclose(positions[:, :2], expected_positions(KITE, 2), atol=1e-4)
    # The third eigenvalue is there twice.
    np.testing.assert_allclose(laplacian(KITE) @ positions[:, 2], 1.5 * positions[:, 2], atol=1e-5)
    np.testing.assert_allclose((positions**2).sum(axis=0), 6, rtol=1e-5)
    np.testing.assert_array_equal(rows[6:], 0)


def test_an_edge_says_label_ends_size_and_positions_of_both_ends():
    whole = tokens(graph(KITE))
    positions, rows = whole["nodes"][0, :, 11:], whole["edges"][0]
    assert rows.shape == (11, edge_channels(CONFIG))
    for row, (a, b), label in zip(rows, KITE["edges"], KITE["edge_labels"], strict=False):
        np.testing.assert_array_equal(row[:2], np.eye(2)[label - 1])
        ends = [[4, 7, 9].index(KITE["node_labels"][end]) for end in (a, b)]
        np.testing.assert_array_equal(row[2:5], np.eye(3)[ends].sum(axis=0))
        np.testing.assert_allclose(row[5:7], np.log1p([6, 6]) - 4, atol=1e-6)
        np.testing.assert_allclose(row[7:10], np.abs(positions[a] - positions[b]), atol=1e-4)
        np.testing.assert_allclose(row[10:], positions[a] + positions[b], atol=1e-4)


def test_nodes_and_edges_say_how_many_nodes_there_are_of_each_label_and_degree():
    config = dataclasses.replace(CONFIG, label_counts=True, num_degree_counts=3)
    without, rows = tokens(graph(KITE)), tokens(graph(KITE), config=config)
    counts = [KITE["node_labels"].count(label) for label in (4, 7, 9)]
    degrees = (laplacian(KITE) != 0).sum(axis=1) - 1
    counts += [(degrees == degree).sum() for degree in (1, 2, 3)]
    for kind, place, num in (("nodes", 11, 6), ("edges", 7, len(KITE["edges"]))):
        told = rows[kind][0, :num, place : place + 6]
        np.testing.assert_allclose(told * 4, np.tile(counts, (num, 1)), atol=1e-6)
        others = np.delete(rows[kind], range(place, place + 6), axis=-1)
        np.testing.assert_allclose(others, without[kind], atol=1e-4)
        np.testing.assert_array_equal(rows[kind][0, num:], 0)


def test_attributes_are_kept_in_bounds():
    config = dataclasses.replace(CONFIG, num_node_attributes=2)
    values = np.float32([[0.1, -798], [1, 2], [3, 4], [5, 6]])
    rows = tokens(make_graph("g", **PATH, node_attributes=values), config=config)["nodes"][0]
    np.testing.assert_allclose(rows[:4, 3:5], np.arcsinh(values), atol=1e-5)


@pytest.mark.parametrize(
    "fields",
    [
        {"num_nodes": 1, "edges": []},
        {"num_nodes": 4, "edges": []},
        {"num_nodes": 7, "edges": [[0, 1], [1, 2], [4, 5], [5, 6], [4, 6]]},
    ],
)
def test_positions_of_loose_nodes_and_parts(fields):
    """An eigenvalue of zero for each part says nothing; the nodes of other parts are at 0."""
    labels = {"node_labels": [4] * fields["num_nodes"], "edge_labels": [1] * len(fields["edges"])}
    rows = tokens(make_graph("g", **fields, **labels))["nodes"][0, : fields["num_nodes"], 11:]
    assert np.isfinite(rows).all()
    if len(fields["edges"]) < 5:
        np.testing.assert_array_equal(rows, 0)
    else:  # values 1 (path), 3/2 twice (triangle), 2 (path): one is sure
        sure = expected_positions(fields, 1)
        np.testing.assert_allclose(np.abs(rows[:, :1]), np.abs(sure), atol=1e-4)


def test_order_and_direction_change_no_output(model, random):
    examples = (KITE, PATH, PHENOL)
    logits = model(tokens(*map(graph, examples)))
    assert np.abs(logits[0] - logits[1]).max() > 1e-2
    for _ in range(8):
        others = []
        for fields in examples:
            orders = (random.permutation(len(fields[k])) for k in ("node_labels", "edges"))
            others.append(graph(permuted(fields, *orders)))
        np.testing.assert_allclose(model(tokens(*others)), logits, atol=1e-3)


def test_padding_changes_no_output(model):
    raw = raw_batch([graph(KITE), graph(PATH)])
    single = [model(tokens(graph(fields)))[0] for fields in (KITE, PATH)]
    np.testing.assert_allclose(model(GraphPreprocess(CONFIG)(raw)), single, atol=1e-4)
    for name, value in raw.items():
        mask = raw["node_mask" if name.startswith("node") else "edge_mask"]
        if not name.endswith("mask"):
            rest = mask.reshape(*mask.shape, *[1] * (value.ndim - 2))
            raw[name] = np.where(rest, value, 99).astype(value.dtype)
    np.testing.assert_allclose(model(GraphPreprocess(CONFIG)(raw)), single, atol=1e-4)
    short = {name: value[:, :6] for name, value in tokens(graph(KITE)).items()}
    np.testing.assert_allclose(model(short)[0], single[0], atol=1e-4)


def test_edges_given_twice_or_as_loops_change_no_output(model):
    raw = raw_batch([graph(KITE)])
    for name in ("edges", "edge_labels", "edge_mask"):
        raw[name] = np.concatenate([raw[name], raw[name][:, ::-1]], axis=1)
    raw["edges"][:, 6:] = raw["edges"][:, 6:, ::-1]
    raw["edges"][:, 11] = 2
    raw["edge_labels"][:, 6:] = 1
    np.testing.assert_allclose(
        model(GraphPreprocess(CONFIG)(raw)), model(tokens(graph(KITE))), atol=1e-5
    )


def test_outputs_depend_on_labels_and_on_edges(model):
    logits = model(tokens(graph(KITE))).numpy()
    for changed in (
        {"node_labels": [7, 7, 9, 9, 9, 9]},
        {"edge_labels": [1, 2, 1, 2, 2, 2]},
        {"edges": [[0, 1], [1, 2], [2, 3], [3, 4], [3, 5], [1, 5]]},
    ):
        assert np.abs(model(tokens(graph({**KITE, **changed}))) - logits).max() > 1e-3


def test_signs_turn_positions_and_sums_as_if_the_eigenvectors_were_turned():
    before = tokens(graph(KITE))
    signs = np.float32([1, -1, -1])
    after = {k: np.asarray(v) for k, v in with_signs(before, tf.constant(signs)).items()}
    np.testing.assert_array_equal(after["nodes"][..., :-3], before["nodes"][..., :-3])
    np.testing.assert_array_equal(after["nodes"][..., -3:], before["nodes"][..., -3:] * signs)
    ends = np.array(KITE["edges"])
    sums = after["nodes"][0, ends, -3:].sum(axis=1)
    np.testing.assert_allclose(after["edges"][0, :6, -3:], sums, atol=1e-5)
    differences = np.abs(np.diff(after["nodes"][0, ends, -3:], axis=1))[:, 0]
    np.testing.assert_allclose(after["edges"][0, :6, -6:-3], differences, atol=1e-5)


def test_each_sign_is_turned_at_even_chances():
    ones = {"nodes": tf.ones((1, 5)), "edges": tf.ones((1, 5))}
    drawn = [
        with_random_signs(ones, tf.constant([i, 0]), 3)["nodes"].numpy()[0] for i in range(200)
    ]
    np.testing.assert_array_equal(np.array(drawn)[:, :2], 1)
    assert len(np.unique(drawn, axis=0)) == 8
    np.testing.assert_allclose(np.mean(drawn, axis=0)[2:], 0, atol=0.25)


def test_signs_do_not_depend_on_those_that_came(random):
    vectors = random.normal(size=(2, 6, 3))
    vectors[:, 3:] = vectors[:, :3] * (1, -1, -1)  # as of a graph that may be turned over
    marks = np.tile(random.normal(size=(2, 3)), (1, 2))
    expected = with_chosen_signs(tf.constant(vectors), tf.constant(marks), 3).numpy()
    for signs in np.array(np.meshgrid([1, -1], [1, -1], [1, -1])).reshape(3, 8).T:
        signed = with_chosen_signs(tf.constant(vectors * signs), tf.constant(marks), 3).numpy()
        turned = signed[:, [3, 4, 5, 0, 1, 2]]
        for one, other, swapped in zip(expected, signed, turned, strict=True):
            np.testing.assert_allclose(other[:, 0], one[:, 0])
            same, mirrored = (np.allclose(rows[:, 1:], one[:, 1:]) for rows in (other, swapped))
            assert same or mirrored  # both or none


def test_large_graphs_are_read_in_part():
    config = dataclasses.replace(CONFIG, max_nodes=3, max_edges=4)
    whole, part = tokens(graph(KITE)), tokens(graph(KITE), graph(PATH), config=config)
    np.testing.assert_allclose(part["nodes"][0], whole["nodes"][0, [0, 2, 4]], atol=1e-6)
    np.testing.assert_allclose(part["edges"][0], whole["edges"][0, [0, 1, 3, 4]], atol=1e-6)
    assert part["edge_mask"].sum(axis=1).tolist() == [4, 3]


def test_large_graphs_are_warned_of(folder):
    pipeline = graph_pipeline(dataclasses.replace(CONFIG, max_nodes=7), folder)
    with pytest.warns(UserWarning, match="of the 24 graphs of .*max_nodes=7 nodes or max_edges=11"):
        pipeline.num_examples("train")


def test_gradients_reach_every_weight():
    model = graph_classifier(CONFIG)
    inputs = tokens(graph(KITE), graph(PATH))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs) * np.float32([1, -2]))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        # The softmax drops the bias of the keys.
        assert weight.path.endswith("key/bias") or np.abs(gradient).max() > 0, weight.path


@pytest.fixture
def folder(tmp_path):
    return write_tu(tmp_path / "TOY", rings_and_trees(24))


def labels_of(pipeline, split, **settings):
    inputs, targets = next(iter(pipeline.batches(split, 99, **settings)))
    return {k: v.numpy() for k, v in inputs.items()}, targets.numpy()


def test_folds_are_the_test_splits(folder):
    seen = []
    for fold in range(3):
        pipeline = graph_pipeline(dataclasses.replace(CONFIG, fold=fold), folder)
        assert pipeline.num_examples("train") == 16 and pipeline.num_examples("test") == 8
        assert pipeline.splits == ("train", "test") and pipeline.class_names == ("-1", "1")
        inputs, targets = labels_of(pipeline, "test")
        assert targets.sum(axis=0).tolist() == [4, 4]
        is_ring = inputs["edge_mask"].sum(axis=1) == inputs["node_mask"].sum(axis=1)
        np.testing.assert_array_equal(is_ring, targets[:, 1] == 1)
        seen += [row.tobytes() for row in inputs["nodes"]]
    assert len(set(seen)) == 24
    other = graph_pipeline(dataclasses.replace(CONFIG, fold_seed=1), folder)
    assert {row.tobytes() for row in labels_of(other, "test")[0]["nodes"]} != set(seen[:8])


def test_training_turns_signs_anew_and_evaluation_never(folder):
    pipeline = graph_pipeline(CONFIG, folder)
    batch = labels_of(pipeline, "train", training=True, epoch=1, seed=2)[0]["nodes"]
    again = labels_of(pipeline, "train", training=True, epoch=1, seed=2)[0]["nodes"]
    np.testing.assert_array_equal(batch, again)
    still = labels_of(pipeline, "train")[0]["nodes"]
    np.testing.assert_array_equal(labels_of(pipeline, "train", seed=3)[0]["nodes"], still)

    def sort(rows):
        return sorted(row.tobytes() for row in rows)

    assert sort(batch) != sort(still)
    assert sort(np.abs(batch)) == sort(np.abs(still))
    plain = graph_pipeline(dataclasses.replace(CONFIG, random_signs=False), folder)
    assert sort(labels_of(plain, "train", training=True, epoch=1)[0]["nodes"]) == sort(still)


def test_fields_follow_the_data(tmp_path):
    path = write_dgcnn(tmp_path / "toy.txt", rings_and_trees(12))
    other = dataclasses.replace(CONFIG, num_classes=5, num_node_attributes=4, node_labels=())
    config, pipeline = with_fields_of_the_data(other, graph_pipeline(other, path))
    assert (config.num_classes, config.num_node_attributes) == (2, 0)
    assert config.node_labels == (4, 7, 9) and config.edge_labels == ()
    assert labels_of(pipeline, "train")[0]["edges"].shape == (8, 11, edge_channels(config))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 1}, "an output for each class .* 1 outputs for the 2 classes"),
        ({"node_labels": (4, 7)}, "node labels must be among .* 4, 7. Received: 9 in"),
        ({"edge_labels": (1,)}, "edge labels must be among .* 1. Received: 2 in"),
        ({"num_node_attributes": 3}, "must have 3 attributes, .* Received: 0 in"),
        ({"num_folds": 13}, "num_folds=13 and a class of 12 examples"),
    ],
)
def test_data_that_the_model_does_not_take_is_one_clear_line(folder, changes, message):
    pipeline = graph_pipeline(dataclasses.replace(CONFIG, **changes), folder)
    with pytest.raises(ZooError, match=message) as caught:
        pipeline.num_examples("train")
    assert "\n" not in str(caught.value)


def test_labels_and_two_classes_must_be_there(tmp_path):
    path = write_dgcnn(tmp_path / "toy.txt", rings_and_trees(8))
    with pytest.raises(ZooError, match="Edges must have labels, as the model takes"):
        graph_pipeline(CONFIG, path).num_examples("train")
    path = write_tu(tmp_path / "ONE", [(KITE, 1)] * 4)
    with pytest.raises(ZooError, match="must have a class, of two or more"):
        graph_pipeline(CONFIG, path).num_examples("train")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 2.5}, "`num_classes` must be an integer of at least 1"),
        ({"max_nodes": 0}, "`max_nodes` must be an integer of at least 1.*max_nodes=0"),
        ({"hidden_channels": -1}, "`hidden_channels` must be an integer of at least 0"),
        ({"num_positions": -1}, "`num_positions` must be an integer of at least 0"),
        ({"node_labels": [1, 2]}, "`node_labels` must be a tuple of different integers"),
        ({"edge_labels": (1, 1)}, "`edge_labels` must be a tuple of different integers"),
        ({"random_signs": 1}, "`random_signs` must be True or False"),
        ({"num_folds": 1}, "`num_folds` must be an integer of at least 2"),
        ({"fold": 3}, "`fold` must be less than num_folds=3. Received: fold=3"),
        ({"numerics": "jax"}, "`numerics` must be one of"),
    ],
)
def test_a_wrong_field_is_a_clear_error(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, **changes)
