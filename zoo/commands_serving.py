"""The commands that use a trained model: predict, export and the quickstart."""

import argparse
from typing import Any

from rich.table import Table
from rich.text import Text

from zoo.terminal import add_command, console, start_tensorflow, write_json


def add_to(commands: argparse._SubParsersAction) -> None:
    """Adds `predict`, `export` and `quickstart` to the sub-commands."""
    add_predict(commands)
    add_export(commands)
    add_quickstart(commands)


def add_predict(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "predict",
        predict_command,
        "Classify image files (JPEG, PNG, BMP, GIF; any size; grey, colour or transparent) with a "
        "trained run or a SavedModel.",
        [
            "perceiver-zoo predict --model runs/digits digit.png",
            "perceiver-zoo predict --model exported/digits *.png --top 5 --json predictions.json",
        ],
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="image files")
    parser.add_argument(
        "--model", required=True, metavar="PATH", help="a run folder or a SavedModel folder"
    )
    parser.add_argument("--top", type=int, default=3, metavar="K", help="classes named (default 3)")
    parser.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="files scored together (default 32)"
    )
    parser.add_argument(
        "--skip-corrupt",
        action="store_true",
        help="leave out files that cannot be read, and say which, instead of stopping",
    )
    parser.add_argument("--json", metavar="PATH", help="also write them to PATH (- = stdout)")


def add_export(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "export",
        export_command,
        "Write the trained model of a run as a SavedModel that takes raw images and needs only "
        "TensorFlow.",
        ["perceiver-zoo export runs/digits exported/digits"],
    )
    parser.add_argument("run_folder", metavar="RUN", help="a run folder, written by train")
    parser.add_argument("path", metavar="PATH", help="folder to write; must not exist or be empty")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a SavedModel that is already at PATH"
    )


def add_quickstart(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "quickstart",
        quickstart_command,
        "Train a small Perceiver on scikit-learn's handwritten digits, evaluate it, export it, "
        "and serve held-out digits from the exported model in a process of its own. Needs no "
        "network; takes about two minutes on two CPU cores.",
        ["perceiver-zoo quickstart", "perceiver-zoo quickstart --seed 1 --json report.json"],
    )
    parser.add_argument("--out", metavar="RUN", help="folder to write (default runs/NAME-TIME)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default 0)")
    parser.add_argument("--epochs", type=int, metavar="N", help="default: the recipe's")
    parser.add_argument("--json", metavar="PATH", help="also write the report to PATH (- = stdout)")


def predict_command(args: argparse.Namespace) -> None:
    """Prints a table of files and their best classes."""
    start_tensorflow()
    from zoo.predict import predict

    found = predict(
        args.files,
        args.model,
        top=args.top,
        skip_corrupt=args.skip_corrupt,
        batch_size=args.batch_size,
    )
    out = console(args.json)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file", overflow="fold")
    for rank in range(len(found.predictions[0].labels)):
        table.add_column("prediction" if rank == 0 else f"{rank + 1}.")
    for prediction in found.predictions:
        pairs = zip(prediction.labels, prediction.scores, strict=True)
        cells = [f"{label} {score:.1%}" for label, score in pairs]
        table.add_row(*map(Text, (str(prediction.file), *cells)))
    out.print(table)
    if found.skipped:
        out.print(f"Left out, as they could not be read: {len(found.skipped)}")
        for file, reason in found.skipped.items():
            out.print(Text(f"  {file}: {reason}"))
    write_json(args.json, _predictions_report(args.model, found))


def _predictions_report(model: str, found) -> dict[str, Any]:
    predictions = []
    for prediction in found.predictions:
        pairs = zip(prediction.labels, prediction.scores, strict=True)
        top = [{"label": label, "score": score} for label, score in pairs]
        predictions.append({"file": str(prediction.file), **top[0], "top": top})
    skipped = [{"file": str(file), "reason": reason} for file, reason in found.skipped.items()]
    return {"model": model, "predictions": predictions, "skipped": skipped}


def export_command(args: argparse.Namespace) -> None:
    """Exports the model of a run folder."""
    start_tensorflow()
    from zoo.run_folder import load_run
    from zoo.saved_model import export

    entry, run = load_run(args.run_folder, with_data=False)
    path = export(
        entry.model,
        args.path,
        preprocess=entry.pipeline.preprocess,
        class_names=run["class_names"],
        overwrite=args.overwrite,
    )
    out = console()
    out.print(Text(f"Wrote {path}"))
    out.print("Signatures: serving_default (raw uint8 images), image_bytes (encoded files)")


def quickstart_command(args: argparse.Namespace) -> None:
    """Runs the main job and prints its report."""
    start_tensorflow()
    from zoo.quickstart import quickstart

    out = console(args.json)
    report = quickstart(out=args.out, seed=args.seed, epochs=args.epochs, console=out)
    table = Table(box=None, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in _quickstart_rows(report):
        table.add_row(title, Text(text))
    out.print(table)
    write_json(args.json, report)


def _quickstart_rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("model", f"{report['model']}, {report['parameters']:,} parameters"),
        ("test accuracy", f"{report['test_accuracy']:.2%} of {report['test_examples']} digits"),
        ("served accuracy", f"{report['served_accuracy']:.2%} in a process without this package"),
        ("served - in-process", f"{report['served_max_difference']:.1e} at most (scores, 0-1)"),
        ("training", f"{report['train_seconds']:.1f} s, {report['epochs']} epochs"),
        ("run folder", report["run"]),
        ("SavedModel", report["saved_model"]),
        ("contact sheet", report["contact_sheet"]),
    ]
