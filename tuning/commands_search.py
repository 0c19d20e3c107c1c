"""The command that searches."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from rich.text import Text

from tuning.budget import Budget
from tuning.interruption import interruption_told
from tuning.option_checks import check_numbers
from tuning.settings import TUNERS
from tuning.spaces import SPACES
from tuning.trials import SearchFolder
from zoo.commands.runs import JIT_COMPILE
from zoo.commands.settings import parse_settings
from zoo.commands.terminal import add_command, console, start_tensorflow, write_json
from zoo.configs import configuration
from zoo.errors import ZooError
from zoo.training.distribution import STRATEGIES

_OF_THE_SEARCH = (
    "data", "space", "tuner", "epochs", "executions_per_trial", "seed", "overrides", "fixed",
    "only", "stopping", "factor", "hyperband_iterations", "min_epochs", "validation_share",
    "skip_corrupt",
)  # fmt: skip


def add_to(commands: argparse._SubParsersAction) -> None:
    """Adds `search` to the sub-commands."""
    parser = add_command(
        commands,
        "search",
        search_command,
        "Search for hyperparameters and keep every trial in a folder. Ended in any way, it goes on "
        "with --resume. The test split is never looked at: trials are measured on held-out "
        "training data.",
        [
            "perceiver-tune search perceiver_digits_tiny",
            "perceiver-tune search perceiver_digits_tiny --max-multiply-adds 2e6 --epochs 40",
            "perceiver-tune search perceiver_mnist_small --data mnist.npz --tuner bayesian "
            "--only learning_rate,num_latents --max-trials 30",
            "perceiver-tune search --resume searches/perceiver_digits_tiny",
            "perceiver-tune search perceiver_digits_tiny --out shared/s --chief 10.0.0.1:8000",
            "perceiver-tune search perceiver_digits_tiny --out shared/s --worker 10.0.0.1:8000",
        ],
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a model from `perceiver-zoo list`")
    parser.add_argument("--out", metavar="DIR", help="folder (default searches/NAME)")
    parser.add_argument("--resume", metavar="DIR", help="go on with the search in this folder")
    parser.add_argument("--json", metavar="PATH", help="also write figures to PATH (- = stdout)")
    _add_space_options(parser)
    _add_search_options(parser)
    _add_budget_options(parser)
    _add_device_options(parser)


def _add_space_options(parser):
    group = parser.add_argument_group("data and space")
    group.add_argument("--data", metavar="DATA", help="as of `perceiver-zoo train`")
    group.add_argument("--skip-corrupt", action="store_true", default=None,
                       help="leave out files that cannot be read")  # fmt: skip
    group.add_argument(
        "--space", metavar="SPACE", help=f"{', '.join(SPACES)} (default: that of the model's kind)"
    )
    group.add_argument(
        "--only", metavar="NAMES", help="hyperparameters to search over, separated by commas"
    )
    for option, what in (
        ("--fix", "hold a hyperparameter at a value"),
        ("--set", "change a field of the model's configuration in all trials"),
    ):
        group.add_argument(
            option, metavar="KEY=VALUE", action="append", default=[], help=f"{what} (repeatable)"
        )


def _add_search_options(parser):
    group = parser.add_argument_group("search")
    group.add_argument("--tuner", metavar="TUNER", help=f"{', '.join(TUNERS)} (default hyperband)")
    group.add_argument(
        "--objective",
        metavar="NAME",
        help="what counts (default: the first metric on held-out examples, such as val_accuracy)",
    )
    group.add_argument("--max-trials", type=int, metavar="N", help="the most trials")
    group.add_argument(
        "--epochs", type=int, metavar="N", help="of a whole training (default: the recipe's)"
    )
    group.add_argument(
        "--executions-per-trial", type=int, metavar="N", help="trainings of each point (default 1)"
    )
    group.add_argument(
        "--stopping",
        metavar="RULE",
        help="median: end trials that are worse than the others' median",
    )
    group.add_argument("--factor", type=int, metavar="N", help="of Hyperband (default 3)")
    group.add_argument(
        "--hyperband-iterations", type=int, metavar="N", help="times over (default 1)"
    )
    group.add_argument(
        "--min-epochs", type=int, metavar="N", help="of Hyperband's trials at least (default 1)"
    )
    group.add_argument(
        "--validation-share", type=float, metavar="SHARE",
        help="of the training data, held out if there is no validation split (default 0.2)",
    )  # fmt: skip
    group.add_argument("--seed", type=int, metavar="SEED", help="random seed (default 0)")


def _add_budget_options(parser):
    group = parser.add_argument_group("budget; no trial is begun that would exceed it")
    group.add_argument("--max-parameters", type=float, metavar="N", help="trainable parameters")
    group.add_argument(
        "--max-multiply-adds",
        type=float,
        metavar="N",
        help="of a forward pass for one example (sounds, videos: one window)",
    )
    group.add_argument(
        "--max-memory", type=float, metavar="MIB", help="predicted peak of a training step"
    )
    group.add_argument(
        "--max-minutes", type=float, metavar="N", help="begin no more trials after this time"
    )
    group.add_argument(
        "--max-trial-minutes", type=float, metavar="N", help="a training that takes longer fails"
    )


def _add_device_options(parser):
    group = parser.add_argument_group("devices, processes and machines")
    group.add_argument(
        "--strategy", choices=STRATEGIES, default="auto", help="devices of a trial (default auto)"
    )
    group.add_argument(
        "--jit-compile", choices=JIT_COMPILE, default="auto", help="use XLA (default auto)"
    )
    group.add_argument("--chief", metavar="HOST:PORT", help="be the chief, and listen here")
    group.add_argument("--worker", metavar="HOST:PORT", help="be a worker of the chief there")
    group.add_argument(
        "--worker-id", metavar="ID", help="name of this worker; keep it when it is restarted"
    )


def search_command(args: argparse.Namespace) -> None:
    """Searches, and prints what was found."""
    check_numbers(args)
    if args.resume is not None:
        name, directory, settings = _resumed(args)
    elif args.name is None:
        raise ZooError("`search` must get the NAME of a model, or --resume DIR. Received: neither.")
    else:
        configuration(args.name)
        name, directory = args.name, Path(args.out or Path("searches") / args.name)
        settings = _given(args)
    out = console(args.json)
    with interruption_told(lambda: _interrupted(directory)):
        found = _search(args, name, directory, settings, out)
    _print_found(out, found)
    write_json(args.json, _report_of(found))


def _search(args, name, directory, settings, out):
    start_tensorflow()
    from tuning.searching import search

    out.print(Text(f"Searching {name} in {directory}"), soft_wrap=True)
    return search(
        name,
        directory=directory,
        max_trials=args.max_trials,
        max_seconds=_seconds(args.max_minutes),
        max_trial_seconds=_seconds(args.max_trial_minutes),
        strategy=args.strategy,
        jit_compile=JIT_COMPILE[args.jit_compile],
        chief=args.chief,
        worker=args.worker,
        worker_id=args.worker_id,
        console=out,
        **settings,
    )


def _interrupted(directory) -> str:
    if not SearchFolder(directory).exists:
        return "Interrupted before the search began. Nothing was written."
    return (
        f"Interrupted. All finished trials are kept in {str(directory)!r}. "
        f"Continue with: perceiver-tune search --resume {shlex.quote(str(directory))}"
    )


def _given(args) -> dict[str, Any]:
    """Returns the arguments of `search` that decide what is searched, where they were given."""
    settings = {
        name: getattr(args, name)
        for name in (*_OF_THE_SEARCH, "objective")
        if getattr(args, name, None) is not None
    }
    settings |= {
        "overrides": parse_settings("--set", args.set),
        "fixed": parse_settings("--fix", args.fix),
    }
    if args.only is not None:
        settings["only"] = [name.strip() for name in args.only.split(",") if name.strip()]
    budget = _budget(args)
    return settings if not budget.bounds else {**settings, "budget": budget}


def _budget(args) -> Budget:
    memory = args.max_memory
    return Budget(
        parameters=args.max_parameters,
        multiply_adds=args.max_multiply_adds,
        training_bytes=None if memory is None else memory * 2**20,
    )


def _resumed(args):
    """Returns name, folder and settings of the search to go on with."""
    if args.out is not None:
        raise ZooError("`--resume DIR` must come without --out. Received: both.")
    directory = Path(args.resume)
    stored = SearchFolder.open(directory).settings
    if stored["name"] is None:
        raise ZooError(f"{str(directory)!r} is a search over a hypermodel: go on from Python.")
    given = _given(args) | ({} if args.name is None else {"name": args.name})
    settings = {name: stored[name] for name in _OF_THE_SEARCH if name in stored}
    settings |= {
        "objective": f"{stored['direction']}:{stored['objective']}",
        "budget": Budget(**stored["budget"]),
    }
    name = given.pop("name", stored["name"])
    # What is given again must agree; `search` says where it does not.
    return name, directory, settings | {k: v for k, v in given.items() if v not in ({}, None)}


def _seconds(minutes):
    return None if minutes is None else 60 * minutes


def _print_found(out, found) -> None:
    best, failed = found.best, found.failed
    counts = f"{len(found.trials)} trials"
    if failed:
        counts += f", {len(failed)} failed (the last: {failed[-1].reason})"
    out.print(Text(counts), soft_wrap=True)
    out.print(Text(f"Best: trial {best.trial_id}, {found.objective} {best.score:.4f}"))
    for name, value in best.hyperparameters.items():
        out.print(Text(f"  {name} = {value}"))
    for line in short_trainings(found, SearchFolder(found.path).settings):
        out.print(Text(line), soft_wrap=True)
    out.print(Text(f"Wrote {found.path}"), soft_wrap=True)
    folder = shlex.quote(str(found.path))
    out.print(Text(f"Next: perceiver-tune report {folder}; perceiver-tune apply {folder}"))


def short_trainings(found, settings: dict) -> list[str]:
    """Returns a line about a search by Hyperband that ended before any whole training.

    Args:
        found: `tuning.searching.FinishedSearch`.
        settings: contents of its search.json.
    """
    longest = max(trial.epochs for trial in found.trials if trial.status == "COMPLETED")
    if settings["tuner"] != "hyperband" or longest >= settings["epochs"]:
        return []
    trials = settings["max_trials"]
    after = "" if trials is None else f" within --max-trials {trials}"
    more = "" if trials is None else f" --max-trials {2 * trials}"
    return [
        f"No trial was trained longer than {longest} of {settings['epochs']} epochs: Hyperband "
        f"did not get to train its best ones further{after}. Go on with: "
        f"perceiver-tune search --resume {shlex.quote(str(found.path))}{more}"
    ]


def _report_of(found) -> dict[str, Any]:
    best = found.best
    return {
        "search": str(found.path),
        "objective": found.objective,
        "trials": len(found.trials),
        "failed": len(found.failed),
        "best_trial": best.trial_id,
        "best_score": best.score,
        "best_values": best.hyperparameters,
        "parameters": best.parameters,
        "multiply_adds": best.multiply_adds,
    }
