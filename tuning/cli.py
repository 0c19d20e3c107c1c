"""The command `perceiver-tune`."""

import argparse
from collections.abc import Sequence

from tuning import commands_results, commands_search
from zoo.commands.command_line import Parser, run_command

PROGRAM = "perceiver-tune"


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line."""
    parser = Parser(
        prog=PROGRAM,
        description="Search for hyperparameters of Perceiver models, with KerasTuner.",
        epilog=f"Start with `{PROGRAM} search --help`. Every command has its own --help.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (commands_search, commands_results):
        group.add_to(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status, see `zoo.commands.command_line.run_command`."""
    return run_command(build_parser(), arguments)
