"""Numbers on the command line that must be large enough, told by the name of their option.

This module loads neither Keras nor TensorFlow.
"""

import argparse

from zoo.errors import ZooError

_COUNTS = ("max_trials", "top")
_AMOUNTS = (
    "max_minutes", "max_trial_minutes", "max_parameters", "max_multiply_adds", "max_memory"
)  # fmt: skip


def check_numbers(args: argparse.Namespace) -> None:
    """Raises a `ZooError` that names the option if a count or an amount admits nothing.

    Args:
        args: the options of any command; those that were not given are None, and pass.
    """
    for name, holds, what in (
        *((name, lambda value: value >= 1, "at least 1") for name in _COUNTS),
        *((name, lambda value: value > 0, "a number above 0") for name in _AMOUNTS),
    ):
        value = getattr(args, name, None)
        if value is not None and not holds(value):
            option = f"--{name.replace('_', '-')}"
            raise ZooError(f"`{option}` must be {what}. Received: {value:g}.")
