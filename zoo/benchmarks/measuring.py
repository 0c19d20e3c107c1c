"""Measures contenders side by side: each in a process of its own, taking turns.

On a shared machine milliseconds mean little; what two contenders need within the same second can
be compared. So they alternate (A B C A B C ...), and ratios are taken round by round.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import pathlib
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from zoo.benchmarks.worker import OUT_OF_MEMORY, serve
from zoo.cores import num_cores

_WAIT_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Contender:
    """Something to measure.

    Attributes:
        name: str, unique among the contenders.
        prepare: importable function that builds it, called in the child process; returns a
            `zoo.benchmarks.worker.Prepared`.
        arguments: keyword arguments of `prepare`, picklable.
        note: what a reader should know of it, one line.
    """

    name: str
    prepare: Callable
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    note: str = ""


@dataclasses.dataclass
class Measured:
    """What was measured of a contender.

    Attributes:
        name, note: those of the contender.
        seconds: of one step, for each round.
        processor_seconds: of all threads together, for each round; other work on the machine
            hardly changes them, but threads that wait by spinning count as well.
        loaded_bytes: resident memory with the model and its weights loaded, before a step.
        peak_bytes: highest resident memory from then on.
        multiply_adds: of one step, as executed.
        failure: why it was not measured, or None.
    """

    name: str
    note: str = ""
    seconds: list[float] = dataclasses.field(default_factory=list)
    processor_seconds: list[float] = dataclasses.field(default_factory=list)
    loaded_bytes: int | None = None
    peak_bytes: int | None = None
    multiply_adds: int | None = None
    failure: str | None = None

    @property
    def added_bytes(self) -> int | None:
        """Peak memory above the process with model and weights loaded."""
        if self.peak_bytes is None or self.loaded_bytes is None:
            return None
        return self.peak_bytes - self.loaded_bytes

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class _Failed(Exception):
    """A worker could not do what it was asked for; the text says why."""


class _Worker:
    """A child process with one contender, seen from the parent."""

    def __init__(self, contender: Contender, folder: str, memory_limit: int | None):
        context = multiprocessing.get_context("spawn")
        self.connection, child_end = context.Pipe()
        self.log = pathlib.Path(folder) / f"{contender.name}.log"
        self.process = context.Process(
            target=serve,
            args=(child_end, contender.prepare, contender.arguments, str(self.log), memory_limit),
            daemon=True,
        )
        self.process.start()
        child_end.close()

    def ask(self, request: str) -> Any:
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(request)
        return self.answer()

    def answer(self) -> Any:
        """Returns the value of the next answer.

        Raises:
            _Failed: if the worker says that it failed, or ended without a word.
        """
        try:
            status, value = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(_WAIT_SECONDS)
            raise _Failed(self._why_it_ended()) from None
        if status == "failed":
            raise _Failed(value)
        return value

    def _why_it_ended(self) -> str:
        code = self.process.exitcode
        said = self.log.read_text(errors="replace") if self.log.exists() else ""
        if code == -signal.SIGKILL or "bad_alloc" in said or "memory" in said:
            return OUT_OF_MEMORY
        lines = [line for line in said.splitlines() if line.strip()] or [""]
        return f"ended with status {code}. {lines[-1]}"[:300].strip()

    def stop(self) -> None:
        self.process.kill()
        self.process.join(_WAIT_SECONDS)
        self.connection.close()


def measure(
    contenders: Sequence[Contender],
    rounds: int,
    report: Callable[[str], None] = lambda text: None,
    memory_limit: int | None = None,
    seconds_limit: float | None = None,
    minutes: float | None = None,
) -> list[Measured]:
    """Lets the contenders take turns and returns what was measured, in their order.

    A first turn of each is for warming up and is not counted. However this ends, also by
    Ctrl-C, no child process is left.

    Args:
        contenders: what to measure; their names must differ.
        rounds: int, turns of each contender.
        report: gets a line at each step of the way, `stage: contender`.
        memory_limit: bytes that a child's data may take (Linux); a contender that needs more
            fails as "out of memory".
        seconds_limit: a contender whose first turn takes longer has no further turns.
        minutes: after this time no further round is started; one is always measured.
    """
    start = time.perf_counter()
    results = {contender.name: Measured(contender.name, contender.note) for contender in contenders}
    workers: dict[str, _Worker] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for contender in contenders:
                report(f"building: {contender.name}")
                workers[contender.name] = _Worker(contender, folder, memory_limit)
                _ask(workers, results, contender.name, None)
            _warm_up(workers, results, report, seconds_limit)
            for index in range(rounds):
                if index and minutes and time.perf_counter() - start > 60 * minutes:
                    break
                for name in list(workers):
                    report(f"round {index + 1}/{rounds}: {name}")
                    _take_turn(workers, results, name)
            for name in list(workers):
                found = _ask(workers, results, name, "finish") or {}
                results[name] = dataclasses.replace(results[name], **found)
        finally:
            for worker in workers.values():
                worker.stop()
    return list(results.values())


def _warm_up(workers, results, report, seconds_limit):
    for name in list(workers):
        report(f"warming up: {name}")
        start = time.perf_counter()
        _ask(workers, results, name, "turn")
        taken = time.perf_counter() - start
        if name in workers and seconds_limit is not None and taken > seconds_limit:
            _drop(workers, results, name, f"took more than {seconds_limit:g} s")


def _take_turn(workers, results, name):
    taken = _ask(workers, results, name, "turn")
    if taken is not None:
        results[name].seconds.append(taken[0])
        results[name].processor_seconds.append(taken[1])


def _ask(workers, results, name, request):
    """Returns a worker's answer (to its start, for None); one that fails is dropped."""
    worker = workers[name]
    try:
        return worker.answer() if request is None else worker.ask(request)
    except _Failed as failure:
        _drop(workers, results, name, str(failure))
        return None


def _drop(workers, results, name, reason):
    workers.pop(name).stop()
    results[name] = Measured(name, results[name].note, failure=reason)


def ratio(measured: Measured, reference: Measured, clock: str = "seconds") -> float:
    """Returns how many times the reference's time a contender takes: the rounds' median.

    Args:
        measured, reference: contenders of one run.
        clock: "seconds", or "processor_seconds".
    """
    pairs = zip(getattr(measured, clock), getattr(reference, clock), strict=True)
    return statistics.median(own / other for own, other in pairs)


def fraction_of_rate(
    measured: Measured, products: Measured, clock: str = "seconds"
) -> float | None:
    """Returns a contender's multiply-adds per second over those of plain matrix products.

    Args:
        measured: a contender.
        products: the matrix products of the same run.
        clock: "seconds", or "processor_seconds".
    """
    if not measured.multiply_adds:
        return None
    return measured.multiply_adds / products.multiply_adds / ratio(measured, products, clock)


def hardware() -> dict[str, Any]:
    """Returns the processor's name, the usable cores, the memory in bytes and the load.

    The load is the number of threads that ran or wanted to, in the last minute.
    """
    processor = None
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1] for line in file if line.startswith("model name")]
        processor = names[0].strip() if names else None
    memory = None
    with contextlib.suppress(OSError, ValueError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    load = round(os.getloadavg()[0], 1)
    return {"processor": processor, "cores": num_cores(), "memory_bytes": memory, "load": load}
