"""The same for many files at once, on all cores, in their order."""

import collections
import threading
from concurrent.futures import ThreadPoolExecutor

from zoo.cores import num_cores

ITEMS_AT_ONCE = 16
CHUNKS_AHEAD = 4  # of each core


def in_parallel(function, items):
    """Yields what a function returns of each item, in order.

    It is called ahead of what is taken, on as many threads as there are cores, so what it does must
    mostly be done outside of Python, as libraries decode. How far ahead is bounded, as results wait
    in memory: at most 64 items for each core. If no more is taken, or it raises, what was not begun
    is left undone.

    Args:
        function: callable of one argument.
        items: sequence.
    """
    # Handing over costs as much as decoding a short sound, so a thread takes some of many.
    at_once = min(max(len(items) // (4 * num_cores()), 1), ITEMS_AT_ONCE)
    ahead, is_over = collections.deque(), threading.Event()

    def results_of(chunk):
        return [function(item) for item in chunk if not is_over.is_set()]

    with ThreadPoolExecutor(num_cores()) as pool:
        try:
            for start in range(0, len(items), at_once):
                ahead.append(pool.submit(results_of, items[start : start + at_once]))
                if len(ahead) == CHUNKS_AHEAD * num_cores():
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            is_over.set()
            pool.shutdown(cancel_futures=True)
