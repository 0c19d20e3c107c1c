"""Models of transformers, converted: equal outputs, exact round trips, clear refusals.

The numbers beside `huggingface_models` were given by transformers, see
`write_huggingface_reference`; neither it nor PyTorch is needed here.
"""

import json
import pathlib

import huggingface_models
import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import zoo
from perceiver_tf.checkpoints import CheckpointError, save_huggingface
from zoo.weights import checkpoints

REFERENCE = pathlib.Path(huggingface_models.__file__).parent / "huggingface"
HEADS = sorted(huggingface_models.HEADS)
TINY = {"num_latents": 4, "latent_channels": 16, "num_blocks": 1, "num_self_attends_per_block": 1}
TINY |= {"image_shape": (8, 8, 3), "num_classes": 3}


def reference(head):
    """Return (config, shapes by name, arrays) of a small model."""
    stored = dict(np.load(REFERENCE / f"{head}.npz"))
    about = json.loads(str(stored.pop("about")))
    return about["config"], about["shapes"], stored


def write(folder, head, **changes):
    """Write a small model as transformers does and return (folder, stored arrays)."""
    config, shapes, stored = reference(head)
    tensors = {n: huggingface_models.tensor(n, tuple(shape)) for n, shape in shapes.items()}
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder, stored


def sizes(stored):
    """The size of images is not in config.json where transformers takes any."""
    if "input:images" not in stored:
        return {}
    return {"image_shape": stored["input:images"].shape[1:]}


def outputs_and_latents(model, stored):
    arrays = {n.removeprefix("input:"): a for n, a in stored.items() if n.startswith("input:")}
    arrays = arrays if len(arrays) > 1 else next(iter(arrays.values()))
    latents = keras.Model(model.input, model.get_layer("latent_transformer").output)
    return model(arrays), np.asarray(latents(arrays))


@pytest.fixture(scope="module", params=HEADS)
def small(request, tmp_path_factory):
    """(head, folder, stored arrays, converted model) of each head."""
    folder, stored = write(tmp_path_factory.mktemp(request.param) / "model", request.param)
    return request.param, folder, stored, checkpoints.convert(folder, **sizes(stored))


def test_small_model_equals_transformers(small):
    head, _, stored, converted = small
    assert converted.config.numerics == "huggingface"
    outputs, latents = outputs_and_latents(converted.model, stored)
    np.testing.assert_allclose(latents, stored["latents"], atol=1e-4, rtol=1e-4)
    outputs = outputs if isinstance(outputs, dict) else {"": outputs}
    for name, output in outputs.items():
        wanted = stored[f"output:{name}"]
        output = np.asarray(output)
        if head == "flow":
            output = output / 20  # transformers leaves that to its callers
        if head == "masked_language":
            wanted = wanted[:, : output.shape[1]]  # it decodes all positions of any text
        np.testing.assert_allclose(
            output.reshape(wanted.shape), wanted, atol=1e-4, rtol=1e-4, err_msg=name
        )
    assert len(outputs) == sum(name.startswith("output:") for name in stored)


def test_round_trip_is_bit_equal(small, tmp_path):
    head, folder, stored, converted = small
    save_huggingface(converted.model, tmp_path / "back", converted.class_names)
    before, after = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "back"))
    assert sorted(before) == sorted(after)
    for name, array in before.items():
        assert array.dtype == after[name].dtype
        np.testing.assert_array_equal(array, after[name], err_msg=name)
    settings = checkpoints.settings_of(tmp_path / "back")
    assert {**settings, **sizes(stored)} == converted.overrides
    assert checkpoints.class_names_of(tmp_path / "back") == converted.class_names


@pytest.mark.parametrize(
    ("head", "name", "settings"),
    [
        ("masked_language", "perceiver_io_language_tiny", {"window": 20}),
        ("flow", "perceiver_io_flow_tiny", {}),
    ],
)
def test_weights_set_what_a_named_model_has_otherwise(tmp_path, head, name, settings):
    folder, stored = write(tmp_path / "model", head)
    usual = checkpoints.convert(folder).model
    named = checkpoints.convert(folder, name, **settings)
    assert named.name == name
    for one, other in zip(
        outputs_and_latents(named.model, stored), outputs_and_latents(usual, stored), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_class_names_are_those_of_the_checkpoint_if_they_are_names(tmp_path):
    folder, _ = write(tmp_path / "named", "image_fourier")
    assert checkpoints.class_names_of(folder) == ("cat", "dog", "owl", "fox", "elk")
    folder, _ = write(tmp_path / "numbered", "text_classification")
    assert checkpoints.class_names_of(folder) is None


def test_config_of_another_form_is_refused(tmp_path):
    for number, (head, field, value, message) in enumerate(
        (
            ("flow", "train_size", 5, "field of the wrong form"),
            ("multimodal", "output_shape", [1, 2], "field of the wrong form"),
            ("image_fourier", "id2label", {"a": "cat"}, "field of the wrong form"),
            ("image_fourier", "id2label", {"0": "cat"}, "must name 5 classes"),
            ("image_fourier", "num_blocks", 0, "`num_blocks` must be an integer of at least 1"),
        )
    ):
        folder, stored = write(tmp_path / str(number), head, **{field: value})
        with pytest.raises(zoo.ZooError, match=message):
            checkpoints.convert(folder, **sizes(stored))


def test_a_tensor_that_does_not_fit_is_named_and_nothing_is_changed(tmp_path):
    folder, stored = write(tmp_path / "model", "image_fourier")
    model = checkpoints.convert(folder, **sizes(stored)).model
    path = folder / "model.safetensors"
    name = "perceiver.encoder.self_attends.1.mlp.dense2.bias"
    for change, message in (
        (lambda t: t.pop(name), f"no '{name}' of shape \\(16,\\)"),
        (lambda t: t.update({name: np.zeros(15, "float32")}), f"'{name}' of shape \\(15,\\), not"),
        (lambda t: t.update(more=np.zeros(2, "float32")), "'more' .*which the model has not"),
        (lambda t: t.update({name: np.zeros(16, "int64")}), f"floating-point.*'{name}' of int64"),
    ):
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        broken = write(tmp_path / f"broken{len(list(tmp_path.iterdir()))}", "image_fourier")[0]
        save_file(tensors, broken / "model.safetensors")
        before = model.get_weights()
        with pytest.raises(zoo.ZooError, match=message):
            checkpoints.load_into(model, zoo.configuration("perceiver_io_imagenet_fourier"), broken)
        if "int64" not in message:
            for old, new in zip(before, model.get_weights(), strict=True):
                np.testing.assert_array_equal(old, new)
    assert path.exists()


def test_half_precision_is_widened_exactly(tmp_path):
    folder, stored = write(tmp_path / "model", "flow")
    tensors = load_file(folder / "model.safetensors")
    halves = {name: array.astype("float16") for name, array in tensors.items()}
    save_file(halves, folder / "model.safetensors")
    model = checkpoints.convert(folder).model
    latents = np.asarray(model.get_layer("latents").latents)
    np.testing.assert_array_equal(latents, halves["perceiver.embeddings.latents"])


def test_truncated_file_is_refused(tmp_path):
    folder, _ = write(tmp_path / "model", "flow")
    content = (folder / "model.safetensors").read_bytes()
    for length in (0, 5, 1000, len(content) - 1):
        (folder / "model.safetensors").write_bytes(content[:length])
        with pytest.raises(zoo.ZooError, match=r"model.safetensors is truncated, damaged"):
            checkpoints.convert(folder)


def test_other_architectures_are_refused_by_name(tmp_path):
    folder, _ = write(tmp_path / "model", "flow", architectures=["BertForMaskedLM"])
    with pytest.raises(zoo.ZooError, match=r"PerceiverForMaskedLM.* Received: BertForMaskedLM"):
        checkpoints.convert(folder)
    folder, _ = write(tmp_path / "other", "flow", architectures=["PerceiverForMaskedLM"])
    with pytest.raises(zoo.ZooError, match="must hold the tensors of masked_language"):
        checkpoints.convert(folder)
    folder, _ = write(tmp_path / "relu", "flow", hidden_act="relu")
    with pytest.raises(zoo.ZooError, match="hidden_act 'gelu'. Received: hidden_act='relu'"):
        checkpoints.convert(folder)


def test_checkpoint_of_another_kind_than_the_model_is_refused(tmp_path):
    folder, _ = write(tmp_path / "model", "flow")
    with pytest.raises(zoo.ZooError, match="converted to a model like perceiver_io_flow"):
        checkpoints.convert(folder, "perceiver_io_imagenet_conv")
    config = zoo.configuration("perceiver_digits_tiny")
    with pytest.raises(zoo.ZooError, match="one of the published kinds of Perceiver IO"):
        checkpoints.load_into(zoo.build_model(config), config, folder)


def test_folders_without_their_files_are_refused(tmp_path):
    with pytest.raises(zoo.ZooError, match="config.json beside the tensors"):
        checkpoints.convert(tmp_path)
    folder, _ = write(tmp_path / "model", "flow")
    (folder / "model.safetensors").unlink()
    with pytest.raises(zoo.ZooError, match=r"model.safetensors or pytorch_model.bin"):
        checkpoints.convert(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(zoo.ZooError, match=r"config.json cannot be read"):
        checkpoints.convert(folder)


def test_symmetric_stem_and_kernels_of_huggingface_belong_together(tmp_path):
    folder, stored = write(tmp_path / "model", "image_conv")
    with pytest.raises(zoo.ZooError, match="needs numerics='huggingface'"):
        checkpoints.convert(folder, **sizes(stored), numerics="deepmind")


def test_models_that_transformers_does_not_have_are_not_written(tmp_path):
    for name, settings, message in (
        ("perceiver_io_imagenet_fourier", {}, r"64 bands and max_resolution=\(224, 224\)"),
        ("perceiver_io_imagenet_conv", {"max_resolution": (56, 56)}, "symmetric stem"),
        ("perceiver_io_imagenet_learned", {}, "use_decoder_query_residual=True"),
    ):
        model = zoo.build_model(zoo.configuration(name, **TINY, **settings))
        with pytest.raises(CheckpointError, match=message):
            save_huggingface(model, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_models_of_deepminds_numerics_are_written_with_their_gelu(tmp_path, random):
    name = "perceiver_io_imagenet_fourier"
    config = zoo.configuration(name, max_resolution=(224, 224), **TINY)
    model = zoo.build_model(config)
    save_huggingface(model, tmp_path / "out")
    assert json.loads((tmp_path / "out/config.json").read_text())["hidden_act"] == (
        "gelu_pytorch_tanh"
    )
    again = checkpoints.convert(tmp_path / "out", image_shape=(8, 8, 3))
    assert again.config.numerics == "deepmind"
    images = random.normal(size=(2, 8, 8, 3))
    np.testing.assert_array_equal(again.model(images), model(images))
    with pytest.raises(CheckpointError, match="must not exist yet, or be empty"):
        save_huggingface(model, tmp_path / "out")


def split(folder):
    """Put the tensors of a folder into two files with an index, and return that index."""
    whole = folder / "model.safetensors"
    tensors = load_file(whole)
    whole.unlink()
    files = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(tensors)}
    for file in set(files.values()):
        part = {name: tensor for name, tensor in tensors.items() if files[name] == file}
        save_file(part, folder / file, metadata={"format": "pt"})
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": files}))
    return index


def test_tensors_in_several_files_are_the_same_model(tmp_path):
    folder, stored = write(tmp_path / "model", "image_fourier")
    whole = checkpoints.convert(folder, **sizes(stored)).model
    index = split(folder)
    for source in (folder, index):
        parts = checkpoints.convert(source, **sizes(stored)).model
        for one, other in zip(whole.weights, parts.weights, strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_index_that_does_not_fit_its_files_is_refused(tmp_path):
    folder, _ = write(tmp_path / "model", "flow")
    index = split(folder)
    about = json.loads(index.read_text())
    first = min(about["weight_map"])
    for weight_map, message in (
        ({first: "../model.safetensors"}, r"weight_map.* Received: ValueError"),
        ({first: 3}, r"weight_map.* Received: TypeError"),
        (["model.safetensors"], r"weight_map.* Received: AttributeError"),
        (about["weight_map"] | {first: "lost.safetensors"}, "a file that is missing: .*lost"),
        (about["weight_map"] | {"more": about["weight_map"][first]}, "has the tensor more, which"),
        ({first: about["weight_map"][first]}, r"has the tensor .*, which .*index.json lacks"),
    ):
        index.write_text(json.dumps({"weight_map": weight_map}))
        with pytest.raises(zoo.ZooError, match=message):
            checkpoints.convert(folder)
    index.write_text("{")
    with pytest.raises(zoo.ZooError, match=r"index.json must be a JSON object"):
        checkpoints.convert(folder)
