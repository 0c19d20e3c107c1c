"""Whether a run folder holds the very run that shall be trained."""

import dataclasses
import json

from zoo.errors import ZooError
from zoo.experiments.kept_report import differences
from zoo.records.run_folder import RunFolder
from zoo.training.run_settings import RunSettings, new_settings, resumed_settings

_GIVEN = ("data", "weights", "overrides", "seed", "precision", "skip_corrupt")
_HOW = ("strategy", "jit_compile", "checkpoint_minutes")  # they do not decide what comes out


def check_same_run(path, name: str, settings: dict):
    """Raises a `ZooError` unless a run folder is of these settings, all of them.

    Args:
        path: the run folder.
        name: name of the model.
        settings: as `zoo.train` takes them; what is missing has its default.

    Raises:
        ZooError: If it is no run folder, or holds another run; the message has what differs.
    """
    folder = RunFolder.open(path)
    unknown = dict.fromkeys(_GIVEN)
    held = _plain(resumed_settings(folder, folder.config["name"], unknown, {}))
    recipe = {k: v for k, v in settings.items() if k not in (*_GIVEN, *_HOW)}
    wanted = _plain(new_settings(name, {k: settings.get(k) for k in _GIVEN}, recipe))
    differing = differences(held, wanted)
    if differing:
        raise ZooError(
            f"The run folder {str(path)!r} holds another run: {'; '.join(differing)}. "
            "Choose another folder with --out."
        )


def _plain(settings: RunSettings) -> dict:
    """Returns all settings as JSON holds them, tuples as lists."""
    return json.loads(json.dumps(dataclasses.asdict(settings), default=str))
