"""What the commands share: their help, where text goes, JSON, a quiet start of TensorFlow."""

import argparse
import json
import os
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from zoo.errors import ZooError
from zoo.training.retracing import drop_retracing

_PIPED_WIDTH = 200


def add_command(
    commands: argparse._SubParsersAction,
    name: str,
    run: Callable[[argparse.Namespace], None],
    description: str,
    examples: Sequence[str],
) -> argparse.ArgumentParser:
    """Adds a sub-command that calls `run`, with examples below its help, and returns its parser."""
    parser = commands.add_parser(
        name,
        help=description.split(". ")[0].rstrip("."),
        description=textwrap.fill(description, 90),
        epilog="examples:\n" + "\n".join(f"  {example}" for example in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def console(json_path: str | None = None) -> Console:
    """Returns where a command prints: standard output, or standard error if JSON goes there."""
    stream = sys.stderr if json_path == "-" else sys.stdout
    piped = not stream.isatty() and "COLUMNS" not in os.environ
    return Console(file=stream, width=_PIPED_WIDTH if piped else None, highlight=False)


def write_json(path: str | None, report: dict[str, Any]) -> None:
    """Writes the report: to standard output for "-", nowhere for None, else atomically to a file.

    Raises:
        ZooError: if the file cannot be written.
    """
    if path is None:
        return
    text = json.dumps(report, indent=2, default=str) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    target = Path(path).expanduser()
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ZooError(f"The report cannot be written to {target}: {error.strerror}") from error


def start_tensorflow() -> None:
    """Imports TensorFlow and finds its devices without its start-up messages.

    Only these two steps are silenced, and what they printed is shown if they fail; TensorFlow's
    warnings from C++ are off afterwards, and the one from Python about functions that are made
    anew; its errors stay. With TF_CPP_MIN_LOG_LEVEL=0 in the environment nothing is hidden.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    drop_retracing()
    with _held_back_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()  # finds a GPU without taking it, so settings still can


@contextmanager
def _held_back_stderr() -> Iterator[None]:
    """Keeps what anything writes to file descriptor 2, and shows it if an exception leaves."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        original = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            _restore(original)
            held.seek(0)
            os.write(2, held.read())
            raise
        _restore(original)


def _restore(original: int) -> None:
    sys.stderr.flush()
    os.dup2(original, 2)
    os.close(original)
