"""Pictures that show what a model does."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zoo.atomic_files import replaced_atomically
from zoo.errors import ZooError

_RIGHT, _WRONG = "#222222", "#cc0000"


def contact_sheet(
    path: str | os.PathLike,
    images: np.ndarray,
    predicted: Sequence[str],
    actual: Sequence[str],
    *,
    columns: int = 6,
    title: str | None = None,
) -> Path:
    """Saves a PNG of images in a grid, each with its prediction and true label, errors in red.

    Args:
        path: file to write; it appears complete or not at all.
        images: uint8 (n, h, w, c), pixels 0-255, with 1 or 3 channels.
        predicted: n labels that the model gave.
        actual: n true labels.
        columns: images in each row.
        title: line above the grid.

    Returns:
        The file that was written.

    Raises:
        ZooError: if the disk is full.
        ValueError: if there are no images, or not one pair of labels for each.
    """
    images = np.asarray(images)
    if not len(images) == len(predicted) == len(actual) > 0:
        raise ValueError(
            "`images`, `predicted` and `actual` must have the same length, at least 1. "
            f"Received: {len(images)}, {len(predicted)} and {len(actual)}."
        )
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.35 * columns, 1.6 * rows + 0.5), layout="constrained")
    if title:
        figure.suptitle(title)
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axis in axes[len(images) :]:
        axis.axis("off")
    for axis, image, guess, truth in zip(axes, images, predicted, actual, strict=False):
        _draw(axis, image, str(guess), str(truth))
    return save_figure(figure, Path(path))


def _draw(axis, image: np.ndarray, predicted: str, actual: str) -> None:
    right = predicted == actual
    grey = image.shape[-1] == 1
    axis.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255)
    text = predicted if right else f"{predicted}, is {actual}"
    axis.set_title(text, color=_RIGHT if right else _WRONG, fontsize=10, parse_math=False)
    axis.set(xticks=[], yticks=[])
    for side in axis.spines.values():
        side.set(color=_RIGHT if right else _WRONG, linewidth=0.8 if right else 3)


def save_figure(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG, complete or not at all, in a folder that is made if it is missing.

    Raises:
        ZooError: if the disk is full or the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_atomically(path) as partial:
            FigureCanvasAgg(figure).print_png(str(partial))
    except OSError as error:
        raise ZooError(f"{path} cannot be written: {error.strerror}.") from error
    return path
