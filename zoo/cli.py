"""The command `perceiver-zoo`."""

import argparse
import os
import sys
from collections.abc import Sequence

from zoo import (
    commands_benchmark,
    commands_convert,
    commands_models,
    commands_runs,
    commands_serving,
)
from zoo.errors import ZooError

PROGRAM = "perceiver-zoo"
_BAD_INPUT, _FAILED, _INTERRUPTED = 2, 1, 130


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line in one line, as all other bad input."""

    def error(self, message: str) -> None:
        self.exit(_BAD_INPUT, f"{PROGRAM}: error: {message} (see `{self.prog} --help`)\n")


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line."""
    parser = _Parser(
        prog=PROGRAM,
        description="Build, train, evaluate, export and use Perceiver models.",
        epilog=f"Start with `{PROGRAM} quickstart`. Every command has its own --help.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    groups = (commands_models, commands_runs, commands_serving, commands_convert)
    for group in (*groups, commands_benchmark):
        group.add_to(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status.

    0: done. 2: bad input, told in one line on standard error. 130: interrupted. 1: the reader of
    a pipe went away. Anything else that goes wrong is a bug and keeps its traceback.
    """
    args = build_parser().parse_args(arguments)
    try:
        args.run(args)
        sys.stdout.flush()
    except ZooError as error:
        print(f"{PROGRAM}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt as interruption:
        print(f"{PROGRAM}: {str(interruption) or 'interrupted'}", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    return 0
