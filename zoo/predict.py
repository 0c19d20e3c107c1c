"""Predict image files with a trained or converted model, or with a SavedModel."""

import os
from collections.abc import Sequence

from zoo.endpoints import open_endpoints
from zoo.errors import ZooError
from zoo.file_predictions import Predictions
from zoo.image_predict import predict_contents, read_files


def predict(
    files: Sequence[str | os.PathLike],
    model: str | os.PathLike,
    *,
    top: int = 3,
    skip_corrupt: bool = False,
    batch_size: int = 32,
) -> Predictions:
    """Predicts the classes of image files of any size: JPEG, PNG, BMP or GIF.

    Grey, colour and transparent images are converted to what the model takes.

    Args:
        files: image files.
        model: a run folder, a `.keras` file of `perceiver-zoo convert`, or a SavedModel written
            by `export` (needs no model code); a classifier of images.
        top: how many classes to name for each file.
        skip_corrupt: leave out files that are missing or cannot be read, and list them in
            `skipped`. Otherwise the first of them raises.
        batch_size: files scored together.

    Returns:
        `Predictions`.

    Raises:
        ZooError: if `model` is none of these, a file cannot be read, or with `skip_corrupt` none
            can.
    """
    contents = read_files(files, top, batch_size, skip_corrupt)
    ready = open_endpoints(model)
    if "image_bytes" not in ready.endpoints:
        raise ZooError(
            "The model must be a classifier of images. Received: one served as "
            f"{', '.join(ready.endpoints)}."
        )
    return predict_contents(ready.endpoints, *contents, top, batch_size, skip_corrupt)
