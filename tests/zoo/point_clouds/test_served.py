"""Served point clouds: any place, size and number of points; what predict prints and draws."""

import io
import json

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

import zoo
from zoo.errors import ZooError
from zoo.point_clouds.pictures import cloud_sheet
from zoo.point_clouds.pipeline import point_cloud_pipeline
from zoo.point_clouds.predict import predict_clouds
from zoo.serving.endpoints import open_endpoints
from zoo.serving.saved_model import graph_operations

NAMES = ("ape", "bee", "cow", "dog")
SETTINGS = {
    "num_points": 6,
    "num_classes": 4,
    "num_frequency_bands": 3,
    "num_latents": 4,
    "latent_channels": 16,
    "num_self_attends_per_block": 1,
    "num_self_attention_heads": 2,
}


@pytest.fixture(scope="module")
def entry():
    entry = zoo.build("perceiver_modelnet10_small", **SETTINGS)
    random = np.random.default_rng(3)
    weights = [random.normal(0, 0.2, weight.shape) for weight in entry.model.get_weights()]
    entry.model.set_weights(weights)
    return entry


@pytest.fixture(scope="module")
def served(entry):
    return zoo.endpoints_of(entry, class_names=NAMES)


@pytest.fixture
def clouds(random):
    return random.normal(size=(3, 8, 3)).astype("float32")


@pytest.fixture
def files(clouds, tmp_path):
    paths = [str(tmp_path / f"cloud_{number}.npy") for number in range(3)]
    for path, cloud in zip(paths, (clouds[0], clouds[1, :4], clouds[2]), strict=True):
        np.save(path, cloud)
    return paths


def test_scores_are_the_models_on_normalised_points(entry, served, clouds):
    outputs = served["serving_default"](points=clouds)
    mask = tf.ones((3, 8), tf.bool)
    normal = entry.pipeline.preprocess(clouds, mask)
    logits = entry.model({"points": normal, "mask": mask})
    np.testing.assert_allclose(outputs["scores"], tf.nn.softmax(logits), atol=1e-5)
    assert outputs["label"].numpy().tolist() == [
        NAMES[best].encode() for best in np.argmax(logits, axis=-1)
    ]


def test_place_size_order_and_padding_change_nothing(served, clouds, random):
    scores = served["classify_points"](points=clouds)["scores"].numpy()
    assert np.abs(scores[0] - scores[1]).max() > 1e-3
    moved = served["classify_points"](points=clouds[:, ::-1] * 9 + 2)["scores"]
    np.testing.assert_allclose(moved, scores, atol=1e-4)
    padded = np.concatenate([clouds, np.full((3, 2, 3), np.nan, "float32")], axis=1)
    mask = np.tile(np.arange(10) < 8, (3, 1))
    masked = served["classify_masked_points"](points=padded, mask=mask)["scores"]
    np.testing.assert_allclose(masked, scores, atol=1e-5)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.full((1, 4, 3), np.nan, "float32"), "must be finite numbers"),
        (np.zeros((1, 0, 3), "float32"), "must have at least one point"),
    ],
)
def test_bad_points_are_a_clear_error_of_the_graph(served, points, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["classify_points"](points=points)


@pytest.mark.slow
def test_saved_model_serves_the_same_without_python(entry, served, clouds, tmp_path):
    path = zoo.export(entry, tmp_path / "exported", class_names=NAMES)
    assert not {"PyFunc", "PyFuncStateless", "EagerPyFunc"} & graph_operations(path)
    loaded = tf.saved_model.load(str(path))
    for signature in ("serving_default", "classify_points"):
        outputs = loaded.signatures[signature](points=clouds)
        np.testing.assert_array_equal(
            outputs["scores"], served["classify_points"](points=clouds)["scores"]
        )
    ready = open_endpoints(path)
    assert ready.task.signature == "classify_points"
    assert ready.endpoints["point_format"]()["num_points"].numpy() == 6


def run(served, items, **settings):
    text = io.StringIO()
    settings = {"out": None, "console": Console(file=text, width=140), **settings}
    report = predict_clouds(served, items, **settings)
    return json.loads(json.dumps(report)), text.getvalue()


def test_predict_names_the_best_classes_as_evaluation_does(entry, served, clouds, files, tmp_path):
    report, text = run(served, files, top=2, batch_size=2)
    assert [p["file"] for p in report["predictions"]] == files and report["skipped"] == []
    data = tmp_path / "data.npz"
    mask = np.ones((3, 8), bool)
    mask[1, 4:] = False
    held_out = np.array([False, False, True])
    np.savez(data, points=clouds, label=np.arange(3), test=held_out, mask=mask)
    pipeline = point_cloud_pipeline(entry.config, data)
    batches = [next(iter(pipeline.batches(split, 9)))[0] for split in ("train", "test")]
    scores = np.concatenate([tf.nn.softmax(entry.model(inputs)) for inputs in batches])
    for prediction, expected in zip(report["predictions"], scores, strict=True):
        assert [best["label"] for best in prediction["top"]] == [
            NAMES[index] for index in np.argsort(-expected)[:2]
        ]
        assert prediction["score"] == pytest.approx(expected.max(), abs=1e-5)
        assert f"{prediction['label']} {prediction['score']:.1%}" in text


def test_predict_draws_the_clouds(served, files, tmp_path):
    report, text = run(served, files, out=tmp_path / "out")
    (picture,) = report["pictures"]
    assert picture == str(tmp_path / "out" / "point_clouds.png") and picture in text
    pixels = tf.io.decode_png(tf.io.read_file(picture)).numpy()[..., :3]
    colours = np.unique(pixels.reshape(-1, 3), axis=0)
    assert len(colours) > 50  # heights have colours
    assert min(pixels.shape[:2]) > 100


def test_a_sheet_shows_the_shape_of_a_cloud(tmp_path, random):
    flat = random.normal(size=(300, 3)) * (1, 1, 0)
    tall = random.normal(size=(300, 3)) * (0.05, 0.05, 1)
    drawn = {}
    for name, cloud in (("flat", flat), ("tall", tall), ("one", np.zeros((1, 3)))):
        path = cloud_sheet(tmp_path / f"{name}.png", [cloud], [name])
        pixels = tf.io.decode_png(tf.io.read_file(str(path))).numpy()[60:, :, :3]
        drawn[name] = np.argwhere(np.ptp(pixels.astype(int), axis=-1) > 60)
    height, width = (np.ptp(drawn[name], axis=0) for name in ("tall", "flat"))
    assert height[0] > 4 * height[1] and width[1] > width[0]
    assert len(drawn["one"]) > 0
    with pytest.raises(ValueError, match="must have the same length.* 0 and 1"):
        cloud_sheet(tmp_path / "none.png", [], ["title"])


def test_predict_refuses_or_leaves_out_what_cannot_be_read(served, files, tmp_path):
    bad = tmp_path / "bad.npy"
    np.save(bad, np.full((4, 3), np.inf))
    items = [files[0], str(bad), str(tmp_path / "missing.npy"), files[1]]
    with pytest.raises(ZooError, match="finite numbers. .*bad.npy, .* Pass --skip-corrupt"):
        run(served, items)
    report, text = run(served, items, skip_corrupt=True)
    assert [p["file"] for p in report["predictions"]] == [files[0], files[1]]
    assert [s["file"] for s in report["skipped"]] == [str(bad), str(tmp_path / "missing.npy")]
    assert "Left out, as they could not be read: 2" in text
    with pytest.raises(ZooError, match="None of the files could be predicted"):
        run(served, [str(bad)], skip_corrupt=True)
    with pytest.raises(ZooError, match="point_clouds.png cannot be written: "):
        run(served, files, out=bad)
    with pytest.raises(ZooError, match="`top` must be at least 1"):
        run(served, files, top=0)
    with pytest.raises(ZooError, match="`batch_size` must be at least 1"):
        run(served, files, batch_size=0)
