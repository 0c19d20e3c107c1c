"""Which seeds several trainings may have."""

from collections.abc import Sequence

from zoo.errors import ZooError


def check_seeds(seeds: Sequence[int]) -> None:
    """Raises a `ZooError` unless they are different integers from 0: a deviation counts each."""
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ZooError(f"`seeds` must be different integers from 0. Received: {list(seeds)}.")
