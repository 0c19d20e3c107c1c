"""Reading the files that `torch.save` writes, without PyTorch and without running anything."""

import math
import zipfile
from dataclasses import dataclass

import numpy as np

from perceiver_tf.checkpoints.errors import CheckpointError
from perceiver_tf.checkpoints.pickles import PlainUnpickler, load_plain

_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


@dataclass(frozen=True)
class StoredTensor:
    """Where the numbers of a tensor lie: in which member of the file, and how."""

    member: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _StateDictUnpickler(PlainUnpickler):
    """Loads a dict of tensors as a dict of `StoredTensor`."""

    def persistent_load(self, reference):
        kind, dtype, member, *_ = reference
        if kind != "storage":
            raise ValueError(f"{kind!r} is no storage of numbers")
        return member, dtype


def open_torch(path):
    """Open a `.bin` or `.pt` file that holds the tensors of a model.

    Args:
        path: path of a file that PyTorch 1.6 or later wrote.

    Returns:
        (shapes, read): dict from the tensors' names to their shapes, and a function from a name
        to its numpy array.

    Raises:
        CheckpointError: if the file is damaged, of an older format or holds anything else.
    """
    try:
        archive = zipfile.ZipFile(path)
        (listing,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} must be a file of tensors that PyTorch 1.6 or later wrote. It is truncated, "
            "damaged, or older (load and save it again with PyTorch)."
        ) from error
    with archive.open(listing) as file:
        contents = "the tensors of a model"
        tensors = load_plain(_StateDictUnpickler(file, path, _ADMITTED, contents), path)
    if not isinstance(tensors, dict):
        raise CheckpointError(f"{path} must hold a dict of tensors. Received: {type(tensors)}.")
    for name, tensor in tensors.items():
        if not isinstance(tensor, StoredTensor):
            raise CheckpointError(
                f"{path} must hold tensors only. Received: {name!r} of {type(tensor).__name__}."
            )
    folder = listing.removesuffix("data.pkl")

    def read(name):
        return _read(archive, folder, tensors[name], path)

    return {name: tensor.shape for name, tensor in tensors.items()}, read


def _read(archive, folder, tensor, path):
    try:
        data = archive.read(f"{folder}data/{tensor.member}")
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is truncated or damaged: {error}") from error
    is_bfloat16 = tensor.dtype == "bfloat16"
    numbers = np.frombuffer(data, "<u2" if is_bfloat16 else tensor.dtype)
    last = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.strides, strict=True))
    if math.prod(tensor.shape) and tensor.offset + last >= len(numbers):
        raise CheckpointError(f"{path} is damaged: a tensor is longer than its storage.")
    strides = [step * numbers.itemsize for step in tensor.strides]
    array = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, strides)
    if is_bfloat16:
        return (array.astype("<u4") << 16).view("<f4")
    return array


def _tensor(storage, offset, shape, strides, *_):
    member, dtype = storage
    numbers = (offset, *shape, *strides)
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError("a tensor's offset, shape and strides must be counts")
    return StoredTensor(str(member), dtype, offset, tuple(shape), tuple(strides))


def _parameter(tensor, *_):
    return tensor


_ADMITTED = {
    ("collections", "OrderedDict"): dict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", storage): dtype for storage, dtype in _STORAGES.items()},
}
