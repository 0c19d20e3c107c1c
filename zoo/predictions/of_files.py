"""What was predicted of the classes of files: to hold, to print, to write as JSON."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from zoo.errors import ZooError
from zoo.predictions.labels import best_labels


@dataclass(frozen=True)
class Prediction:
    """The best classes of one file, best first.

    Args:
        file: the file.
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


def check_settings(top, batch_size) -> None:
    """Raises a `ZooError` if so many classes cannot be named, or files scored together."""
    if top < 1:
        raise ZooError(f"`top` must be at least 1. Received: top={top}.")
    if batch_size < 1:
        raise ZooError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")


def predictions_of(scored, skipped, names, top) -> Predictions:
    """Returns the best classes of files.

    Args:
        scored: list of (file, float numpy array (k,)), scores of the files that could be read.
        skipped: dict from file to reason.
        names: list of k names, or None.
        top: int, how many classes of each file.

    Raises:
        ZooError: if files were skipped and none is left.
    """
    if skipped and not scored:
        raise ZooError(f"None of the files could be predicted. {listing(skipped)}")
    return Predictions(tuple(_best(file, scores, names, top) for file, scores in scored), skipped)


def raise_first(skipped: dict[Path, str], skip_corrupt: bool) -> None:
    """Raises a `ZooError` about files that cannot be read, unless they may be left out."""
    if skipped and not skip_corrupt:
        raise ZooError(f"{listing(skipped)}. Pass --skip-corrupt to predict the other files.")


def listing(skipped: dict[Path, str]) -> str:
    """Returns the first file that was skipped and why, and how many more there are."""
    file, reason = next(iter(skipped.items()))
    others = len(skipped) - 1
    more = f" (and {others} more file{'s' if others > 1 else ''})" if others else ""
    return f"{file}: {reason}{more}"


def print_predictions(console, found: Predictions) -> None:
    """Prints a table of files and their best classes, and what was left out."""
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


def report_of(found: Predictions) -> dict[str, Any]:
    """Returns a dict of "predictions" and "skipped", for JSON."""
    predictions = []
    for prediction in found.predictions:
        pairs = zip(prediction.labels, prediction.scores, strict=True)
        best = [{"label": label, "score": score} for label, score in pairs]
        predictions.append({"file": str(prediction.file), **best[0], "top": best})
    skipped = [{"file": str(file), "reason": reason} for file, reason in found.skipped.items()]
    return {"predictions": predictions, "skipped": skipped}


def _best(file, scores, names, top):
    best = best_labels(scores, names, top)
    labels, scores = (tuple(item[key] for item in best) for key in ("label", "score"))
    return Prediction(file, labels, scores)
