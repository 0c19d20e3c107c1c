"""NumPy's `.npz` files, whole or not at all."""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from zoo.errors import ZooError


def read_npz(path, content=None):
    """Returns the arrays of an `.npz` file, a dict.

    Args:
        path: the file, for messages, and to be read if there is no `content`.
        content: bytes of the file, or None.

    Raises:
        ZooError: if it cannot be read.
    """
    try:
        content = Path(path).read_bytes() if content is None else content
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            if isinstance(file, np.ndarray):
                raise ValueError("a single array")
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ZooError(f"Cannot read {path}: it is no complete .npz file ({error}).") from error
