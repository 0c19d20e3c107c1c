"""Pictures of point clouds."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from zoo.predictions.pictures import save_figure

COLUMNS = 5
MAX_POINTS = 1024  # drawn of a cloud; more only hide one another
_ELEVATION, _AZIMUTH = 22, -52  # degrees, from where a cloud is seen


def cloud_sheet(
    path: str | os.PathLike, clouds: Sequence[np.ndarray], titles: Sequence[str]
) -> Path:
    """Saves a PNG of point clouds in a grid, seen from the same side, each with a title.

    The third axis points up; the colour of a point is its height.

    Args:
        path: file to write; it appears complete or not at all.
        clouds: float arrays (n, 3), at least one.
        titles: as many lines of text.

    Returns:
        The file that was written.

    Raises:
        ZooError: if the disk is full.
        ValueError: if there are no clouds, or not one title for each.
    """
    if not len(clouds) == len(titles) > 0:
        raise ValueError(
            "`clouds` and `titles` must have the same length, at least 1. "
            f"Received: {len(clouds)} and {len(titles)}."
        )
    columns = min(COLUMNS, len(clouds))
    rows = -(-len(clouds) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.7 * rows), layout="constrained")
    for number, (cloud, title) in enumerate(zip(clouds, titles, strict=True), 1):
        axis = figure.add_subplot(rows, columns, number, projection="3d")
        _draw(axis, np.asarray(cloud, np.float64), title)
    return save_figure(figure, Path(path))


def _draw(axis, cloud, title):
    middle = (cloud.min(axis=0) + cloud.max(axis=0)) / 2
    reach = max(float(np.ptp(cloud, axis=0).max()) / 2, 1e-12)
    shown = (cloud[:: -(-len(cloud) // MAX_POINTS)] - middle) / reach
    axis.scatter(*shown.T, c=shown[:, 2], s=4, cmap="viridis", linewidths=0)
    axis.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1))
    axis.set_box_aspect((1, 1, 1))
    axis.view_init(_ELEVATION, _AZIMUTH)
    axis.set_axis_off()
    axis.set_title(title, fontsize=9, parse_math=False)
