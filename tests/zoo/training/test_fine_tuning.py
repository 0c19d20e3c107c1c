"""Training that starts from published weights, with a new layer of classes."""

import io
import json

import keras
import numpy as np
import pytest
from rich.console import Console

import zoo
from perceiver_tf.checkpoints import save_huggingface
from zoo.errors import ZooError
from zoo.serving.model_file import save_model_file
from zoo.weights import checkpoints

NAME = "perceiver_io_imagenet_learned"
TINY = {
    "num_latents": 3,
    "latent_channels": 16,
    "num_blocks": 1,
    "num_self_attends_per_block": 1,
    "image_shape": (6, 6, 3),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A small model of three classes, as transformers has it, and its own model."""
    folder = tmp_path_factory.mktemp("published") / "model"
    settings = {**TINY, "num_classes": 3, "numerics": "huggingface"}
    model = zoo.build_model(zoo.configuration(NAME, **settings))
    save_huggingface(model, folder, ["cat", "dog", "owl"])
    return folder, model


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Bright and dark images, in two classes."""
    path = tmp_path_factory.mktemp("data") / "images.npz"
    labels = np.arange(20) % 2
    images = (
        np.random.default_rng(0).integers(0, 100, (20, 6, 6, 3)) + 150 * labels[:, None, None, None]
    )
    np.savez(path, x_train=images[:16], y_train=labels[:16], x_test=images[16:], y_test=labels[16:])
    return str(path)


def by_path(model):
    return {variable.path: np.asarray(variable) for variable in model.weights}


def test_only_the_layer_of_the_classes_is_new(published, data):
    folder, model = published
    entry = zoo.build(NAME, weights=folder, data=data)
    assert entry.config.num_classes == 2 and entry.config.numerics == "huggingface"
    assert entry.class_names is None
    taken, given = by_path(entry.model), by_path(model)
    new = {path for path in taken if path.startswith("outputs/")}
    assert len(new) == 2 and taken["outputs/kernel"].shape[-1] == 2
    for path in taken.keys() - new:
        np.testing.assert_array_equal(taken[path], given[path], err_msg=path)
    same = zoo.build(NAME, weights=folder)
    assert same.class_names == ("cat", "dog", "owl")
    np.testing.assert_array_equal(by_path(same.model)["outputs/kernel"], given["outputs/kernel"])
    five = zoo.build(NAME, weights=folder, num_classes=5)
    assert five.model.output_shape[-1] == 5


def test_a_wrong_tensor_is_refused_beside_a_new_layer(published, data):
    folder, _ = published
    with pytest.raises(ZooError, match="must hold exactly the tensors of the model"):
        zoo.build(NAME, weights=folder, data=data, num_latents=4)


@pytest.mark.slow
def test_training_starts_from_the_weights_and_goes_on_without_them(published, data, tmp_path):
    folder, model = published
    quiet = {"console": Console(file=io.StringIO()), "jit_compile": False}
    recipe = {"batch_size": 8, "learning_rate": 1e-12, "learning_rate_batch_size": None}
    recipe |= {"optimizer": "sgd", "weight_decay": 0.0}
    result = zoo.train(
        NAME, data=data, weights=folder, out=tmp_path / "run", epochs=1, **recipe, **quiet
    )
    config = json.loads((result.path / "config.json").read_text())
    assert config["weights"] == str(folder) and config["overrides"]["numerics"] == "huggingface"
    trained, given = by_path(keras.models.load_model(result.path / "model.keras")), by_path(model)
    for path in trained:
        if not path.startswith("outputs/"):
            np.testing.assert_allclose(trained[path], given[path], atol=1e-8, err_msg=path)
    run, _ = zoo.load_run(result.path)
    assert run.config.num_classes == 2
    again = zoo.train(NAME, out=tmp_path / "run", resume=True, **quiet)
    assert again.epochs == 1
    with pytest.raises(ZooError, match="weights was .* now 'elsewhere'"):
        zoo.train(NAME, out=tmp_path / "run", weights="elsewhere", resume=True, **quiet)


def test_weights_that_are_not_there_are_told_before_a_run_is_made(data, tmp_path):
    with pytest.raises(ZooError, match="There are no weights at"):
        zoo.train(
            NAME, data=data, weights=tmp_path / "no.keras", out=tmp_path / "run", overrides=TINY
        )
    assert not (tmp_path / "run").exists()


def test_the_number_of_classes_of_weights_is_known(published):
    assert checkpoints.num_classes_of(published[0]) == 3


def test_a_model_file_and_a_run_are_starts_as_well(published, data, tmp_path):
    folder, model = published
    file = tmp_path / "model.keras"
    converted = checkpoints.convert(folder)
    save_model_file(converted.model, file, NAME, converted.overrides, converted.class_names)
    for settings, num_classes in (({"data": data}, 2), ({"num_classes": 5}, 5), ({}, 3)):
        entry = zoo.build(NAME, weights=file, **settings)
        assert entry.config.numerics == "huggingface"
        assert entry.model.output_shape[-1] == num_classes
        assert entry.class_names == (("cat", "dog", "owl") if num_classes == 3 else None)
        taken, given = by_path(entry.model), by_path(model)
        for path in taken:
            is_new = path.startswith("outputs/") and num_classes != 3
            assert is_new or np.array_equal(taken[path], given[path]), path
    with pytest.raises(ZooError, match="must be of perceiver_io_imagenet_conv. Rec"):
        zoo.build("perceiver_io_imagenet_conv", weights=file)
