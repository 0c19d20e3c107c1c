"""The command `perceiver-zoo`."""

import argparse
from collections.abc import Sequence

from zoo.commands import benchmark, convert, crossvalidate, experiments, models, runs, serving
from zoo.commands.command_line import Parser, run_command

PROGRAM = "perceiver-zoo"


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line."""
    parser = Parser(
        prog=PROGRAM,
        description="Build, train, evaluate, export and use Perceiver models.",
        epilog=f"Start with `{PROGRAM} quickstart`. Every command has its own --help.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    groups = (models, runs, serving, convert)
    evaluations = (crossvalidate, benchmark, experiments)
    for group in (*groups, *evaluations):
        group.add_to(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status, see `run_command`."""
    return run_command(build_parser(), arguments)
