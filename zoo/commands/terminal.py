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

from zoo.atomic_files import check_writable
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


def counted(count: int, noun: str) -> str:
    """Returns a number of things in words, such as "1 epoch" or "1,200 epochs"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


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
    target = _json_target(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ZooError(f"The report cannot be written to {target}: {error.strerror}") from error


def check_json_option(args: argparse.Namespace) -> None:
    """Raises a `ZooError`, before the work, if the file of `--json` cannot be written at its end.

    Its folder must be there already, or be one of `--out`, which the command makes.
    """
    path, out = getattr(args, "json", None), getattr(args, "out", None)
    if path in (None, "-"):
        return
    target, made = (Path(each or ".").expanduser().absolute() for each in (path, out))
    if target.parent.is_dir():
        check_writable(target)
    elif out is None or not target.is_relative_to(made):
        _json_target(path)


def _json_target(path: str) -> Path:
    """Returns the file of a report; a missing folder is not made, as it is rather a mistyped one.

    Raises:
        ZooError: if the folder is missing.
    """
    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise ZooError(
            f"The report cannot be written to {target}: there is no folder {target.parent}."
        )
    return target


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
