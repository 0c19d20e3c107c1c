"""DeepMind's pickles, converted: equal outputs, whole parameter trees, nothing but arrays.

The arrays are figures that DeepMind's own code gave for small models; the trees are the names and
shapes of its full-size models.
"""

import json
import os
import pathlib
import pickle
import sys
import types

import keras
import numpy as np
import pytest
import test_deepmind

import zoo
from perceiver_tf import LatentArray, LearnedInputs, perceiver_io
from perceiver_tf.checkpoints import CheckpointError, load_checkpoint, open_checkpoint
from perceiver_tf.checkpoints.deepmind import checkpoint_of_arrays
from perceiver_tf.checkpoints.loading import pair
from perceiver_tf.models.skeleton import measure_skeleton
from zoo.registry import build_model
from zoo.weights import checkpoints

REFERENCE = pathlib.Path(test_deepmind.__file__).parent / "deepmind"
_IMAGE = {"num_self_attention_heads": 8, "num_blocks": 3}
# What the trees do not tell of the small models.
SETTINGS = {
    "imagenet_fourier": {**_IMAGE, "image_shape": (20, 20, 3), "max_resolution": (20, 20)},
    "imagenet_conv": {**_IMAGE, "image_shape": (32, 32, 3), "max_resolution": (8, 8)},
    "language_bytes": {},
    "optical_flow": {
        "num_self_attention_heads": 4,
        "frame_shape": (12, 20),
        "max_resolution": (12, 20),
    },
    "kinetics_autoencoder": {
        "image_shape": (4, 16, 16, 3),
        "num_audio_samples": 640,
        "num_image_bands": 4,
        "image_max_resolution": (4, 4, 4),
        "num_audio_bands": 7,
        "audio_max_resolution": 640,
        "num_image_points": 205,
        "num_audio_points": 20,
    },
}
NAMES = {
    "imagenet_fourier": "perceiver_io_imagenet_fourier",
    "imagenet_learned": "perceiver_io_imagenet_learned",
    "imagenet_conv": "perceiver_io_imagenet_conv",
    "language_bytes": "perceiver_io_language",
    "optical_flow": "perceiver_io_flow",
    "kinetics_autoencoder": "perceiver_io_multimodal",
}


def write_pickle(path, name):
    """Write a small model as a pickle of modules and return the stored arrays."""
    stored = dict(np.load(REFERENCE / f"{name}_small.npz"))
    parts = {"param": {}, "state": {}}
    for key, array in stored.items():
        kind, _, full_name = key.partition(":")
        if kind in parts:
            module, _, leaf = full_name.rpartition("/")
            parts[kind].setdefault(module, {})[leaf] = array
    tree = parts["param"]
    if name.startswith("imagenet"):  # the image classifiers come with their state
        tree = {"params": tree, "state": parts["state"]}
    path.write_bytes(pickle.dumps(tree))
    return stored


def model_inputs(name, stored):
    if name == "language_bytes":
        return {"token_ids": stored["input:inputs"], "mask": stored["input:input_mask"] > 0}
    if name == "kinetics_autoencoder":
        points = {k: stored[f"input:{k}"][None] for k in ("image_points", "audio_points")}
        return {"image": stored["input:images"], "audio": stored["input:audio"], **points}
    return stored["input:images"]


@pytest.mark.parametrize("name", SETTINGS)
def test_small_model_equals_deepmind(tmp_path, name):
    stored = write_pickle(tmp_path / "model.pystate", name)
    converted = checkpoints.convert(tmp_path / "model.pystate", **SETTINGS[name])
    assert (converted.name, converted.config.numerics) == (NAMES[name], "deepmind")
    outputs = converted.model(model_inputs(name, stored))
    for part, output in (outputs if isinstance(outputs, dict) else {"": outputs}).items():
        wanted = stored[f"output:{part}"]
        np.testing.assert_allclose(np.reshape(output, wanted.shape), wanted, atol=1e-4)


def test_small_learned_model_equals_deepmind(tmp_path):
    """The zoo's model of this kind has 256 channels of content and positions, this one 12."""
    stored = write_pickle(tmp_path / "model.pystate", "imagenet_learned")
    model = perceiver_io(
        keras.Input((16, 16, 3)),
        LearnedInputs(12, 12, 12, name="inputs"),
        LatentArray(1, 32, name="query"),
        5,
        num_latents=7,
        latent_channels=32,
        num_blocks=3,
        num_self_attends_per_block=2,
        cross_attention_qk_channels=24,
        use_decoder_query_residual=False,
    )
    load_checkpoint(model, tmp_path / "model.pystate")
    logits = model(stored["input:images"])[:, 0]
    np.testing.assert_allclose(logits, stored["output:"], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_full_parameter_tree_maps_onto_the_full_model(name):
    tree = json.loads((REFERENCE / f"{name}_parameters.json").read_text())
    shapes = {**tree["shapes"], **tree.get("state", {})}
    arrays = {key: types.SimpleNamespace(shape=shape) for key, shape in shapes.items()}
    checkpoint = checkpoint_of_arrays(arrays, name)
    assert checkpoints.name_of(checkpoint) == NAMES[name]
    config = zoo.configuration(NAMES[name], **checkpoints.settings_of(checkpoint))
    assert set(checkpoints.settings_of(checkpoint)) <= {"max_resolution"}

    def names(model):
        return [stored for _, stored, _ in pair(model.weights, checkpoint)]

    used = measure_skeleton(lambda: build_model(config), names)
    assert len(set(used)) == len(used)
    assert set(used) == set(shapes) - set(checkpoint.names.unread)
    assert tree["parameters"] == config.parameters


def test_parameter_of_another_shape_or_name_is_named(tmp_path):
    path = tmp_path / "model.pystate"
    write_pickle(path, "optical_flow")
    tree = pickle.loads(path.read_bytes())
    module = tree["perceiver_encoder/~/self_attention_1/mlp/linear"]
    module["b"] = module["b"][:-1]
    module["extra"] = np.ones(3, "float32")
    path.write_bytes(pickle.dumps(tree))
    with pytest.raises(zoo.ZooError, match=r"self_attention_1/mlp/linear/b' of shape \(31,\), not"):
        checkpoints.convert(path, **SETTINGS["optical_flow"])
    module["b"] = np.ones(32, "float32")
    path.write_bytes(pickle.dumps(tree))
    with pytest.raises(zoo.ZooError, match=r"linear/extra' of shape \(3,\), which the model has"):
        checkpoints.convert(path, **SETTINGS["optical_flow"])


class _Runs:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda path: _Runs(os.system, f"touch {path}"), "(posix|nt).system"),
        (lambda path: _Runs(eval, f"open({str(path)!r}, 'w')"), "builtins.eval"),
        (lambda path: _Runs(getattr, "text", "upper"), "builtins.getattr"),
        (lambda path: _Runs(np.load, str(path)), "numpy.load"),
        (lambda path: {"w": [(_Runs(open, str(path), "w"),)]}, "_?io.open"),
        (lambda path: types.SimpleNamespace(w=1), "types.SimpleNamespace"),
    ],
)
def test_pickles_that_import_anything_else_are_refused(tmp_path, call, name):
    touched, path = tmp_path / "touched", tmp_path / "model.pystate"
    path.write_bytes(pickle.dumps({"embed": {"embeddings": call(touched)}}))
    with pytest.raises(zoo.ZooError, match=f"imports {name}; it was refused, and not imported"):
        checkpoints.convert(path)
    assert not touched.exists()


def test_arrays_of_objects_are_refused(tmp_path):
    path = tmp_path / "model.pystate"
    path.write_bytes(pickle.dumps({"embed": {"embeddings": np.array([{}, None])}}))
    with pytest.raises(CheckpointError, match="must hold numpy arrays in mappings.*'embed/embedd"):
        open_checkpoint(path)


def test_damaged_pickles_and_other_contents_are_refused(tmp_path):
    path = tmp_path / "model.pystate"
    write_pickle(path, "imagenet_fourier")
    content = path.read_bytes()
    for part in (b"", content[:3], content[:5000], content[:-1], b"no pickle at all"):
        path.write_bytes(part)
        with pytest.raises(CheckpointError, match="truncated, damaged or no pickle of arrays"):
            open_checkpoint(path)
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(CheckpointError, match="must hold a mapping of parameters. Received: list"):
        open_checkpoint(path)
    path.write_bytes(pickle.dumps({"mlp/linear": {"w": np.ones((2, 3))}}))
    with pytest.raises(CheckpointError, match="one of DeepMind's .* Received: mlp/linear/w"):
        open_checkpoint(path)


def test_mappings_of_haiku_and_arrays_of_jax_become_plain(tmp_path, monkeypatch):
    """Neither is installed: their pickles name the functions that rebuild them."""
    haiku = types.ModuleType("haiku._src.data_structures")
    jax = types.ModuleType("jax._src.array")

    class FlatMapping(dict):
        __module__, __qualname__ = haiku.__name__, "FlatMapping"

        def __reduce__(self):
            return FlatMapping, (dict(self),)

    def _reconstruct_array(*_):
        raise AssertionError("the function of JAX must not be called")

    _reconstruct_array.__module__ = jax.__name__
    _reconstruct_array.__qualname__ = "_reconstruct_array"
    haiku.FlatMapping, jax._reconstruct_array = FlatMapping, _reconstruct_array
    packages = [types.ModuleType(name) for name in ("haiku", "haiku._src", "jax", "jax._src")]
    for module in (*packages, haiku, jax):
        monkeypatch.setitem(sys.modules, module.__name__, module)

    array = np.arange(6, dtype="float32").reshape(2, 3)
    function, arguments, state = array.__reduce__()
    rebuilt = _Runs(_reconstruct_array, function, arguments, state, {"weak_type": False})
    tree = FlatMapping({"embed": FlatMapping({"embeddings": rebuilt, "scalar": np.float32(2)})})
    for protocol in (2, 4, 5):
        path = tmp_path / f"{protocol}.pickle"
        path.write_bytes(pickle.dumps(tree, protocol=protocol))
        checkpoint = open_checkpoint(path)
        np.testing.assert_array_equal(checkpoint.read("embed/embeddings"), array)
        assert checkpoint.shapes == {"embed/embeddings": (2, 3), "embed/scalar": ()}
        assert checkpoint.head == "masked_language"


def test_paths_that_are_no_checkpoints_are_refused(tmp_path):
    (tmp_path / "weights.txt").write_text("")
    with pytest.raises(CheckpointError, match="endings .safetensors, .bin, .* Received: .*txt"):
        open_checkpoint(tmp_path / "weights.txt")
    with pytest.raises(CheckpointError, match="missing.pystate, which does not exist"):
        open_checkpoint("some/missing.pystate")
