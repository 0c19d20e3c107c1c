"""Predict image files with a trained run or with a SavedModel."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.errors import ZooError
from zoo.saved_model import SAVED_MODEL_FILE, ServedClassifier, float32_copy

RUN_FILE = "config.json"


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


@dataclass(frozen=True)
class FileClassifier:
    """Scores encoded image files.

    Args:
        score: callable from string (b,), the content of one file each, to float32 (b, k) softmax.
        class_names: the k labels, or None if the model does not know them.
    """

    score: Callable[[tf.Tensor], tf.Tensor]
    class_names: tuple[str, ...] | None


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
        model: a run folder, or a SavedModel written by `export` (needs no model code).
        top: how many classes to name for each file.
        skip_corrupt: leave out files that are missing or cannot be read, and list them in
            `skipped`. Otherwise the first of them raises.
        batch_size: files scored together.

    Returns:
        `Predictions`.

    Raises:
        ZooError: if `model` is neither a run folder nor a SavedModel, a file cannot be read, or
            with `skip_corrupt` none can.
    """
    if top < 1:
        raise ZooError(f"`top` must be at least 1. Received: top={top}.")
    if batch_size < 1:
        raise ZooError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")
    scored: list[tuple[Path, np.ndarray]] = []
    skipped: dict[Path, str] = {}
    contents = _read(files, skipped)
    _raise_first(skipped, skip_corrupt)
    classifier = load_classifier(model)
    for start in range(0, len(contents), batch_size):
        scored += _score(classifier, contents[start : start + batch_size], skipped)
        _raise_first(skipped, skip_corrupt)
    if skipped and not scored:
        raise ZooError(f"None of the files could be predicted. {_listing(skipped)}")
    predictions = tuple(_best(file, scores, classifier, top) for file, scores in scored)
    return Predictions(predictions, skipped)


def load_classifier(path: str | os.PathLike) -> FileClassifier:
    """Opens a run folder or a SavedModel for scoring image files.

    Raises:
        ZooError: if `path` is neither, or holds no classifier of images.
    """
    path = Path(path).expanduser()
    if (path / SAVED_MODEL_FILE).is_file():
        return _from_saved_model(path)
    if (path / RUN_FILE).is_file():
        return _from_run(path)
    found = "" if path.is_dir() else ", which is not a folder" if path.exists() else ", not found"
    raise ZooError(
        f"The model must be a run folder (with {RUN_FILE}) or a SavedModel "
        f"(with {SAVED_MODEL_FILE}). Received: {path}{found}"
    )


def _from_saved_model(path: Path) -> FileClassifier:
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ZooError(f"The SavedModel {path} cannot be read: {_reason(error)}") from error
    if "image_bytes" not in loaded.signatures:
        raise ZooError(
            "The SavedModel must have a signature `image_bytes`, as those written by "
            f"`perceiver-zoo export` have. Received: {path} with {sorted(loaded.signatures)}"
        )
    class_names = None
    if "class_names" in loaded.signatures:
        names = loaded.signatures["class_names"]()["class_names"].numpy()
        class_names = tuple(name.decode() for name in names)

    def score(image_bytes, loaded=loaded):  # a signature works only while `loaded` is alive
        return loaded.signatures["image_bytes"](image_bytes=image_bytes)["scores"]

    return FileClassifier(score, class_names)


def _from_run(path: Path) -> FileClassifier:
    from zoo.run_folder import load_run

    entry, run = load_run(path, with_data=False)
    served = ServedClassifier(float32_copy(entry.model), entry.pipeline.preprocess)
    score = tf.function(
        lambda image_bytes: served.image_bytes(image_bytes)["scores"],
        input_signature=[tf.TensorSpec((None,), tf.string)],
        autograph=False,
    )
    class_names = run["class_names"]
    return FileClassifier(score, None if class_names is None else tuple(class_names))


def _read(files, skipped: dict[Path, str]) -> list[tuple[Path, bytes]]:
    contents = []
    for file in map(Path, files):
        try:
            contents.append((file, file.expanduser().read_bytes()))
        except IsADirectoryError:
            skipped[file] = "is a folder, not an image file"
        except OSError as error:
            skipped[file] = (error.strerror or str(error)).lower()
    return contents


def _score(classifier, contents, skipped: dict[Path, str]) -> list[tuple[Path, np.ndarray]]:
    """Scores a batch of files; when it fails, each file by itself to find those at fault."""
    try:
        scores = classifier.score(tf.constant([content for _, content in contents]))
        return list(zip((file for file, _ in contents), scores.numpy(), strict=True))
    except tf.errors.InvalidArgumentError as error:
        if len(contents) == 1:
            skipped[contents[0][0]] = f"not a readable image ({_reason(error)})"
            return []
    return [pair for item in contents for pair in _score(classifier, [item], skipped)]


def _reason(error: Exception) -> str:
    """Returns the first line of TensorFlow's message without the names of graph nodes."""
    message = getattr(error, "message", None) or str(error)
    first_line = re.sub(r"\{\{.*?\}\}|\[Op:.*?\]", "", message).strip().splitlines()
    return first_line[0].strip().rstrip(".") if first_line else type(error).__name__


def _raise_first(skipped: dict[Path, str], skip_corrupt: bool) -> None:
    if skipped and not skip_corrupt:
        raise ZooError(f"{_listing(skipped)}. Pass --skip-corrupt to predict the other files.")


def _listing(skipped: dict[Path, str]) -> str:
    file, reason = next(iter(skipped.items()))
    others = len(skipped) - 1
    return f"{file}: {reason}" + (f" (and {others} more files)" if others else "")


def _best(file: Path, scores: np.ndarray, classifier: FileClassifier, top: int) -> Prediction:
    order = np.argsort(-scores, kind="stable")[:top]
    names = classifier.class_names
    labels = tuple(str(index) if names is None else names[index] for index in order)
    return Prediction(file, labels, tuple(float(scores[index]) for index in order))
