"""Classify files of point clouds and meshes through the endpoints of a model."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from zoo.errors import ZooError
from zoo.point_clouds.files import read_points
from zoo.point_clouds.pictures import cloud_sheet
from zoo.point_clouds.pipeline import PointCloudPreprocess
from zoo.predictions.labels import served_class_names
from zoo.predictions.of_files import (
    Prediction,
    check_settings,
    predictions_of,
    print_predictions,
    report_of,
)

CLOUDS_ON_A_SHEET = 30


def predict_clouds(
    endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=32
) -> dict[str, Any]:
    """Prints a table of point clouds and their best classes; see `zoo.task.Task.predict`.

    Of each cloud, or mesh, as many points count as the model was trained on, chosen as at its
    evaluation.

    Args:
        endpoints: dict of callables with "classify_masked_points", "point_format" and, if the
            names are known, "class_names", see `zoo.point_clouds.served.ServedPointClouds`.
        items: list of str, files, see `zoo.point_clouds.files.read_points`.
        out: folder for pictures of the clouds with their best class, `point_clouds.png` (if there
            are more than 30, `point_clouds_1.png` and so on), made if it is missing; None: nothing
            is written.
        console: `rich.console.Console`.
        top: how many classes to name for each file.
        skip_corrupt: leave out files that cannot be read, and list them in "skipped".
        batch_size: clouds scored together.

    Returns:
        dict of "predictions", "skipped" and "pictures" (list of str), for JSON.

    Raises:
        ZooError: if a file cannot be read, with `skip_corrupt` if none can, a setting is below 1,
            or the disk is full.
    """
    check_settings(top, batch_size)
    preprocess = PointCloudPreprocess(int(endpoints["point_format"]()["num_points"]))
    clouds, skipped = _read(items, preprocess, skip_corrupt)
    scored: list[tuple[Path, np.ndarray]] = []
    for start in range(0, len(clouds), batch_size):
        scored += _score(endpoints, preprocess, clouds[start : start + batch_size])
    found = predictions_of(scored, skipped, served_class_names(endpoints), top)
    print_predictions(console, found)
    pictures = []
    if out is not None:
        pictures = _draw(Path(out), [cloud for _, cloud in clouds], found.predictions)
        for picture in pictures:
            console.print(Text(f"Wrote {picture}"), soft_wrap=True)
    return {**report_of(found), "pictures": [str(picture) for picture in pictures]}


def _read(items, preprocess, skip_corrupt):
    """Returns a list of (file, float32 points (n, 3)), and a dict from other files to reasons."""
    clouds: list[tuple[Path, np.ndarray]] = []
    skipped: dict[Path, str] = {}
    for file in map(Path, items):
        try:
            clouds.append((file, read_points(file, preprocess.num_mesh_samples)))
        except ZooError as error:
            if not skip_corrupt:
                raise ZooError(
                    f"{error} Pass --skip-corrupt to predict the other files."
                ) from error
            skipped[file] = str(error)
    return clouds, skipped


def _score(endpoints, preprocess, clouds):
    """Returns a list of (file, scores (k,))."""
    points, masks = zip(*(preprocess.choose(cloud) for _, cloud in clouds), strict=True)
    outputs = endpoints["classify_masked_points"](points=np.stack(points), mask=np.stack(masks))
    return list(zip((file for file, _ in clouds), outputs["scores"].numpy(), strict=True))


def _draw(folder: Path, clouds, predictions: tuple[Prediction, ...]) -> list[Path]:
    """Writes the sheets of all clouds and returns their files."""
    titles = [
        f"{prediction.file.name}\n{prediction.labels[0]} {prediction.scores[0]:.0%}"
        for prediction in predictions
    ]
    starts = range(0, len(clouds), CLOUDS_ON_A_SHEET)
    sheets = []
    for number, start in enumerate(starts, 1):
        name = "point_clouds.png" if len(starts) == 1 else f"point_clouds_{number}.png"
        share = slice(start, start + CLOUDS_ON_A_SHEET)
        sheets.append(cloud_sheet(folder / name, clouds[share], titles[share]))
    return sheets
