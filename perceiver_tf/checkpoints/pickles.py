"""Reading pickles that hold arrays in plain containers, and nothing else.

A pickle is a program: loading one from elsewhere as it is may run anything. What a pickle may
name here is listed; whatever else it tries to import ends the reading before anything was called.
"""

import pickle

import numpy as np

from perceiver_tf.checkpoints.errors import CheckpointError


class PlainUnpickler(pickle.Unpickler):
    """Loads a pickle whose every import is one of a list, each replaced by what stands there.

    Args:
        file: binary file.
        source: str, what the pickle is called in errors.
        admitted: dict from (module, name) to what the pickle gets instead.
        contents: str, what the pickle may hold, for errors.
    """

    def __init__(self, file, source, admitted, contents):
        super().__init__(file)
        self._source, self._admitted, self._contents = source, admitted, contents

    def find_class(self, module, name):
        if (module, name) in self._admitted:
            return self._admitted[module, name]
        raise CheckpointError(
            f"The pickle {self._source} must hold {self._contents} only. "
            f"Received: one that imports {module}.{name}; it was refused, and not imported."
        )


def load_plain(unpickler, source):
    """Return what a `PlainUnpickler` loads.

    Raises:
        CheckpointError: if it imports what it may not, is truncated, or no pickle at all.
    """
    try:
        return unpickler.load()
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle may end in any of them
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(
            f"{source} is truncated, damaged or no pickle of arrays: {reason}"
        ) from error


def load_arrays(path):
    """Return the contents of a pickle of numpy arrays in plain containers.

    Haiku's mappings become dicts and JAX's arrays numpy's, without Haiku or JAX.

    Args:
        path: path of the file.

    Raises:
        CheckpointError: see `load_plain`.
    """
    contents = "numpy arrays and plain containers"
    with open(path, "rb") as file:
        return load_plain(PlainUnpickler(file, path, _ADMITTED, contents), path)


def _scalar(dtype, data):
    """A numpy scalar as an array without axes."""
    if dtype.hasobject:
        raise ValueError("scalars of Python objects are not admitted")
    return np.frombuffer(data, dtype)[0]


def _jax_array(reconstruct, arguments, state, *_):
    """A JAX array as the numpy array that it was pickled by."""
    array = reconstruct(*arguments)
    array.__setstate__(state)
    return array


def _bytes(text, encoding="latin1"):
    """Bytes as the first protocols of Python 3 pickle them."""
    if encoding != "latin1":
        raise ValueError(f"the encoding {encoding!r} is not admitted")
    return text.encode("latin1")


def _empty_array(subtype, shape, typecode):
    """What numpy starts an unpickled array from; its state follows."""
    if subtype is not np.ndarray:
        raise ValueError("arrays of other types than numpy.ndarray are not admitted")
    return np.ndarray.__new__(np.ndarray, shape, typecode)


def _array_of_buffer(buffer, dtype, shape, order, *_):
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


_ADMITTED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): dict,
    ("_codecs", "encode"): _bytes,
    ("jax._src.array", "_reconstruct_array"): _jax_array,
    ("jax._src.device_array", "reconstruct_device_array"): _jax_array,
    ("jax.interpreters.xla", "reconstruct_device_array"): _jax_array,
    **{
        (f"{core}.multiarray", "_reconstruct"): _empty_array
        for core in ("numpy.core", "numpy._core")
    },
    **{(f"{core}.multiarray", "scalar"): _scalar for core in ("numpy.core", "numpy._core")},
    **{
        (f"{core}.numeric", "_frombuffer"): _array_of_buffer
        for core in ("numpy.core", "numpy._core")
    },
    **{
        ("haiku._src.data_structures", mapping): dict
        for mapping in ("FlatMapping", "FlatMap", "frozendict")
    },
}
