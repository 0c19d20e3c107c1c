"""What a mistyped name was probably meant to be."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Returns " Did you mean 'x'?" for the most similar of the known names, "" without one.

    Args:
        name: what was given.
        known: the names that there are.
        cutoff: float in [0, 1], the least similarity.
    """
    found = difflib.get_close_matches(str(name), list(known), n=1, cutoff=cutoff)
    return f" Did you mean {found[0]!r}?" if found else ""
