"""Several trainings, one run folder each: what is finished is kept, what is not goes on."""

import json
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.text import Text

from zoo.atomic_files import replaced_atomically
from zoo.errors import ZooError
from zoo.experiments.kept_report import differences
from zoo.training.fit import TrainingInterrupted
from zoo.training.retracing import expected_retracing
from zoo.training.train import train

RESULT_FILE = "result.json"


def is_finished(path: Path) -> bool:
    """Whether `trained_once` left figures in a run folder."""
    return (path / RESULT_FILE).is_file()


def trained_once(path: Path, name: str, console: Console, **settings) -> dict[str, Any]:
    """Returns the figures of a run: those it left, or those of training it (to its end).

    Args:
        path: the run folder.
        name: model of the zoo.
        console: where the progress goes.
        **settings: arguments of `zoo.training.train.train`.

    Returns:
        dict of `headline` (str), `test` (float, its value), `parameters` (int), `train_seconds`
        (float) and `epochs` (int), as it also lies in the folder's result.json.

    Raises:
        ZooError: if the training fails, or the folder holds a run of other settings.
        TrainingInterrupted: after Ctrl-C; the next call goes on.
    """
    asked = json.loads(json.dumps({"name": name, **settings}, default=str))
    if is_finished(path):
        stored = json.loads((path / RESULT_FILE).read_text())
        if stored["settings"] != asked:
            told = "; ".join(differences(stored["settings"], asked))
            raise ZooError(
                f"The run {path} is finished with other settings: {told}. Choose another folder "
                "with --out."
            )
        console.print(Text(f"{path.name} is finished already."))
        return stored["figures"]
    keras.backend.clear_session()  # the graphs of the runs before
    try:
        with expected_retracing():
            result = train(name, out=path, resume=path.exists(), console=console, **settings)
    except TrainingInterrupted:
        raise TrainingInterrupted(
            f"Interrupted in {path}. The same command goes on from there."
        ) from None
    if not result.test_figures:
        raise ZooError(f"The data must have a test split. Received: none, for {name}.")
    figures = {
        "headline": result.headline,
        "test": result.test_figures[result.headline],
        "parameters": result.parameters,
        "train_seconds": result.train_seconds,
        "epochs": result.epochs,
    }
    with replaced_atomically(path / RESULT_FILE) as partial:
        partial.write_text(json.dumps({"settings": asked, "figures": figures}, indent=2) + "\n")
    return figures
