"""The main job from end to end: real images, a trained model, and predictions served by it."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.text import Text

from zoo.errors import ZooError
from zoo.predictions.pictures import contact_sheet
from zoo.serving import served_process
from zoo.serving.saved_model import export
from zoo.serving.trained_runs import load_run
from zoo.training.train import train

MODEL = "perceiver_digits_tiny"
SHEET_SIZE = 36
TOLERANCE = 1e-4
_MOST_ERRORS_SHOWN = 24


@dataclass(frozen=True)
class _HeldOut:
    """The test split: raw images, labels, and the trained model's scores in this process."""

    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.scores.argmax(axis=-1) == self.labels))


def quickstart(
    *,
    out: str | os.PathLike | None = None,
    seed: int = 0,
    epochs: int | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Trains a small Perceiver on the embedded digits, exports it and serves held-out digits.

    The exported model is loaded in a process that imports only TensorFlow, gets the raw uint8
    images of the test split, and must give the scores that the trained model gives here.

    Args:
        out: run folder to write; runs/quickstart-TIME by default.
        seed: random seed of the training.
        epochs: passes over the training data; the recipe's number by default.
        console: where to tell what is going on; nothing is printed without one.

    Returns:
        The report: `model`, `parameters`, `seed`, `epochs`, `train_seconds`, `total_seconds`,
        `test_accuracy` (0-1), `test_examples`, `served_accuracy` (0-1), `served_max_difference`
        (largest difference of any score, served against in-process) and the paths `run`,
        `saved_model` and `contact_sheet`.

    Raises:
        ZooError: if `out` exists already, or something cannot be written.
        RuntimeError: if the served scores are not those of the trained model.
    """
    started = time.perf_counter()
    console = console or Console(quiet=True)
    out = Path(out or time.strftime("runs/quickstart-%Y%m%d-%H%M%S")).expanduser()
    console.print(Text(f"Training {MODEL} on handwritten digits; run folder {out}"))
    settings = {} if epochs is None else {"epochs": epochs}
    result = train(MODEL, out=out, seed=seed, console=console, **settings)
    entry, _ = load_run(out)
    held_out = _evaluate(entry)
    saved_model = export(entry, out / "saved_model")
    console.print(Text(f"Serving {len(held_out.images)} held-out digits from {saved_model}"))
    scores, served_labels = _serve(saved_model, held_out.images)
    difference = float(np.abs(scores - held_out.scores).max())
    if not difference <= TOLERANCE:
        raise RuntimeError(
            f"The served scores must be within {TOLERANCE} of those of the trained model. "
            f"Received: a difference of {difference}."
        )
    truth = [entry.pipeline.class_names[label] for label in held_out.labels]
    sheet = _draw(out / "contact_sheet.png", held_out.images, served_labels, truth)
    return {
        "model": MODEL,
        "parameters": entry.parameters,
        "seed": seed,
        "epochs": result.epochs,
        "train_seconds": result.train_seconds,
        "total_seconds": time.perf_counter() - started,
        "test_accuracy": held_out.accuracy,
        "test_examples": len(held_out.images),
        "served_accuracy": float(np.mean(np.array(truth) == served_labels)),
        "served_max_difference": difference,
        "run": str(out),
        "saved_model": str(saved_model),
        "contact_sheet": str(sheet),
    }


def _evaluate(entry) -> _HeldOut:
    """Scores the test split through the training pipeline, next to its raw images."""
    examples = list(entry.pipeline.source.examples("test").as_numpy_iterator())
    scores = [
        tf.nn.softmax(entry.model(images, training=False)).numpy()
        for images, _ in entry.pipeline.batches("test", 128)
    ]
    return _HeldOut(
        images=np.stack([example["image"] for example in examples]),
        labels=np.array([example["label"] for example in examples]),
        scores=np.concatenate(scores),
    )


def _serve(saved_model: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns scores and labels that a process without this package gets from the SavedModel."""
    with tempfile.TemporaryDirectory() as folder:
        images_file, outputs_file = Path(folder) / "images.npy", Path(folder) / "outputs.npz"
        np.save(images_file, images)
        program = [sys.executable, "-P", served_process.__file__]
        arguments = [str(saved_model), str(images_file), str(outputs_file)]
        done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last_line = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise ZooError(
                "The process that serves the exported model ended with status "
                f"{done.returncode}: {last_line}"
            )
        with np.load(outputs_file) as outputs:
            if len(outputs["modules"]):
                raise RuntimeError(
                    "The serving process must not load this package. "
                    f"Received: {', '.join(outputs['modules'])}."
                )
            return outputs["scores"], outputs["labels"]


def _draw(path: Path, images: np.ndarray, predicted: np.ndarray, actual: list[str]) -> Path:
    """Draws the digits that were served wrong first, then the others in their order."""
    wrong = np.flatnonzero(predicted != np.array(actual))
    right = np.flatnonzero(predicted == np.array(actual))
    shown_wrong = wrong[:_MOST_ERRORS_SHOWN]
    shown = np.concatenate([shown_wrong, right])[:SHEET_SIZE]
    title = f"Served predictions: {len(right)} of {len(images)} held-out digits right"
    if len(wrong):
        title += f"\n(in red: {len(shown_wrong)} of the {len(wrong)} errors)"
    return contact_sheet(
        path, images[shown], predicted[shown], [actual[index] for index in shown], title=title
    )
