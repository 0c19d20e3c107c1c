"""The classifier of point clouds: features, invariances, counts, and what its fields refuse."""

import dataclasses
import io
import pathlib

import keras
import numpy as np
import pytest
from rich.console import Console

import zoo
from perceiver_tf.models.configs import PerceiverConfig
from zoo.cli import main
from zoo.point_clouds.configs import PointCloudClassifierConfig
from zoo.point_clouds.models import point_cloud_classifier

MODELNET10 = (
    pathlib.Path(__file__).parents[4]
    / "shared/data/point_clouds/modelnet10_vox/modelnet10_points1024.npz"
)
SMALL = {"num_latents": 4, "latent_channels": 32, "num_self_attends_per_block": 1, "dropout": 0.0}
TINY = PointCloudClassifierConfig(
    "",
    "",
    1,
    architecture=PerceiverConfig(
        num_latents=4,
        latent_channels=16,
        num_cross_attends=2,
        num_self_attends_per_block=1,
        num_self_attention_heads=2,
    ),
    num_points=9,
    num_classes=5,
    num_frequency_bands=3,
    max_resolution=20,
)


@pytest.fixture(scope="module")
def model():
    random = np.random.default_rng(5)
    model = point_cloud_classifier(TINY)
    model.set_weights([random.normal(0, 0.4, weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture
def inputs(random):
    points = random.uniform(-1, 1, (2, 9, 3)).astype("float32")
    return {"points": points, "mask": np.tile(np.arange(9) < 7, (2, 1))}


def test_outputs_depend_on_each_point(model, inputs):
    logits = np.asarray(model(inputs))
    assert logits.shape == (2, 5)
    moved = inputs["points"].copy()
    moved[0, 3] += 0.1
    changed = np.asarray(model({**inputs, "points": moved}))
    assert np.abs(changed[0] - logits[0]).max() > 1e-3
    np.testing.assert_allclose(changed[1], logits[1], atol=1e-5)


def test_the_order_of_the_points_changes_nothing(model, inputs, random):
    order = random.permutation(9)
    permuted = {"points": inputs["points"][:, order], "mask": inputs["mask"][:, order]}
    np.testing.assert_allclose(model(permuted), model(inputs), atol=1e-4)


def test_padding_changes_nothing(model, inputs):
    short = {name: values[:, :7] for name, values in inputs.items()}
    np.testing.assert_allclose(model(inputs), model(short), atol=1e-4)
    other = {**inputs, "points": np.where(inputs["mask"][..., None], inputs["points"], 0.9)}
    np.testing.assert_allclose(model(other), model(inputs), atol=1e-5)


def test_features_are_the_papers(random):
    """64 bands from 1 to 1120, sines then cosines, beside the coordinates: 387 channels."""
    config = zoo.configuration("perceiver_modelnet40", num_latents=2, latent_channels=8)
    adapter = point_cloud_classifier(config).get_layer("inputs")
    points = random.uniform(-1, 1, (1, 4, 3)).astype("float32")
    features = np.asarray(adapter({"points": points, "mask": np.ones((1, 4), bool)})["content"])
    frequencies = np.linspace(1, 1120, 64)
    phases = np.pi * points.astype("float64")[..., None] * frequencies
    phases = phases.reshape(1, 4, 3 * 64)
    expected = np.concatenate([points, np.sin(phases), np.cos(phases)], axis=-1)
    assert features.shape == (1, 4, 387)
    # float32 keeps a phase of 3,500 to 2e-4.
    np.testing.assert_allclose(features, expected, atol=1e-3)


def test_gradients_reach_every_weight(inputs):
    import tensorflow as tf

    model = point_cloud_classifier(TINY)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs) * np.float32([1, -2, 3, 1, 2]))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    is_key_bias = [
        weight.path.endswith("key/bias") for weight in model.trainable_weights
    ]  # the softmax drops it
    for weight, gradient, exempt in zip(
        model.trainable_weights, gradients, is_key_bias, strict=True
    ):
        assert gradient is not None, weight.path
        assert exempt or np.abs(gradient).max() > 0, weight.path


def test_published_configuration_is_the_papers():
    config = zoo.configuration("perceiver_modelnet40")
    architecture = config.architecture
    assert (architecture.num_latents, architecture.latent_channels) == (512, 1024)
    assert (architecture.num_cross_attends, architecture.num_self_attends_per_block) == (2, 6)
    assert config.num_frequency_bands == 64 and config.max_resolution / 2 == 1120
    assert config.row_channels == 387 and config.max_point_scale == 0.01
    recipe = zoo.recipes.named.RECIPES[config.recipe]
    assert (recipe.optimizer, recipe.schedule) == ("lamb", "constant")
    assert (recipe.learning_rate, recipe.batch_size, recipe.weight_decay) == (1e-3, 512, 0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_points": 0}, "`num_points` must be an integer of at least 1.*num_points=0"),
        ({"num_classes": 2.5}, "`num_classes` must be an integer"),
        ({"num_frequency_bands": True}, "`num_frequency_bands` must be an integer"),
        ({"max_resolution": 0}, "`max_resolution` must be greater than 0"),
        ({"max_resolution": (8, 8, 8)}, "`max_resolution` must be a number"),
        ({"max_rotation": 200}, r"`max_rotation` must be degrees in \[0, 180\].*=200"),
        ({"mirror_axes": (0, 0)}, r"`mirror_axes` must be a tuple of \(0, 1, 2\), each once"),
        ({"mirror_axes": 1}, "`mirror_axes` must be a tuple"),
        ({"max_stretch": 1.0}, r"`max_stretch` must be in \[0, 1\)"),
        ({"max_point_scale": -0.1}, r"`max_point_scale` must be in \[0, 1\)"),
        ({"jitter": float("nan")}, "`jitter` must be a number"),
        ({"jitter": -1}, "`jitter` must be at least 0"),
        ({"vertical_axis": 3}, r"`vertical_axis` must be one of \(0, 1, 2\)"),
        ({"numerics": "jax"}, "`numerics` must be one of"),
    ],
)
def test_a_wrong_field_is_a_clear_error(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **changes)


def test_info_prints_augmentation_and_costs(capsys):
    assert main(["info", "perceiver_modelnet40"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for text in ("2048 points", "max_point_scale=0.01", "50.91 billion", "cross_attend_1 folded"):
        assert text in printed


def solids(path, random):
    """Rods along each axis, noisy, three classes that a glance tells apart; the fifth is broken."""
    points = random.normal(size=(60, 24, 3)).astype("float32")
    labels = np.arange(60) % 3
    points *= 1 + 4 * np.eye(3, dtype="float32")[labels][:, None]
    points[4, 0] = np.nan
    np.savez(path, points=points, label=labels, test=np.arange(60) >= 45)
    return str(path)


@pytest.mark.slow
def test_training_learns_and_the_run_predicts(random, tmp_path):
    from zoo.serving.endpoints import open_endpoints

    data = solids(tmp_path / "solids.npz", random)
    result = zoo.train(
        "perceiver_modelnet10_small",
        data=data,
        out=tmp_path / "run",
        overrides={**SMALL, "num_points": 16},
        epochs=12,
        batch_size=15,
        learning_rate=3e-3,
        skip_corrupt=True,
        console=Console(file=io.StringIO()),
        jit_compile=False,
    )
    assert result.headline == "accuracy" and result.num_test_examples == 15
    assert result.test_figures["accuracy"] > 0.8
    assert len(result.skipped) == 1 and "cloud 4 of" in result.skipped[0]
    with np.load(data) as arrays:
        cloud = arrays["points"][:1] * 9 + 1
    ready = open_endpoints(tmp_path / "run")
    scores = ready.endpoints["classify_points"](points=cloud)["scores"].numpy()
    assert scores[0].argmax() == 0


@pytest.mark.skipif(
    not MODELNET10.is_file(), reason="needs ModelNet10's voxels at ../shared/data/point_clouds"
)
def test_the_voxelised_modelnet10_is_read():
    entry = zoo.build("perceiver_modelnet10_small", data=str(MODELNET10))
    assert entry.pipeline.num_examples("train") == 727
    assert entry.pipeline.num_examples("test") == 181
    assert entry.pipeline.class_names[0] == "bathtub"
    inputs, targets = next(iter(entry.pipeline.batches("test", 3)))
    assert inputs["points"].shape == (3, entry.config.num_points, 3)
    assert keras.ops.convert_to_numpy(inputs["mask"]).all() and targets.shape == (3, 10)
