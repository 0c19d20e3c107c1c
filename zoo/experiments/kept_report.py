"""The report in the folder of several trainings: they go on with their own settings, or not at all.

This module loads neither Keras nor TensorFlow.
"""

import json
from pathlib import Path
from typing import Any

from zoo.errors import ZooError


def kept_report(path: Path, asked: dict[str, Any], what: str) -> dict[str, Any]:
    """Returns the report that an earlier call left, or {} if there is nothing to go on with.

    Args:
        path: a JSON file in the folder of the trainings.
        asked: dict of what two calls must agree in, as JSON holds it.
        what: the trainings in words, such as "A cross-validation".

    Raises:
        ZooError: if the folder holds something else, or trainings of other settings.
    """
    folder = path.parent
    if not path.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ZooError(
                f"The folder {str(folder)!r} holds something else. Choose another with --out."
            )
        return {}
    try:
        report = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ZooError(f"{path} cannot be read: {error}.") from error
    differing = differences({key: report.get(key) for key in asked}, asked)
    if not differing:
        return report
    if not report.get("runs") and list(folder.iterdir()) == [path]:
        return {}  # no training was begun
    raise ZooError(
        f"{what} goes on with its own settings. In {str(folder)!r} {'; '.join(differing)}. Choose "
        "another folder with --out."
    )


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Returns "KEY was X, now Y" for each setting that differs, also of dicts in the dicts."""
    told = []
    for key in dict.fromkeys((*before, *now)):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if isinstance(old or {}, dict) and isinstance(new or {}, dict):
            told += differences(old or {}, new or {})
        else:
            told.append(f"{key} was {_shown(old)}, now {_shown(new)}")
    return told


def _shown(value):
    return "not given" if value is None else repr(value)
