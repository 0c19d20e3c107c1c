"""How many processor cores there are."""

import os


def num_cores() -> int:
    """Returns the cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
