"""The command `perceiver-zoo`."""

import argparse
from collections.abc import Sequence

from zoo import (
    commands_benchmark,
    commands_convert,
    commands_crossvalidate,
    commands_experiments,
    commands_models,
    commands_runs,
    commands_serving,
)
from zoo.command_line import Parser, run_command

PROGRAM = "perceiver-zoo"


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line."""
    parser = Parser(
        prog=PROGRAM,
        description="Build, train, evaluate, export and use Perceiver models.",
        epilog=f"Start with `{PROGRAM} quickstart`. Every command has its own --help.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    groups = (commands_models, commands_runs, commands_serving, commands_convert)
    evaluations = (commands_crossvalidate, commands_benchmark, commands_experiments)
    for group in (*groups, *evaluations):
        group.add_to(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status, see `run_command`."""
    return run_command(build_parser(), arguments)
