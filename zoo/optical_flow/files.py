"""Files of optical flow: Middlebury's `.flo`, and the frames beside it.

A `.flo` file holds the float 202021.25, width and height as int32, then for each pixel, row by
row, how far it moves right and down, float32; all little-endian. A value beyond 1e9 marks a pixel
whose flow is unknown.
"""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.atomic_files import replaced_atomically
from zoo.data.pipeline import require_readable
from zoo.errors import ZooError
from zoo.images.folder import decode_image

UNKNOWN_FLOW = 1e9
_MAGIC = np.float32(202021.25)
_HEADER_BYTES = 12
_PPM_FIELDS = 4


def write_flo(path: str | os.PathLike, flow: np.ndarray) -> Path:
    """Writes a flow field; the file appears complete or not at all.

    Args:
        path: file to write, `.flo`.
        flow: float (height, width, 2), pixels to the right and down.

    Returns:
        The file that was written.

    Raises:
        ZooError: if the disk is full.
        ValueError: if `flow` has another shape.
    """
    flow = np.asarray(flow)
    if flow.ndim != 3 or flow.shape[2] != 2 or 0 in flow.shape:
        raise ValueError(
            f"`flow` must have the shape (height, width, 2). Received: shape {flow.shape}."
        )
    height, width, _ = flow.shape
    header = _MAGIC.astype("<f4").tobytes() + np.array([width, height], "<i4").tobytes()
    path = Path(path)
    with replaced_atomically(path) as partial:
        partial.write_bytes(header + flow.astype("<f4").tobytes())
    return path


def read_flo(path: str | os.PathLike) -> np.ndarray:
    """Returns the flow of a `.flo` file, float32 (height, width, 2).

    Raises:
        ZooError: if the file cannot be read, or is no complete `.flo` file.
    """
    height, width = flo_size(path)
    content = Path(path).read_bytes()
    return np.frombuffer(content[_HEADER_BYTES:], "<f4").reshape(height, width, 2).copy()


def flo_size(path: str | os.PathLike) -> tuple[int, int]:
    """Returns (height, width) of a `.flo` file, of which only the header is read.

    Raises:
        ZooError: as `read_flo`.
    """
    try:
        with open(path, "rb") as stream:
            header = stream.read(_HEADER_BYTES)
            num_bytes = os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise ZooError(f"Cannot read the flow file {path}: {error.strerror}.") from error
    if len(header) < _HEADER_BYTES or np.frombuffer(header[:4], "<f4")[0] != _MAGIC:
        raise ZooError(f"Cannot read the flow file {path}: it is no .flo file.")
    width, height = (int(size) for size in np.frombuffer(header[4:], "<i4"))
    wanted = _HEADER_BYTES + 8 * width * height
    if min(width, height) < 1 or num_bytes != wanted:
        raise ZooError(
            f"Cannot read the flow file {path}: {width} x {height} pixels take {wanted} bytes, "
            f"it has {num_bytes}."
        )
    return height, width


def decode_flo(content, size):
    """Returns the flow of a `.flo` file's content, in TensorFlow's operations.

    Args:
        content: scalar string.
        size: int32 (2,), height and width.

    Returns:
        float32 (height, width, 2), not a number where it is unknown.
    """
    values = tf.io.decode_raw(tf.strings.substr(content, _HEADER_BYTES, -1), tf.float32)
    flow = tf.reshape(values, tf.concat([size, (2,)], axis=0))
    return tf.where(tf.abs(flow) < UNKNOWN_FLOW, flow, float("nan"))


def decode_frame(content):
    """Returns the pixels of an encoded frame: JPEG, PNG, BMP, GIF or binary PPM.

    Args:
        content: scalar string, the bytes of the file.

    Returns:
        uint8 (height, width, 3), RGB; grey is repeated, an alpha channel dropped.
    """
    is_ppm = tf.strings.substr(content, 0, 2) == "P6"
    frame = tf.cond(is_ppm, lambda: _decode_ppm(content), lambda: _as_rgb(decode_image(content)))
    return tf.ensure_shape(frame, (None, None, 3))


def read_frame(path):
    """Returns the pixels of a frame's file, given by a scalar string tensor; see `decode_frame`."""
    return decode_frame(tf.io.read_file(path))


def _as_rgb(image):
    is_colour = tf.shape(image)[-1] >= 3
    return tf.gather(image, tf.where(is_colour, (0, 1, 2), (0, 0, 0)), axis=-1)


def _decode_ppm(content):
    """Decodes a PPM without comments, with values of one byte."""
    fields = tf.strings.split(tf.strings.substr(content, 0, 64))
    require_readable(tf.size(fields) >= _PPM_FIELDS, "(a PPM file)")
    fields = fields[:_PPM_FIELDS]
    size = tf.strings.to_number(fields[1:3], tf.int32)
    begin = tf.reduce_sum(tf.strings.length(fields)) + _PPM_FIELDS
    values = tf.io.decode_raw(tf.strings.substr(content, begin, -1), tf.uint8)
    return tf.reshape(values, (size[1], size[0], 3))
