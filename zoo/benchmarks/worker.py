"""The child process of a benchmark: one contender, built once, that runs when it is asked to.

While it waits it is blocked on a pipe and uses no processor time. What libraries print goes to a
log file, so that nothing but answers reaches the parent.
"""

import contextlib
import os
import signal
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

SECONDS_OF_A_TURN = 0.2
OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True)
class Prepared:
    """A contender that is built and ready to run.

    Attributes:
        step: runs one forward, or one training step, and returns when it is finished.
        multiply_adds: returns how many multiply-adds one step executes in matrix products, or
            None where nobody knows. Called after all measurements.
    """

    step: Callable[[], Any]
    multiply_adds: Callable[[], int | None]


def serve(
    connection: Connection,
    prepare: Callable[..., Prepared],
    arguments: dict[str, Any],
    log_path: str,
    memory_limit: int | None,
) -> None:
    """Builds a contender and answers the parent's requests until "finish" or the pipe closes.

    Every answer is a pair of "done" or "failed" and a value: after the start None, for "turn"
    the seconds and the processor seconds (of all threads) of one step, for "finish" a dict of
    `loaded_bytes`, `peak_bytes` (resident memory of this process before the first step, and its
    highest value since) and `multiply_adds`. A failure's value is one line; it is the last answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # Threads of PyTorch that wait by spinning slow themselves a hundredfold on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _write_to_log(log_path)
    _yield_memory(memory_limit)
    try:
        prepared = prepare(**arguments)
        loaded_bytes = _reset_peak()
        connection.send(("done", None))
        while connection.recv() == "turn":
            connection.send(("done", _turn(prepared.step)))
        found = {"loaded_bytes": loaded_bytes, "peak_bytes": _resident("VmHWM")}
        connection.send(("done", found | {"multiply_adds": prepared.multiply_adds()}))
    except (EOFError, BrokenPipeError):
        return  # the parent is gone
    except BaseException as error:
        traceback.print_exc()
        connection.send(("failed", _reason(error)))


def _turn(step: Callable[[], Any]) -> tuple[float, float]:
    """Returns the seconds and the processor seconds of a step, of as many as fill a turn.

    They are the median, and the mean because the clock of the processor is coarse.
    """
    seconds, processor_start = [], time.process_time()
    while sum(seconds) < SECONDS_OF_A_TURN:
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), (time.process_time() - processor_start) / len(seconds)


def _write_to_log(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)


def _yield_memory(limit: int | None) -> None:
    """Limits this process's memory, and makes it the first to go where memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    if limit is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _reset_peak() -> int | None:
    """Makes the peak of resident memory start anew; returns the memory now, in bytes.

    None where the system (anything but Linux) cannot do that.
    """
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return None
    return _resident("VmRSS")


def _resident(field: str) -> int | None:
    """Returns a field of this process's status in bytes: VmRSS (now) or VmHWM (the peak)."""
    try:
        with open("/proc/self/status") as file:
            lines = dict(line.split(":", 1) for line in file)
    except OSError:
        return None
    return 1024 * int(lines[field].split()[0])


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    exhausted = ("alloc", "out of memory", "OOM when")
    if isinstance(error, MemoryError) or any(sign in text for sign in exhausted):
        return OUT_OF_MEMORY
    return f"{type(error).__name__}: {text}"[:300]
