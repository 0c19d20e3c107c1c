"""Full-size models of transformers, with random weights, convert to equal outputs and latents.

Needs `pip install -e ".[parity]"`. `pytest -s tests/zoo/weights/test_checkpoints_parity.py` prints
the differences: absolute, over the largest number, and that number.
"""

import gc
import json

import keras
import numpy as np
import pytest
from huggingface_models import FULL, HEADS, SMALL, inputs
from safetensors import safe_open

from perceiver_tf.checkpoints import save_huggingface
from zoo.weights import checkpoints

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

SHAPES = {
    "image_learned": (224, 224, 3),
    "image_fourier": (224, 224, 3),
    "image_conv": (224, 224, 3),
    "flow": (368, 496),
    "multimodal": (16, 224, 224, 3),
}
POINTS = {"image": 6272, "audio": 15}  # as many as are decoded at a time, of the 128 parts
SETTINGS = {
    "multimodal": {"num_image_points": POINTS["image"], "num_audio_points": POINTS["audio"]}
}


def reference(head, folder):
    """Write transformers' model to a folder and return (inputs, its outputs, its latents)."""
    from write_huggingface_reference import build, run

    model = build(head, FULL[head])
    model.save_pretrained(folder)
    arrays = inputs(head, SHAPES.get(head), length=2048)
    if "images" in arrays:
        arrays = {"images": arrays["images"][:1]}
    points = None
    if head == "multimodal":
        random = np.random.RandomState(8)
        most = {"image": 16 * 224 * 224, "audio": 1920}
        points = {name: np.sort(random.permutation(most[name])[:n]) for name, n in POINTS.items()}
    outputs, latents = run(head, model, arrays, points)
    if points is not None:
        arrays |= {f"{name}_points": p[None].astype("int32") for name, p in points.items()}
    return arrays, outputs, latents


@pytest.mark.slow
@pytest.mark.parametrize("head", FULL)
def test_full_size_model_equals_transformers(tmp_path, head):
    arrays, wanted, wanted_latents = reference(head, tmp_path / "model")
    gc.collect()
    converted = checkpoints.convert(tmp_path / "model", **SETTINGS.get(head, {}))
    model = converted.model
    both = keras.Model(
        model.input, {"out": model.output, "latents": model.get_layer("latent_transformer").output}
    )
    given = arrays if len(arrays) > 1 else next(iter(arrays.values()))
    results = keras.tree.map_structure(np.asarray, both(given))
    outputs = results["out"] if isinstance(results["out"], dict) else {"": results["out"]}
    assert set(outputs) == set(wanted)
    differences = {"latents": _difference(results["latents"], wanted_latents)}
    for name, output in outputs.items():
        output = output / 20 if head == "flow" else output
        differences[name or "output"] = _difference(
            output.reshape(wanted[name].shape), wanted[name]
        )
    print(f"\n{head}: {json.dumps(differences)}")
    for absolute, relative, _ in differences.values():
        assert min(absolute, relative) <= 1e-4
    _assert_bit_equal(tmp_path / "model", save_huggingface(model, tmp_path / "back"))


def _assert_bit_equal(*folders):
    before, after = (safe_open(path / "model.safetensors", "numpy") for path in folders)
    assert sorted(before.keys()) == sorted(after.keys())
    for name in before.keys():  # noqa: SIM118
        np.testing.assert_array_equal(
            before.get_tensor(name), after.get_tensor(name), err_msg=name, strict=True
        )


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_tensors_in_several_files_are_the_same_model(tmp_path, ending):
    from write_huggingface_reference import build, small_shape

    shape = small_shape("image_fourier", SMALL["image_fourier"])
    model = build("image_fourier", SMALL["image_fourier"])
    model.save_pretrained(tmp_path / "whole")
    model.save_pretrained(tmp_path / "parts", max_shard_size="20KB")
    if ending == "bin":
        _as_torch_files(tmp_path / "parts")
    assert len(list((tmp_path / "parts").glob(f"*-of-*.{ending}"))) > 2
    whole, parts = (
        checkpoints.convert(tmp_path / name, image_shape=shape).model for name in ("whole", "parts")
    )
    for one, other in zip(whole.weights, parts.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def _as_torch_files(folder):
    """Write the parts of a folder as transformers did before safetensors."""
    from safetensors.torch import load_file

    for path in folder.glob("model-*.safetensors"):
        name = path.name.replace("model", "pytorch_model").replace("safetensors", "bin")
        torch.save(load_file(path), folder / name)
        path.unlink()
    index = folder / "model.safetensors.index.json"
    text = index.read_text().replace("model-", "pytorch_model-").replace(".safetensors", ".bin")
    (folder / "pytorch_model.bin.index.json").write_text(text)
    index.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("head", SMALL)
def test_transformers_reads_what_is_written(tmp_path, head):
    import transformers
    from write_huggingface_reference import build, run, small_shape

    shape = small_shape(head, SMALL[head])
    arrays = inputs(head, shape)
    model = build(head, SMALL[head])
    model.save_pretrained(tmp_path / "model")
    settings = {"image_shape": shape} if "images" in arrays else {}
    converted = checkpoints.convert(tmp_path / "model", **settings)
    save_huggingface(converted.model, tmp_path / "back", converted.class_names)
    again, loading = getattr(transformers, HEADS[head]).from_pretrained(
        tmp_path / "back", output_loading_info=True
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    written = again.state_dict()
    assert written.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(written[name], tensor, err_msg=name)
    # The same weights: what differs is the order of PyTorch's sums on several threads.
    wanted, wanted_latents = run(head, model, arrays)
    outputs, latents = run(head, again.eval(), arrays)
    np.testing.assert_allclose(latents, wanted_latents, rtol=1e-5, atol=1e-6)
    for name, output in outputs.items():
        np.testing.assert_allclose(output, wanted[name], rtol=1e-5, atol=1e-6)
    assert again.config.id2label == model.config.id2label


def _difference(output, wanted):
    """Return the largest absolute difference, the same over the largest number, and that number."""
    largest = float(np.abs(wanted).max())
    absolute = float(np.abs(output - wanted).max())
    return absolute, absolute / largest, largest
