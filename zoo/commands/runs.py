"""The commands that train and evaluate."""

import argparse
import dataclasses
import time
from typing import Any

from rich.text import Text

from zoo.commands.settings import add_changes_option, parse_settings
from zoo.commands.terminal import add_command, console, counted, start_tensorflow, write_json
from zoo.configs import configuration
from zoo.errors import ZooError
from zoo.recipes.recipe import Recipe
from zoo.training.distribution import STRATEGIES

JIT_COMPILE = {"auto": "auto", "on": True, "off": False}


def add_to(commands: argparse._SubParsersAction) -> None:
    """Adds `train` and `evaluate` to the sub-commands."""
    add_train(commands)
    add_evaluate(commands)


def add_train(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "train",
        train_command,
        "Train a model by its recipe and write a run folder: configuration, weights, metrics, "
        "training curve, TensorBoard logs, checkpoint.",
        [
            "perceiver-zoo train perceiver_digits_tiny",
            "perceiver-zoo train perceiver_mnist_small --data mnist.npz --out runs/mnist",
            "perceiver-zoo train perceiver_cifar10_small --data photos/ --set num_latents=32",
            "perceiver-zoo train perceiver_io_imagenet_fourier --data photos/ --epochs 5 "
            "--weights deepmind/vision-perceiver-fourier --learning-rate 1e-4",
            "perceiver-zoo train perceiver_modelnet10_small --data ModelNet10/ --skip-corrupt",
            "perceiver-zoo train --resume runs/mnist",
        ],
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a model from `perceiver-zoo list`")
    parser.add_argument("--out", metavar="RUN", help="run folder (default runs/NAME-TIME)")
    parser.add_argument(
        "--resume",
        metavar="RUN",
        nargs="?",
        const=True,
        help="continue the run in this folder (or in that of --out) after its last checkpoint, "
        "also in the middle of an epoch",
    )
    parser.add_argument(
        "--checkpoint-minutes",
        type=float,
        default=5.0,
        metavar="M",
        help="time between checkpoints inside of an epoch (default 5; 0: after each step); there "
        "is one after each epoch, and after Ctrl-C",
    )
    add_run_options(parser)
    parser.add_argument("--seed", type=int, help="random seed (default 0)")
    parser.add_argument("--json", metavar="PATH", help="also write figures to PATH (- = stdout)")


def add_run_options(parser: argparse.ArgumentParser, jit_compile: str = "auto") -> None:
    """Adds the options that decide what is trained on what and how, but for the seed."""
    _add_data_options(parser)
    _add_recipe_options(parser)
    _add_device_options(parser, jit_compile)


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data and model")
    group.add_argument(
        "--data",
        metavar="DATA",
        help="digits (embedded), a .npz file, a folder of files by class, a manifest (.csv with "
        "the columns path and label), a text file or table (.tsv, .csv), graphs (a folder or .zip "
        "of TUDataset's, .txt, .json), two sources of one clip as A+B (VIDEOS.npz+SERIES.npz), or "
        "the name of a TensorFlow dataset (tfds:NAME); the README says which models read what "
        "(default: the model's own)",
    )
    group.add_argument(
        "--weights",
        metavar="WEIGHTS",
        help="start from these: a .keras file, or published weights as of `convert`; for another "
        "number of classes, their layer is new",
    )
    group.add_argument(
        "--skip-corrupt", action="store_true", help="leave out files that cannot be read"
    )
    group.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a field of the model's configuration, such as num_latents=32 (repeatable)",
    )


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recipe (default: the model's own, see `info`)")
    group.add_argument("--epochs", type=int, metavar="N", help="passes over the training data")
    group.add_argument("--batch-size", type=int, metavar="N", help="examples in each step")
    group.add_argument("--learning-rate", type=float, metavar="RATE", help="the highest rate")
    group.add_argument(
        "--recipe",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change another field of the recipe, such as label_smoothing=0.1 (repeatable)",
    )


def _add_device_options(parser: argparse.ArgumentParser, jit_compile: str) -> None:
    group = parser.add_argument_group("devices and numbers")
    group.add_argument(
        "--strategy", choices=STRATEGIES, default="auto", help="which devices (default auto)"
    )
    group.add_argument("--precision", metavar="POLICY", help="float32 (default) or mixed_bfloat16")
    group.add_argument(
        "--jit-compile",
        choices=JIT_COMPILE,
        default=jit_compile,
        help=f"use XLA (default {jit_compile})",
    )


def add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "evaluate",
        evaluate_command,
        "Measure the trained model of a run on held-out data.",
        [
            "perceiver-zoo evaluate runs/digits",
            "perceiver-zoo evaluate runs/digits --split train --json train_figures.json",
            "perceiver-zoo evaluate runs/cifar10 --set shifted_views=2",
        ],
    )
    parser.add_argument("run_folder", metavar="RUN", help="a run folder, written by train")
    parser.add_argument(
        "--split",
        metavar="SPLIT",
        help="train, validation or test, if the data has it (default: test, or validation if there "
        "is no test split)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="examples at once (default: 256, or as many as take the memory of a training step)",
    )
    add_changes_option(parser)
    parser.add_argument("--json", metavar="PATH", help="also write figures to PATH (- = stdout)")


def train_command(args: argparse.Namespace) -> None:
    """Trains, and prints what was reached and written."""
    resumed = _resumed_folder(args)
    if args.name is None and resumed is None:
        raise ZooError("`train` must get the NAME of a model, or --resume RUN. Received: neither.")
    if args.name is not None:
        configuration(args.name)
    settings = {**train_settings(args), "seed": args.seed}
    settings["checkpoint_minutes"] = args.checkpoint_minutes
    start_tensorflow()
    from zoo.records.run_folder import RunFolder
    from zoo.training.train import train

    name = args.name or RunFolder.open(resumed).config["name"]
    run_folder = resumed or args.out or time.strftime(f"runs/{name}-%Y%m%d-%H%M%S")
    out = console(args.json)
    settings |= {"out": run_folder, "resume": resumed is not None, "console": out}
    with out.status("opening the data and building the model") as status:  # on a terminal only

        def begin():
            status.stop()
            out.print(Text(f"{'Resuming' if resumed else 'Training'} {name} in {run_folder}"))

        result = train(name, on_begin=begin, **settings)
    _print_result(out, result)
    write_json(args.json, _result_report(result))


def evaluate_command(args: argparse.Namespace) -> None:
    """Prints loss and accuracy of a run."""
    if args.batch_size is not None and args.batch_size < 1:
        raise ZooError(f"`--batch-size` must be at least 1. Received: {args.batch_size}.")
    start_tensorflow()
    from zoo.recipes.recipe import Recipe
    from zoo.serving.trained_runs import load_run
    from zoo.tasks import task_of
    from zoo.training.train import evaluate

    changes = parse_settings("--set", args.set)
    entry, config = load_run(args.run_folder, changes=changes)
    splits = entry.pipeline.splits
    split = args.split or ("test" if "test" in splits else "validation")
    out = console(args.json)
    recipe = Recipe.from_dict(config["recipe"])
    figures = evaluate(entry, split, args.batch_size, recipe, out)
    what = ", ".join([entry.name, *args.set, split])
    reached = _headline(task_of(entry.config).headline, figures)
    count = f"{figures['num_examples']:,} examples"
    out.print(Text(f"{what}: {reached}, loss {figures['loss']:.4f}, {count}"))
    _print_conditions(out, figures)
    about = {"name": entry.name, "run": args.run_folder, "overrides": changes, "split": split}
    write_json(args.json, about | figures)


def _resumed_folder(args: argparse.Namespace) -> str | None:
    """Returns the folder of `--resume RUN` or `--out RUN --resume`, None for a new run."""
    if args.resume is None:
        return None
    folders = [folder for folder in (args.resume, args.out) if folder not in (None, True)]
    if len(folders) != 1:
        raise ZooError(
            "`--resume` must be given one run folder, as --resume RUN or --out RUN --resume. "
            f"Received: {', '.join(folders) or 'none'}"
        )
    return folders[0]


def train_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the arguments of `train` that `add_run_options` spell, recipe settings among them."""
    settings = parse_settings("--recipe", args.recipe)
    known = [field.name for field in dataclasses.fields(Recipe)]
    for key in settings:
        if key not in known:
            raise ZooError(
                f"`--recipe` must name a field of the recipe: {', '.join(known)}. Received: {key}"
            )
    for key in ("epochs", "batch_size", "learning_rate"):
        if getattr(args, key) is not None:
            settings[key] = getattr(args, key)
    for key in ("data", "weights", "strategy", "skip_corrupt", "precision"):
        settings[key] = getattr(args, key)
    settings["overrides"] = parse_settings("--set", args.set) or None
    settings["jit_compile"] = JIT_COMPILE[args.jit_compile]
    return settings


def _print_result(out, result) -> None:
    if result.test_figures:
        figure = _headline(result.headline, result.test_figures)
        of_examples = f"{result.num_test_examples:,} examples"
        out.print(Text(f"{result.test_split} {figure} of {of_examples}"))
        _print_conditions(out, result.test_figures)
    out.print(
        Text(
            f"{result.parameters:,} parameters, {counted(result.epochs, 'epoch')}, "
            f"{result.train_seconds:.1f} s"
        )
    )
    if result.skipped:
        out.print(f"Left out, as they could not be read: {len(result.skipped)}")
        for reason in result.skipped:
            out.print(Text(f"  {reason}"), soft_wrap=True)
    out.print(Text(f"Wrote {result.path}"))


def _result_report(result) -> dict[str, Any]:
    fields = ("name", "parameters", "epochs", "train_seconds", "test_split", "num_test_examples")
    report = {field: getattr(result, field) for field in fields}
    report |= {f"test_{name}": value for name, value in result.test_figures.items()}
    return {**report, "skipped": list(result.skipped), "run": str(result.path)}


def _print_conditions(out, figures: dict[str, float]) -> None:
    """Prints the figures of a model that lacks one of its streams, if there are any."""
    for name in figures:
        if "_without_" in name:
            out.print(Text(f"  {_headline(name, figures)}"))


def _headline(name: str, figures: dict[str, float]) -> str:
    """Returns a metric in words: an accuracy in percent, anything else as a number."""
    value = figures[name]
    number = f"{value:.2%}" if name.startswith("accuracy") else f"{value:.4f}"
    return f"{name.replace('_', ' ')} {number}"
