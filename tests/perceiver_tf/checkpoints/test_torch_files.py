"""Files of `torch.save` are read without PyTorch, and hold tensors or are refused."""

import os
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest

from perceiver_tf.checkpoints import CheckpointError, open_checkpoint
from perceiver_tf.checkpoints.torch_files import open_torch

ARRAY = np.arange(24, dtype="float32").reshape(4, 6)


class _Storage:
    """What the pickle of a file refers to by a persistent id."""

    def __init__(self, kind, key, size):
        self.reference = ("storage", kind, key, "cpu", size)


class _Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.reference if isinstance(value, _Storage) else None


class _Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def torch_names(monkeypatch):
    """Stand-ins for what a file of PyTorch names; only their names are written."""
    torch, functions = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "BFloat16Storage"):
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))

    def _rebuild_tensor_v2(*_):
        raise AssertionError("PyTorch's function must not be called")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    functions._rebuild_tensor_v2, torch._utils = _rebuild_tensor_v2, functions
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", functions)
    return torch


def write(path, contents, members):
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("archive/data.pkl", "w") as file:
            _Pickler(file, protocol=2).dump(contents)
        for key, data in members.items():
            archive.writestr(f"archive/data/{key}", data)


def tensor(torch, kind, key, offset, shape, strides, size=24):
    storage = _Storage(getattr(torch, kind), key, size)
    return _Call(torch._utils._rebuild_tensor_v2, storage, offset, shape, strides, False, {})


def test_tensors_are_read_by_offset_and_strides(tmp_path, torch_names):
    contents = {
        "whole": tensor(torch_names, "FloatStorage", "0", 0, (4, 6), (6, 1)),
        "transposed": tensor(torch_names, "FloatStorage", "0", 0, (6, 4), (1, 6)),
        "rows": tensor(torch_names, "FloatStorage", "0", 6, (2, 6), (6, 1)),
        "half": tensor(torch_names, "BFloat16Storage", "1", 0, (3,), (1,), 3),
        "scalar": tensor(torch_names, "FloatStorage", "0", 5, (), ()),
    }
    half = (np.array([1.5, -2, 0.25], "float32").view("uint32") >> 16).astype("uint16")
    write(tmp_path / "model.bin", contents, {"0": ARRAY.tobytes(), "1": half.tobytes()})
    shapes, read = open_torch(tmp_path / "model.bin")
    wanted = {"whole": ARRAY, "transposed": ARRAY.T, "rows": ARRAY[1:3], "scalar": ARRAY[0, 5]}
    for name, array in {**wanted, "half": np.float32([1.5, -2, 0.25])}.items():
        assert shapes[name] == array.shape
        np.testing.assert_array_equal(read(name), array)


@pytest.mark.slow
def test_real_file_of_torch_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    whole = torch.from_numpy(ARRAY.copy())
    state = {"a": whole, "b": whole.T[1:], "c": torch.nn.Parameter(whole.half()), "d": whole.long()}
    torch.save(state, tmp_path / "pytorch_model.bin")
    shapes, read = open_torch(tmp_path / "pytorch_model.bin")
    for name, value in state.items():
        assert shapes[name] == tuple(value.shape)
        np.testing.assert_array_equal(read(name), value.detach().numpy())


def test_files_that_import_anything_else_are_refused(tmp_path, torch_names):
    touched = tmp_path / "touched"
    write(tmp_path / "model.bin", {"w": _Call(os.system, f"touch {touched}")}, {})
    with pytest.raises(CheckpointError, match=r"imports (posix|nt).system; it was refused"):
        open_torch(tmp_path / "model.bin")
    assert not touched.exists()
    write(tmp_path / "model.bin", {"w": ["no tensor"]}, {})
    with pytest.raises(CheckpointError, match="must hold tensors only. Received: 'w' of list"):
        open_torch(tmp_path / "model.bin")


def test_tensors_longer_than_their_storage_are_refused(tmp_path, torch_names):
    for shape, strides, message in (
        ((5, 6), (6, 1), "longer than its storage"),
        ((4, 6), (60, 1), "longer than its storage"),
        ((4, 6), (-6, 1), "must be counts"),
    ):
        contents = {"w": tensor(torch_names, "FloatStorage", "0", 0, shape, strides)}
        write(tmp_path / "model.bin", contents, {"0": ARRAY.tobytes()})
        with pytest.raises(CheckpointError, match=message):
            open_torch(tmp_path / "model.bin")[1]("w")


def test_truncated_and_older_files_are_refused(tmp_path, torch_names):
    path = tmp_path / "model.bin"
    contents = {"w": tensor(torch_names, "FloatStorage", "0", 0, (4, 6), (6, 1))}
    write(path, contents, {"0": ARRAY.tobytes()})
    content = path.read_bytes()
    for part in (b"", content[:200], content[:-1], pickle.dumps({"w": 1})):
        path.write_bytes(part)
        with pytest.raises(CheckpointError, match="truncated, damaged, or older"):
            open_torch(path)
    write(path, contents, {})
    with pytest.raises(CheckpointError, match="truncated or damaged.*archive/data/0"):
        open_torch(path)[1]("w")


def test_a_folder_with_such_a_file_is_opened(tmp_path, torch_names):
    contents = {"w": tensor(torch_names, "FloatStorage", "0", 0, (4, 6), (6, 1))}
    write(tmp_path / "pytorch_model.bin", contents, {"0": ARRAY.tobytes()})
    (tmp_path / "config.json").write_text('{"architectures": ["PerceiverForOpticalFlow"]}')
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.head == "flow"
    np.testing.assert_array_equal(checkpoint.read("w"), ARRAY)
