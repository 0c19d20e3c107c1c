"""Classify image files through the endpoints of a model."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.data.pipeline import NO_IMAGE
from zoo.errors import ZooError
from zoo.predictions.labels import served_class_names
from zoo.predictions.of_files import (
    Predictions,
    check_settings,
    predictions_of,
    print_predictions,
    raise_first,
    report_of,
)


def predict_contents(endpoints, contents, skipped, top, batch_size, skip_corrupt) -> Predictions:
    """Predicts what `read_files` returned."""
    scored: list[tuple[Path, np.ndarray]] = []
    for start in range(0, len(contents), batch_size):
        scored += _score(endpoints["image_bytes"], contents[start : start + batch_size], skipped)
        raise_first(skipped, skip_corrupt)
    return predictions_of(scored, skipped, served_class_names(endpoints), top)


def predict_files(
    endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=32
) -> dict[str, Any]:
    """Prints a table of image files and their best classes; see `zoo.task.Task.predict`.

    Args:
        endpoints: dict of callables with "image_bytes" and, if the names are known,
            "class_names", see `zoo.endpoints_of`.
        items: list of str, image files.
        out: must be None: nothing is written.
        console: `rich.console.Console`.
        top, skip_corrupt, batch_size: see `predict`.

    Returns:
        dict of "predictions" and "skipped", for JSON.

    Raises:
        ZooError: see `predict`; and if `out` is given.
    """
    if out is not None:
        raise ZooError(f"`--out` must be left out for images: nothing is written. Received: {out}")
    contents = read_files(items, top, batch_size, skip_corrupt)
    found = predict_contents(endpoints, *contents, top, batch_size, skip_corrupt)
    print_predictions(console, found)
    return report_of(found)


def read_files(files, top, batch_size, skip_corrupt):
    """Returns the contents of the files and why others cannot be read; checks the settings."""
    check_settings(top, batch_size)
    contents: list[tuple[Path, bytes]] = []
    skipped: dict[Path, str] = {}
    for file in map(Path, files):
        try:
            contents.append((file, file.expanduser().read_bytes()))
        except IsADirectoryError:
            skipped[file] = "is a folder, not an image file"
        except OSError as error:
            skipped[file] = (error.strerror or str(error)).lower()
    raise_first(skipped, skip_corrupt)
    return contents, skipped


def _score(classify, contents, skipped: dict[Path, str]) -> list[tuple[Path, np.ndarray]]:
    """Scores a batch of files; when it fails, each file by itself to find those at fault."""
    try:
        scores = classify(image_bytes=tf.constant([content for _, content in contents]))["scores"]
        return list(zip((file for file, _ in contents), scores.numpy(), strict=True))
    except tf.errors.InvalidArgumentError:
        if len(contents) == 1:
            skipped[contents[0][0]] = f"not a readable image: {NO_IMAGE}"
            return []
    return [pair for item in contents for pair in _score(classify, [item], skipped)]
