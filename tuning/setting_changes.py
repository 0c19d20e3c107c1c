"""What differs between a search and how it is continued, in words of the options.

This module loads neither Keras nor TensorFlow.
"""

_ENTRIES = {"overrides": "--set", "fixed": "--fix"}
_BOUNDS = {
    "parameters": ("--max-parameters", 1),
    "multiply_adds": ("--max-multiply-adds", 1),
    "training_bytes": ("--max-memory", 2**20),
}
_OTHER_NAMES = {"name": "NAME"}


def changed_options(stored: dict, now: dict) -> list[str]:
    """Returns a phrase such as "--seed was 0, now 1" for each option that differs.

    Args:
        stored: the settings of a search, contents of search.json.
        now: those it shall go on with, as they are after their way through JSON.
    """
    before, after = _spelled(stored), _spelled(now)
    return [
        f"{option} was {_value(before.get(option))}, now {_value(after.get(option))}"
        for option in {**before, **after}
        if before.get(option) != after.get(option)
    ]


def _spelled(settings):
    """Returns settings by their options: each entry of a dict, and each bound, on its own."""
    spelled = {}
    for name, value in settings.items():
        if name in _ENTRIES:
            spelled |= {f"{_ENTRIES[name]} {key}": item for key, item in value.items()}
        elif name == "budget":
            spelled |= {
                option: value[bound] / unit
                for bound, (option, unit) in _BOUNDS.items()
                if value.get(bound) is not None
            }
        elif name == "objective":
            spelled["--objective"] = f"{settings['direction']}:{value}"
        elif name != "direction":
            spelled[_OTHER_NAMES.get(name, f"--{name.replace('_', '-')}")] = value
    return spelled


def _value(value):
    if value is None or isinstance(value, bool):
        return "given" if value else "not given"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)
