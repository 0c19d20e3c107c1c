"""The command that trains and tests a model on every fold of its data."""

import argparse

from rich.table import Table
from rich.text import Text

from zoo.commands.runs import add_run_options, train_settings
from zoo.commands.terminal import add_command, console, start_tensorflow, write_json


def add_to(commands: argparse._SubParsersAction) -> None:
    """Adds `crossvalidate` to the sub-commands."""
    parser = add_command(
        commands,
        "crossvalidate",
        crossvalidate_command,
        "Train and test a model on every fold of its data, once for each seed. Each training is a "
        "run folder; after Ctrl-C the same command goes on. For models whose data is divided into "
        "folds, such as graphs.",
        [
            "perceiver-zoo crossvalidate perceiver_mutag_small --data MUTAG.zip",
            "perceiver-zoo crossvalidate perceiver_mutag_small --data MUTAG.zip --seeds 0 1 2 "
            "--out runs/mutag --json mutag.json",
            "perceiver-zoo crossvalidate perceiver_proteins_small --data TU/PROTEINS --folds 5 "
            "--epochs 4 --set num_latents=8",
        ],
    )
    parser.add_argument("name", metavar="NAME", help="a model from `perceiver-zoo list`")
    parser.add_argument(
        "--out", metavar="FOLDER", help="where the runs are written (default runs/NAME-folds)"
    )
    parser.add_argument("--folds", type=int, default=10, metavar="K", help="default 10")
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[0],
        metavar="SEED",
        help="each divides the data anew and trains anew (default 0)",
    )
    add_run_options(parser, jit_compile="off")  # compiling takes longer than a small fold
    parser.add_argument("--json", metavar="PATH", help="also write the report to PATH (- = stdout)")


def crossvalidate_command(args: argparse.Namespace) -> None:
    """Trains the folds that are left, and prints the table of all."""
    settings = train_settings(args)
    start_tensorflow()
    from zoo.experiments.crossvalidation import REPORT_FILE, cross_validate

    out = console(args.json)
    folder = args.out or f"runs/{args.name}-folds"
    report = cross_validate(
        args.name, out=folder, folds=args.folds, seeds=tuple(args.seeds), console=out, **settings
    )
    _print_summary(out, report)
    out.print(Text(f"Wrote {folder}/{REPORT_FILE}"), soft_wrap=True)
    write_json(args.json, report)


def _print_summary(out, report) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("seed", "folds", "mean", "deviation", "lowest", "highest"):
        table.add_column(column, justify="right")
    summary = report["summary"]
    for row in summary["by_seed"]:
        figures = [_number(row[name]) for name in ("mean", "std", "min", "max")]
        table.add_row(str(row["seed"]), str(row["folds"]), *figures)
    out.print(table)
    name = report["metric"].replace("_", " ")
    line = f"{name} {_number(summary['mean'])}, deviation over all folds "
    line += _number(summary["std_of_folds"])
    if summary["std_of_seeds"] is not None:
        line += f", of the seeds' means {_number(summary['std_of_seeds'])}"
    out.print(Text(line))


def _number(value) -> str:
    return "-" if value is None else f"{value:.4f}"
