"""Pictures of optical flow in the colours of Middlebury's wheel.

The hue says where a pixel moves, the saturation how far: white stays, full colour is the longest
motion of the picture. Pixels of unknown flow are black.
"""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.atomic_files import replaced_atomically
from zoo.optical_flow.files import UNKNOWN_FLOW

# Colours of the wheel between its six corners, from red on (Baker et al., "A Database and
# Evaluation Methodology for Optical Flow", 2011): so many steps to yellow, green, cyan, blue,
# magenta and back to red.
_CORNERS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1))
_STEPS = (15, 6, 4, 11, 13, 6)
_BEYOND = 0.75


def colour_wheel() -> np.ndarray:
    """Returns the 55 colours of the wheel, float64 (55, 3) in [0, 1]."""
    corners = np.array(_CORNERS, float)
    return np.concatenate(
        [
            start + (end - start) * np.arange(steps)[:, None] / steps
            for start, end, steps in zip(corners, np.roll(corners, -1, axis=0), _STEPS, strict=True)
        ]
    )


def flow_colours(flow: np.ndarray, max_motion: float | None = None) -> np.ndarray:
    """Returns the picture of a flow field.

    Args:
        flow: float (height, width, 2), pixels to the right and down.
        max_motion: length of the vectors of full colour, in pixels; longer ones are darker.
            None: the longest of `flow`.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: if `flow` has another shape or `max_motion` is not positive.
    """
    flow = np.asarray(flow, np.float64)
    if flow.ndim != 3 or flow.shape[2] != 2:
        raise ValueError(
            f"`flow` must have the shape (height, width, 2). Received: shape {flow.shape}."
        )
    if max_motion is not None and not max_motion > 0:
        raise ValueError(f"`max_motion` must be greater than 0. Received: max_motion={max_motion}.")
    known = (np.abs(flow) < UNKNOWN_FLOW).all(axis=-1)
    flow = np.where(known[..., None], flow, 0.0)
    length = np.hypot(flow[..., 0], flow[..., 1])
    length = length / (max_motion or max(length.max(), 1e-9))
    wheel = colour_wheel()
    place = (np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi + 1) / 2 * (len(wheel) - 1)
    below = np.floor(place).astype(int)
    share = (place - below)[..., None]
    hue = (1 - share) * wheel[below] + share * wheel[(below + 1) % len(wheel)]
    length = length[..., None]
    colours = np.where(length <= 1, 1 - length * (1 - hue), _BEYOND * hue)
    return np.floor(255 * colours * known[..., None]).astype(np.uint8)


def write_flow_picture(
    path: str | os.PathLike, flow: np.ndarray, max_motion: float | None = None
) -> Path:
    """Writes the picture of a flow field as PNG, see `flow_colours`; complete or not at all."""
    return _write_png(Path(path), flow_colours(flow, max_motion))


def write_side_by_side(
    path: str | os.PathLike,
    frames: np.ndarray,
    flows: list[np.ndarray],
    max_motion: float | None = None,
) -> Path:
    """Writes a PNG of a frame pair and flow fields in one row, the flows in one scale of colour.

    Args:
        path: file to write; it appears complete or not at all.
        frames: uint8 (n, height, width, 3).
        flows: float (height, width, 2) each, for instance the predicted and the true one.
        max_motion: see `flow_colours`; None: the longest motion of the last of `flows`.

    Returns:
        The file that was written.
    """
    if max_motion is None:
        known = np.where(np.abs(flows[-1]) < UNKNOWN_FLOW, flows[-1], 0.0)
        max_motion = max(float(np.hypot(known[..., 0], known[..., 1]).max()), 1e-9)
    pictures = [*frames, *(flow_colours(flow, max_motion) for flow in flows)]
    gap = np.full((pictures[0].shape[0], 4, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (picture, gap)][:-1]
    return _write_png(Path(path), np.concatenate(row, axis=1))


def _write_png(path: Path, picture: np.ndarray) -> Path:
    with replaced_atomically(path) as partial:
        partial.write_bytes(tf.io.encode_png(picture).numpy())
    return path
