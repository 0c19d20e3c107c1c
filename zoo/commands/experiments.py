"""The command that repeats the paper's comparisons at this scale."""

import argparse
import json
import time
from pathlib import Path

from rich.text import Text

from zoo.commands.terminal import add_command, console, start_tensorflow, write_json
from zoo.configs import configuration
from zoo.costs import costs
from zoo.experiments.comparisons import EXPERIMENTS, experiment_variants


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
    start_tensorflow()
    from zoo.experiments.report import Finding, printed_table, report_rows
    from zoo.experiments.run_series import trained_once

    folder = Path(args.out or f"runs/{args.experiment}-{args.name}")
    out = console(args.json)
    experiment = EXPERIMENTS[args.experiment]
    title = f"{args.name}: {args.experiment.replace('_', ' ')}"
    settings = {"data": args.data or configuration(args.name).dataset} | (
        {} if args.epochs is None else {"epochs": args.epochs}
    )
    findings = [
        Finding(variant, costs(configuration(variant.name, **variant.overrides)).multiply_adds)
        for variant in variants
    ]
    total, start = len(args.seeds) * len(variants), time.monotonic()
    for number, (seed, finding) in enumerate(
        ((seed, finding) for seed in args.seeds for finding in findings), start=1
    ):
        variant = finding.variant
        words = ", ".join(word for word in (variant.label, variant.condition) if word)
        left = (time.monotonic() - start) / 60 * (total - number + 1) / max(number - 1, 1)
        hint = f", about {left:.0f} min left" if number > 1 else ""
        out.print(Text(f"Run {number} of {total}: {words}, seed {seed}{hint}", style="bold"))
        run = trained_once(
            folder / f"{_as_path(words)}-seed-{seed}",
            variant.name,
            out,
            overrides=variant.overrides,
            seed=seed,
            **settings,
        )
        finding.runs.append(run)
        _write(folder, findings, title, experiment.source)
    out.print(printed_table(findings, title))
    out.print(Text(f"Wrote {folder}: table.md, figure.png, results.json and the runs"))
    write_json(args.json, {"experiment": args.experiment, "rows": report_rows(findings)})


def _write(folder, findings, title, source):
    from zoo.atomic_files import replaced_atomically
    from zoo.experiments.report import draw, markdown_table, report_rows

    with replaced_atomically(folder / "table.md") as path:
        path.write_text(f"{markdown_table(findings, title)}\nAfter {source}.\n", encoding="utf-8")
    with replaced_atomically(folder / "figure.png") as path:
        draw(findings, path, title)
    with replaced_atomically(folder / "results.json") as path:
        path.write_text(json.dumps(report_rows(findings), indent=2) + "\n")


def _as_path(words: str) -> str:
    return "-".join(words.replace(",", " ").split()).lower()
