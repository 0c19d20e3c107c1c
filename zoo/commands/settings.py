"""Options of the form KEY=VALUE."""

import argparse
import ast
import contextlib
import json
from typing import Any

from zoo.errors import ZooError


def add_changes_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--set` to a command that uses a trained model."""
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change how the trained model predicts: mirrored_views or shifted_views of images, "
        "num_windows of sounds or of videos (repeatable)",
    )


def parse_settings(option: str, settings: list[str]) -> dict[str, Any]:
    """Returns the dict that repeated KEY=VALUE options spell.

    A value is a Python literal, JSON (such as `true`), or else text.

    Raises:
        ZooError: if one is not of that form.
    """
    parsed = {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not (separator and key.isidentifier()):
            raise ZooError(f"`{option}` must be of the form KEY=VALUE. Received: {setting!r}")
        parsed[key] = text
        for read in (ast.literal_eval, _json_value):
            with contextlib.suppress(ValueError, SyntaxError, TypeError):
                parsed[key] = read(text)
                break
    return parsed


def _json_value(text):
    """Returns the value that JSON spells, but not NaN and infinities, which are not JSON."""

    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)
