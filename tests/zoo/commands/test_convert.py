"""`perceiver-zoo convert`: from published weights to a file of the zoo and back."""

import json

import numpy as np
import pytest
from huggingface_models import tensor
from safetensors.numpy import load_file, save_file

import zoo
from zoo.cli import main
from zoo.serving.model_file import load_model_file
from zoo.weights import checkpoints

SETTINGS = {
    "num_latents": 4,
    "latent_channels": 16,
    "num_blocks": 1,
    "num_self_attends_per_block": 1,
    "image_shape": (6, 6, 3),
    "num_classes": 3,
    "numerics": "huggingface",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small model with learned positions, as transformers has it."""
    folder = tmp_path_factory.mktemp("huggingface") / "model"
    model = zoo.build_model(zoo.configuration("perceiver_io_imagenet_learned", **SETTINGS))
    checkpoints.checkpoints.save_huggingface(model, folder, ["cat", "dog", "owl"])
    shapes = {name: array.shape for name, array in load_file(folder / "model.safetensors").items()}
    tensors = {name: tensor(name, shape) for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_weights_become_a_model_file_and_weights_again(folder, tmp_path, capsys, random):
    path = tmp_path / "model.keras"
    assert main(["convert", str(folder), "--to", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "perceiver_io_imagenet_learned" in printed
    assert "numerics huggingface" in printed
    assert f"wrote {path}" in printed
    entry, class_names = load_model_file(path)
    assert tuple(class_names) == ("cat", "dog", "owl")
    assert entry.config.numerics == "huggingface"
    images = random.normal(size=(2, 6, 6, 3)).astype("float32")
    direct = zoo.build("perceiver_io_imagenet_learned", weights=folder)
    np.testing.assert_array_equal(entry.model(images), direct.model(images))

    back = tmp_path / "back"
    assert main(["convert", str(path), "--to-huggingface", str(back)]) == 0
    assert (back / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    labels = json.loads((back / "config.json").read_text())["id2label"]
    assert labels == {"0": "cat", "1": "dog", "2": "owl"}


def test_settings_and_numerics_go_before_those_of_the_weights(folder, tmp_path):
    path = tmp_path / "model.keras"
    options = ["--numerics", "deepmind", "--set", "num_self_attention_heads=2"]
    assert main(["convert", str(folder), "--to", str(path), *options]) == 0
    config = load_model_file(path)[0].config
    assert (config.numerics, config.architecture.num_self_attention_heads) == ("deepmind", 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}", "--to", "{out}.txt"], "`--to` must end in .keras"),
        (["{folder}", "--to", "{out}.keras", "--name", "no_such_model"], "no model named"),
        (["{folder}", "--to", "{out}.keras", "--name", "perceiver_io_flow"], "a model like perc"),
        (
            ["{folder}", "--to", "{out}.keras", "--set", "num_latents=5"],
            "latents' of shape (4, 16)",
        ),
        (["{folder}", "--to-huggingface", "{out}"], "must be a .keras file"),
        (["{folder}", "--to-huggingface", "{out}", "--numerics", "deepmind"], "does not go with"),
        (["{out}", "--to", "{out}.keras"], "which does not exist"),
        (["{out}.keras", "--to", "{out}.keras"], "is a Keras file already"),
        (["{out}.keras", "--to-huggingface", "{out}"], "cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(folder, tmp_path, capsys, arguments, message):
    names = {"folder": folder, "out": tmp_path / "out"}
    assert main(["convert", *(argument.format(**names) for argument in arguments)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_kept_unless_told(folder, tmp_path, capsys):
    path = tmp_path / "model.keras"
    path.write_text("mine")
    assert main(["convert", str(folder), "--to", str(path)]) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["convert", str(folder), "--to", str(path), "--overwrite"]) == 0
    assert load_model_file(path)[0].name == "perceiver_io_imagenet_learned"
