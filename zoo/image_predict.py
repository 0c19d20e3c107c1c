"""Classify image files through the endpoints of a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.table import Table
from rich.text import Text

from zoo.errors import ZooError, reason_of
from zoo.labels import best_labels, served_class_names


@dataclass(frozen=True)
class Prediction:
    """The best classes of one image file, best first.

    Args:
        file: the image file.
        labels: names of the best classes (their numbers, if the model knows no names).
        scores: their softmax scores, 0-1.
    """

    file: Path
    labels: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Predictions:
    """What `predict` found.

    Args:
        predictions: one for each file that could be read, in the order given.
        skipped: file to reason, for those that could not be read.
    """

    predictions: tuple[Prediction, ...]
    skipped: dict[Path, str]


def predict_contents(endpoints, contents, skipped, top, batch_size, skip_corrupt) -> Predictions:
    """Predicts what `read_files` returned."""
    scored: list[tuple[Path, np.ndarray]] = []
    for start in range(0, len(contents), batch_size):
        scored += _score(endpoints["image_bytes"], contents[start : start + batch_size], skipped)
        _raise_first(skipped, skip_corrupt)
    if skipped and not scored:
        raise ZooError(f"None of the files could be predicted. {_listing(skipped)}")
    names = served_class_names(endpoints)
    predictions = tuple(_best(file, scores, names, top) for file, scores in scored)
    return Predictions(predictions, skipped)


def predict_files(
    endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=32
) -> dict[str, Any]:
    """Prints a table of image files and their best classes; see `zoo.tasks.Task.predict`.

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
    _print(console, found)
    predictions = []
    for prediction in found.predictions:
        pairs = zip(prediction.labels, prediction.scores, strict=True)
        best = [{"label": label, "score": score} for label, score in pairs]
        predictions.append({"file": str(prediction.file), **best[0], "top": best})
    skipped = [{"file": str(file), "reason": reason} for file, reason in found.skipped.items()]
    return {"predictions": predictions, "skipped": skipped}


def _print(console, found: Predictions) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file", overflow="fold")
    for rank in range(len(found.predictions[0].labels)):
        table.add_column("prediction" if rank == 0 else f"{rank + 1}.")
    for prediction in found.predictions:
        pairs = zip(prediction.labels, prediction.scores, strict=True)
        cells = [f"{label} {score:.1%}" for label, score in pairs]
        table.add_row(*map(Text, (str(prediction.file), *cells)))
    console.print(table)
    if found.skipped:
        console.print(f"Left out, as they could not be read: {len(found.skipped)}")
        for file, reason in found.skipped.items():
            console.print(Text(f"  {file}: {reason}"), soft_wrap=True)


def read_files(files, top, batch_size, skip_corrupt):
    """Returns the contents of the files and why others cannot be read; checks the settings."""
    if top < 1:
        raise ZooError(f"`top` must be at least 1. Received: top={top}.")
    if batch_size < 1:
        raise ZooError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")
    contents: list[tuple[Path, bytes]] = []
    skipped: dict[Path, str] = {}
    for file in map(Path, files):
        try:
            contents.append((file, file.expanduser().read_bytes()))
        except IsADirectoryError:
            skipped[file] = "is a folder, not an image file"
        except OSError as error:
            skipped[file] = (error.strerror or str(error)).lower()
    _raise_first(skipped, skip_corrupt)
    return contents, skipped


def _score(classify, contents, skipped: dict[Path, str]) -> list[tuple[Path, np.ndarray]]:
    """Scores a batch of files; when it fails, each file by itself to find those at fault."""
    try:
        scores = classify(image_bytes=tf.constant([content for _, content in contents]))["scores"]
        return list(zip((file for file, _ in contents), scores.numpy(), strict=True))
    except tf.errors.InvalidArgumentError as error:
        if len(contents) == 1:
            skipped[contents[0][0]] = f"not a readable image ({reason_of(error)})"
            return []
    return [pair for item in contents for pair in _score(classify, [item], skipped)]


def _raise_first(skipped: dict[Path, str], skip_corrupt: bool) -> None:
    if skipped and not skip_corrupt:
        raise ZooError(f"{_listing(skipped)}. Pass --skip-corrupt to predict the other files.")


def _listing(skipped: dict[Path, str]) -> str:
    file, reason = next(iter(skipped.items()))
    others = len(skipped) - 1
    return f"{file}: {reason}" + (f" (and {others} more files)" if others else "")


def _best(file: Path, scores: np.ndarray, names: list[str] | None, top: int) -> Prediction:
    best = best_labels(scores, names, top)
    labels, scores = (tuple(item[key] for item in best) for key in ("label", "score"))
    return Prediction(file, labels, scores)
