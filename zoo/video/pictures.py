"""Pictures of videos: some frames of each in a row."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from zoo.predictions.pictures import save_figure

COLUMNS = 8
ROW_HEIGHT = 1.6  # inches


def video_sheet(path, videos, titles):
    """Saves a PNG with a row of evenly spread frames for each video, under its title.

    Args:
        path: file to write; it appears complete or not at all.
        videos: list of uint8 arrays (n, h, w, 1 or 3), at least one.
        titles: as many lines of text.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ZooError: if the disk is full.
        ValueError: if there are no videos, or not one title for each.
    """
    if not len(videos) == len(titles) > 0:
        raise ValueError(
            "`videos` and `titles` must have the same length, at least 1. "
            f"Received: {len(videos)} and {len(titles)}."
        )
    height = ROW_HEIGHT * len(videos)
    figure = Figure(figsize=(1.3 * COLUMNS, height))
    axes = figure.subplots(len(videos), COLUMNS, squeeze=False)
    margins = {"left": 0.01, "right": 0.99, "bottom": 0.05 / height, "top": 1 - 0.35 / height}
    figure.subplots_adjust(**margins, wspace=0.05, hspace=0.35)
    for row, video, title in zip(axes, videos, titles, strict=True):
        shown = np.unique(np.linspace(0, len(video) - 1, COLUMNS).round().astype(int))
        for axis in row:
            axis.set_axis_off()
        for axis, number in zip(row, shown, strict=False):
            frame = video[number]
            grey = frame.shape[-1] == 1
            axis.imshow(
                frame[..., 0] if grey else frame, cmap="gray" if grey else None, vmin=0, vmax=255
            )
        row[0].set_title(title, loc="left", fontsize=9, parse_math=False)
    return save_figure(figure, Path(path))
