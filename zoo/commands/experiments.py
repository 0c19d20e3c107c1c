"""The command that repeats the paper's comparisons at this scale."""

import argparse
import json
import time
from pathlib import Path

from rich.text import Text

from zoo.atomic_files import make_folder, replaced_atomically
from zoo.commands.terminal import add_command, console, start_tensorflow, write_json
from zoo.configs import configuration
from zoo.costs import costs
from zoo.experiments.comparisons import EXPERIMENTS, experiment_variants
from zoo.experiments.kept_report import kept_report
from zoo.experiments.seeds import check_seeds
from zoo.experiments.time_left import told_time_left

SETTINGS_FILE = "experiment.json"


def add_to(commands: argparse._SubParsersAction) -> None:
    """Adds `experiment` to the sub-commands."""
    known = "; ".join(f"{name}: {e.summary} ({e.source})" for name, e in EXPERIMENTS.items())
    parser = add_command(
        commands,
        "experiment",
        experiment_command,
        "Repeat a comparison of the Perceiver paper with a small model: train every variant, then "
        f"write a table and a picture. {known}.",
        [
            "perceiver-zoo experiment permuted perceiver_digits_tiny --epochs 40",
            "perceiver-zoo experiment permuted perceiver_cifar10_small --data cifar10/ --epochs 10",
            "perceiver-zoo experiment latents perceiver_mnist_small --data mnist.npz --seeds 0 1 2",
        ],
    )
    parser.add_argument("experiment", choices=EXPERIMENTS, metavar="EXPERIMENT", help="see above")
    parser.add_argument("name", metavar="NAME", help="an original Perceiver for images, see `list`")
    parser.add_argument("--data", metavar="DATA", help="as of `train` (default: the model's own)")
    parser.add_argument("--epochs", type=int, metavar="N", help="of every run (default: recipe's)")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], metavar="SEED", help="default: 0"
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="for the runs, table.md, figure.png and results.json (default: "
        "runs/EXPERIMENT-NAME); a command that was stopped goes on there",
    )
    parser.add_argument("--json", metavar="PATH", help="also write figures to PATH (- = stdout)")


def experiment_command(args: argparse.Namespace) -> None:
    """Trains every variant with every seed and writes what was found after each."""
    variants = experiment_variants(args.experiment, args.name)
    check_seeds(args.seeds)
    folder = Path(args.out or f"runs/{args.experiment}-{args.name}")
    settings = {"data": args.data or configuration(args.name).dataset} | (
        {} if args.epochs is None else {"epochs": args.epochs}
    )
    _begin(folder, {"experiment": args.experiment, "name": args.name, "epochs": None, **settings})
    start_tensorflow()
    from zoo.experiments.report import Finding, printed_table, report_rows

    out = console(args.json)
    experiment = EXPERIMENTS[args.experiment]
    title = f"{args.name}: {args.experiment.replace('_', ' ')}"
    findings = [
        Finding(variant, costs(configuration(variant.name, **variant.overrides)).multiply_adds)
        for variant in variants
    ]
    for finding, run in _trained(folder, findings, args.seeds, experiment, settings, out):
        finding.runs.append(run)
        _write(folder, findings, title, experiment)
    out.print(printed_table(findings, title, experiment.varied))
    out.print(Text(f"Wrote {folder}: table.md, figure.png, results.json and the runs"))
    write_json(args.json, {"experiment": args.experiment, "rows": report_rows(findings)})


def _begin(folder, asked):
    """Marks a new folder as that of an experiment, and refuses that of something else."""
    kept_report(folder / SETTINGS_FILE, asked, "An experiment")
    make_folder(folder)
    with replaced_atomically(folder / SETTINGS_FILE) as path:
        path.write_text(json.dumps(asked, indent=2) + "\n")


def _trained(folder, findings, seeds, experiment, settings, out):
    """Yields a finding and its run, for every seed and finding; the runs lie in the folder."""
    from zoo.experiments.run_series import is_finished, trained_once

    todo = [
        (seed, finding, folder / f"{_as_path(_words(finding))}-seed-{seed}")
        for seed in seeds
        for finding in findings
    ]
    seconds: list[float] = []
    for number, (seed, finding, path) in enumerate(todo):
        runs_left = sum(not is_finished(later) for *_, later in todo[number:])
        hint = told_time_left(seconds, runs_left)
        line = f"Run {number + 1} of {len(todo)}: {experiment.varied} {_words(finding)}"
        line += f", seed {seed}" + (f", {hint}" if hint else "")
        out.print(Text(line, style="bold"))
        variant, was_finished, start = finding.variant, is_finished(path), time.monotonic()
        asked = {"overrides": variant.overrides, "seed": seed, **settings}
        run = trained_once(path, variant.name, out, **asked)
        if not was_finished:
            seconds.append(time.monotonic() - start)
        yield finding, run


def _write(folder, findings, title, experiment):
    from zoo.experiments.picture import draw
    from zoo.experiments.report import markdown_table, report_rows

    table = markdown_table(findings, title, experiment.varied)
    with replaced_atomically(folder / "table.md") as path:
        path.write_text(f"{table}\nAfter {experiment.source}.\n", encoding="utf-8")
    with replaced_atomically(folder / "figure.png") as path:
        draw(findings, path, title, experiment.varied)
    with replaced_atomically(folder / "results.json") as path:
        path.write_text(json.dumps(report_rows(findings), indent=2) + "\n")


def _words(finding) -> str:
    variant = finding.variant
    return ", ".join(word for word in (variant.label, variant.condition) if word)


def _as_path(words: str) -> str:
    return "-".join(words.replace(",", " ").split()).lower()
