"""The same for many files at once, on all cores, in their order."""

from concurrent.futures import ThreadPoolExecutor

from zoo.cores import num_cores

ITEMS_AT_ONCE = 16


def in_parallel(function, items):
    """Yields what a function returns of each item, in order.

    It is called ahead of what is taken, on as many threads as there are cores, so what it does must
    mostly be done outside of Python, as libraries decode. If no more is taken, or it raises, what
    was not begun is left undone.

    Args:
        function: callable of one argument.
        items: sequence.
    """
    # Handing over costs as much as decoding a short sound, so a thread takes some of many.
    at_once = min(max(len(items) // (4 * num_cores()), 1), ITEMS_AT_ONCE)
    chunks = [items[start : start + at_once] for start in range(0, len(items), at_once)]
    with ThreadPoolExecutor(num_cores()) as pool:
        try:
            for results in pool.map(lambda chunk: [function(item) for item in chunk], chunks):
                yield from results
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
