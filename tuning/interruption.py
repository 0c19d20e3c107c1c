"""Ending a command by Ctrl-C (SIGINT) or a plain `kill` (SIGTERM), with one line that says how on.

Trainings of the zoo take both for the same (`zoo.training.mid_epoch`), but at the end of a step,
which they keep. A search keeps whole trials, and so ends at once.

This module loads neither Keras nor TensorFlow.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def interruption_told(message: Callable[[], str]) -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM alike end the block by a `KeyboardInterrupt` with a message.

    Outside of the main thread, which alone gets signals, SIGTERM is left as it is.

    Args:
        message: called when it happens; returns what is kept and how to go on, in one line.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main:
        previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(message()) from None
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if previous is None else previous)
