"""How long several trainings still take."""

import statistics
from collections.abc import Sequence


def told_time_left(seconds: Sequence[float], runs: int) -> str:
    """Returns the time left in words, "" if it is not known.

    Args:
        seconds: wall times of the runs that were trained in this process; one that was finished
            before has none.
        runs: how many are still to be trained.
    """
    if not seconds or not runs:
        return ""
    left = max(1.0, statistics.mean(seconds) * runs)
    return f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left"
