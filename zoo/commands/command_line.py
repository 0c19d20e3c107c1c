"""How a command of this project ends: its exit status, and one line for bad input."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from zoo.atomic_files import is_of_the_place
from zoo.commands.terminal import check_json_option
from zoo.errors import ZooError

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130


class Parser(argparse.ArgumentParser):
    """Reports a wrong command line in one line, as all other bad input."""

    def error(self, message: str) -> None:
        program = self.prog.split()[0]
        self.exit(BAD_INPUT, f"{program}: error: {message} (see `{self.prog} --help`)\n")


def run_command(parser: Parser, arguments: Sequence[str] | None = None) -> int:
    """Runs one sub-command and returns the exit status.

    0: done. 2: bad input, or a place that cannot be read or written, told in one line on standard
    error. 130: interrupted. 1: the reader of a pipe went away. Anything else that goes wrong is a
    bug and keeps its traceback.
    """
    args: Any = parser.parse_args(arguments)
    run: Callable = args.run
    try:
        check_json_option(args)
        run(args)
        sys.stdout.flush()
    except ZooError as error:
        print(f"{parser.prog}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt as interruption:
        print(f"{parser.prog}: {str(interruption) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        if error.filename is None or not is_of_the_place(error):
            raise
        print(f"{parser.prog}: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return BAD_INPUT
    return 0
