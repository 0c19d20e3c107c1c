"""The commands that look at a search and use what it found."""

import argparse
import shlex
import time

from rich.table import Table
from rich.text import Text

from tuning.interruption import interruption_told
from tuning.option_checks import check_numbers
from tuning.trials import SearchFolder, pareto_front, ranked
from zoo.commands.terminal import add_command, console, start_tensorflow, write_json
from zoo.errors import ZooError

_ALIVE_SECONDS = 10


def add_to(commands: argparse._SubParsersAction) -> None:
    """Adds `status`, `best`, `report` and `apply` to the sub-commands."""
    _add_status(commands)
    _add_best(commands)
    _add_report(commands)
    _add_apply(commands)


def _add_status(commands):
    parser = add_command(
        commands,
        "status",
        status_command,
        "Show the trials of a search, while it runs or afterwards.",
        ["perceiver-tune status searches/perceiver_digits_tiny"],
    )
    _add_folder(parser)
    parser.add_argument("--json", metavar="PATH", help="also write figures to PATH (- = stdout)")


def _add_best(commands):
    parser = add_command(
        commands,
        "best",
        best_command,
        "Show the best trials of a search, all of them or those within bounds, and the Pareto "
        "front of score against multiply-adds.",
        [
            "perceiver-tune best searches/perceiver_digits_tiny",
            "perceiver-tune best searches/perceiver_digits_tiny --max-multiply-adds 5e6",
            "perceiver-tune best searches/perceiver_digits_tiny --pareto",
        ],
    )
    _add_folder(parser)
    _add_bounds(parser)
    parser.add_argument("--top", type=int, default=5, metavar="N", help="trials (default 5)")
    parser.add_argument(
        "--pareto", action="store_true", help="those that no other beats at the same cost or below"
    )
    parser.add_argument("--json", metavar="PATH", help="also write figures to PATH (- = stdout)")


def _add_report(commands):
    parser = add_command(
        commands,
        "report",
        report_command,
        "Draw a search as PNG: parallel coordinates, score against cost with the Pareto front, "
        "importance of each hyperparameter, learning curves. A table (.csv) is written beside it.",
        [
            "perceiver-tune report searches/perceiver_digits_tiny",
            "perceiver-tune report searches/perceiver_digits_tiny --out digits.png",
        ],
    )
    _add_folder(parser)
    parser.add_argument("--out", metavar="PNG", help="default: report.png in the folder")
    parser.add_argument(
        "--cost", choices=("multiply_adds", "parameters"), default="multiply_adds",
        help="what the score is drawn against (default multiply_adds)",
    )  # fmt: skip


def _add_apply(commands):
    parser = add_command(
        commands,
        "apply",
        apply_command,
        "Train the best trial's point in full, on all training data, and export the model. "
        "Interrupted, it goes on when the same command is given again.",
        [
            "perceiver-tune apply searches/perceiver_digits_tiny",
            "perceiver-tune apply searches/perceiver_digits_tiny --max-multiply-adds 2e6 "
            "--out runs/light",
        ],
    )
    _add_folder(parser)
    _add_bounds(parser)
    parser.add_argument("--trial", metavar="ID", help="this trial instead of the best")
    parser.add_argument("--out", metavar="RUN", help="run folder (default DIR/best)")
    parser.add_argument("--epochs", type=int, metavar="N", help="default: those of the search")
    parser.add_argument("--seed", type=int, metavar="SEED", help="random seed (default 0)")
    parser.add_argument(
        "--print", action="store_true", help="only print the `perceiver-zoo train` command"
    )
    parser.add_argument("--json", metavar="PATH", help="also write figures to PATH (- = stdout)")


def _add_folder(parser):
    parser.add_argument("folder", metavar="DIR", help="the folder of a search")


def _add_bounds(parser):
    parser.add_argument("--max-parameters", type=float, metavar="N", help="trainable parameters")
    parser.add_argument(
        "--max-multiply-adds",
        type=float,
        metavar="N",
        help="of a forward pass for one example (sounds, videos: one window)",
    )


def _bounds(args):
    return {"parameters": args.max_parameters, "multiply_adds": args.max_multiply_adds}


def status_command(args: argparse.Namespace) -> None:
    """Prints one row for each trial, and what the search is at."""
    folder = SearchFolder.open(args.folder)
    settings, trials = folder.settings, folder.trials()
    out = console(args.json)
    out.print(Text(f"{settings['name']}, {settings['tuner']}, {settings['objective']}"))
    out.print(_table(trials, settings["objective"]))
    counts = {}
    for trial in trials:
        counts[trial.status.lower()] = counts.get(trial.status.lower(), 0) + 1
    done = ranked(trials, settings["direction"])
    best = f"; best {done[0].score:.4f} (trial {done[0].trial_id})" if done else ""
    out.print(Text(", ".join(f"{n} {status}" for status, n in counts.items()) + best))
    workers = _live_workers(folder)
    if workers:
        out.print(Text(f"workers: {', '.join(workers)}"))
    for trial in trials:
        if trial.status in ("FAILED", "INVALID"):
            out.print(Text(f"trial {trial.trial_id} failed: {trial.reason}"), soft_wrap=True)
    report = {"trials": [_row(trial) for trial in trials], "workers": workers, "counts": counts}
    write_json(args.json, {"settings": settings, **report})


def best_command(args: argparse.Namespace) -> None:
    """Prints the best trials, and the hyperparameters of the best of them."""
    check_numbers(args)
    folder = SearchFolder.open(args.folder)
    settings = folder.settings
    done = ranked(folder.trials(), settings["direction"])
    bounds = {name: most for name, most in _bounds(args).items() if most is not None}
    within = [t for t in done if all((getattr(t, n) or 0) <= most for n, most in bounds.items())]
    if not within:
        raise ZooError(f"There must be a completed trial within the bounds. Received: {len(done)}"
                       " completed, none of them within.")  # fmt: skip
    best, shown = within[0], within[: args.top]
    if args.pareto:
        shown = pareto_front(within, "multiply_adds", settings["direction"])
    out = console(args.json)
    out.print(_table(shown, settings["objective"]))
    out.print(Text(f"trial {best.trial_id}, the best of them:"))
    for name, value in best.hyperparameters.items():
        out.print(Text(f"  {name} = {value}"))
    write_json(args.json, {"best": [_row(trial) for trial in shown]})


def report_command(args: argparse.Namespace) -> None:
    """Draws the report and says where it is."""
    from tuning.reporting import report

    path = report(args.folder, args.out, args.cost)
    out = console()
    out.print(Text(f"Wrote {path}"), soft_wrap=True)
    out.print(Text(f"Wrote {path.with_suffix('.csv')}"), soft_wrap=True)


def apply_command(args: argparse.Namespace) -> None:
    """Trains and exports the best point, or prints the command that would train it."""
    check_numbers(args)
    from tuning.applying import apply, chosen_trial, training_settings

    trial = chosen_trial(args.folder, args.trial, _bounds(args))
    out = console(args.json)
    if args.print:
        print(training_command(training_settings(args.folder, trial)))
        return
    out.print(Text(f"Training the point of trial {trial.trial_id}"))
    given = {name: getattr(args, name) for name in ("epochs", "seed")}
    given = {name: value for name, value in given.items() if value is not None}
    with interruption_told(lambda: _interrupted(args, trial)):
        start_tensorflow()
        result, saved_model = apply(
            args.folder, args.out, trial_id=trial.trial_id, console=out, **given
        )
    figures = result.test_figures
    if figures:
        out.print(Text(f"{result.test_split} {result.headline} {figures[result.headline]:.4f}"))
    out.print(Text(f"Wrote {result.path}"), soft_wrap=True)
    out.print(Text(f"Wrote {saved_model}"), soft_wrap=True)
    report = {f"test_{name}": value for name, value in figures.items()}
    report |= {"trial": trial.trial_id, "parameters": result.parameters, "run": str(result.path)}
    report |= {"train_seconds": result.train_seconds, "saved_model": str(saved_model)}
    write_json(args.json, {**report, "multiply_adds": trial.multiply_adds})


def _interrupted(args, trial) -> str:
    """Returns what is kept of a training and how to go on, though the search may find better."""
    from tuning.applying import run_folder

    words = ["perceiver-tune", "apply", args.folder, "--trial", trial.trial_id]
    for name in ("out", "epochs", "seed", "json"):
        if getattr(args, name) is not None:
            words += [f"--{name}", str(getattr(args, name))]
    run = run_folder(args.folder, args.out)
    kept = f"What was trained is kept in {str(run)!r}" if run.exists() else "Nothing was trained"
    return f"Interrupted. {kept}. Continue with: {shlex.join(words)}"


def training_command(settings: dict) -> str:
    """Returns the `perceiver-zoo train` command line of the arguments of `zoo.train`."""
    settings = dict(settings)
    words = ["perceiver-zoo", "train", settings.pop("name")]
    data, overrides = settings.pop("data"), settings.pop("overrides")
    if data is not None:
        words += ["--data", data]
    if settings.pop("skip_corrupt"):
        words.append("--skip-corrupt")
    for name, value in overrides.items():
        words += ["--set", f"{name}={value}"]
    for name, value in settings.items():
        words += ["--recipe", f"{name}={value}"]
    return shlex.join(words)


def _live_workers(folder):
    beats = (folder.path / "workers").glob("*")
    return sorted(
        path.name for path in beats if time.time() - path.stat().st_mtime < _ALIVE_SECONDS
    )


def _table(trials, objective) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("trial", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for name in (objective, "epochs", "seconds", "parameters", "multiply-adds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("from", no_wrap=True)
    for trial in trials:
        status = trial.status.lower() + (f" ({trial.stopped})" if trial.stopped else "")
        score = "" if trial.score is None else f"{trial.score:.4f}"
        costs = (trial.parameters, trial.multiply_adds)
        counted = ["" if not cost else f"{cost:,}" for cost in costs]
        parent = trial.values.get("tuner/trial_id", "")
        row = (trial.trial_id, status, score, str(trial.epochs), f"{trial.seconds:.1f}", *counted)
        table.add_row(*map(Text, (*row, parent)))
    return table


def _row(trial):
    names = ("trial_id", "status", "score", "epochs", "seconds", "parameters", "multiply_adds")
    return {name: getattr(trial, name) for name in names} | {"values": trial.hyperparameters}
