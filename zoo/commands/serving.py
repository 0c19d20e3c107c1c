"""The commands that use a trained model: predict, export and the quickstart."""

import argparse
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from zoo.commands.settings import add_changes_option, parse_settings
from zoo.commands.terminal import add_command, console, counted, start_tensorflow, write_json


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
        "Use a trained or converted model. Images (JPEG, PNG, BMP, GIF; any size; grey, colour or "
        "transparent) are classified; in a text, [MASK] (one byte) and [MASK:9] (nine) are filled "
        "in, or the text is classified; sounds (WAV, FLAC, OGG, MP3, M4A, of any rate and length) "
        "are classified, and so are videos (MP4, MKV, WebM, MOV, AVI, GIF), with their sound or "
        "without, and drawn; two or more frames give the optical flow between them, as .flo and as "
        "a picture; a clip is reconstructed with its sound and labelled; point clouds and meshes "
        "(OFF, PLY, XYZ, NPY, NPZ) are classified, and drawn; graphs (TUDataset's folders and "
        "zips, DGCNN's text, JSON) and sets (NPZ) are classified. Which of these, the model tells.",
        [
            "perceiver-zoo predict --model runs/digits digit.png",
            "perceiver-zoo predict --model exported/digits *.png --top 5 --json predictions.json",
            "perceiver-zoo predict --model language.keras 'a sentence that is [MASK:7].'",
            "perceiver-zoo predict --model runs/sst2 'a film to remember' --json classes.json",
            "perceiver-zoo predict --model runs/spoken_digits speech.wav song.mp3",
            "perceiver-zoo predict --model runs/actions clip.mp4 wave.gif --out pictures/",
            "perceiver-zoo predict --model runs/audio_video with_sound.mp4 without.webm",
            "perceiver-zoo predict --model flow.keras first.png second.png --out flow/",
            "perceiver-zoo predict --model multimodal.keras clip.mp4 --out reconstructed/",
            "perceiver-zoo predict --model runs/modelnet10 chair.off cloud.xyz --out pictures/",
            "perceiver-zoo predict --model runs/mutag MUTAG.zip molecule.json --json classes.json",
        ],
    )
    parser.add_argument("items", metavar="ITEM", nargs="+", help="files, or texts")
    parser.add_argument(
        "--model",
        required=True,
        metavar="PATH",
        help="a run folder, a SavedModel folder, or a .keras file of `perceiver-zoo convert`",
    )
    add_changes_option(parser)
    parser.add_argument("--out", metavar="FOLDER", help="where pictures and files are written")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="classes named (default 3)")
    parser.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="items at once (default 32)"
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
        "Write a trained or converted model as a SavedModel that takes raw images, texts, sounds, "
        "frames, clips, points, graphs or sets and needs only TensorFlow.",
        [
            "perceiver-zoo export runs/digits exported/digits/1",
            "perceiver-zoo export runs/cifar10 exported/cifar10/1 --set shifted_views=2",
            "perceiver-zoo export language.keras exported/language/1",
        ],
    )
    parser.add_argument(
        "source", metavar="MODEL", help="a run folder, or a .keras file of `perceiver-zoo convert`"
    )
    parser.add_argument("path", metavar="PATH", help="folder to write; must not exist or be empty")
    add_changes_option(parser)
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
    """Opens the model and does with the items what its task does."""
    start_tensorflow()
    from zoo.serving.endpoints import open_endpoints

    changes = parse_settings("--set", args.set)
    ready = open_endpoints(args.model, changes)
    report = ready.task.predict(
        ready.endpoints,
        args.items,
        out=None if args.out is None else Path(args.out),
        console=console(args.json),
        top=args.top,
        skip_corrupt=args.skip_corrupt,
        batch_size=args.batch_size,
    )
    write_json(args.json, {"model": args.model, "overrides": changes, **report})


def export_command(args: argparse.Namespace) -> None:
    """Exports the model of a run folder or of a model file."""
    start_tensorflow()
    from zoo.serving.model_file import load_model_file
    from zoo.serving.saved_model import export, served_model
    from zoo.serving.trained_runs import load_run

    changes = parse_settings("--set", args.set)
    if args.source.endswith(".keras"):
        entry, class_names = load_model_file(args.source, changes)
    else:
        entry, run = load_run(args.source, with_data=False, changes=changes)
        class_names = run["class_names"]
    path = export(entry, args.path, class_names=class_names, overwrite=args.overwrite)
    out = console()
    out.print(Text(f"Wrote {path}"), soft_wrap=True)
    endpoints = served_model(entry, class_names=class_names).endpoints()
    for name, (_, specs) in endpoints.items():
        takes = "; ".join(f"{s.name}, {s.dtype.name} {_shape(s)}" for s in specs) or "nothing"
        out.print(Text(f"  {name}: {takes}"))


def _shape(spec) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in spec.shape)})"


def quickstart_command(args: argparse.Namespace) -> None:
    """Runs the main job and prints its report."""
    start_tensorflow()
    from zoo.commands.quickstart import quickstart

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
        ("training", f"{report['train_seconds']:.1f} s, {counted(report['epochs'], 'epoch')}"),
        ("run folder", report["run"]),
        ("SavedModel", report["saved_model"]),
        ("contact sheet", report["contact_sheet"]),
    ]
