"""Several processes or machines on one search, by KerasTuner's own protocol.

One chief proposes the trials and keeps the results; workers ask it for trials, train them and
report. All see the folder of the search, on a shared disk. Each worker touches a file of its own
there every few seconds; the chief gives a trial back to the search when its worker's file has not
changed for a while.
"""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from zoo.atomic_files import make_folder
from zoo.errors import ZooError

_ID, _IP, _PORT = "KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"
_BEAT_SECONDS = 2.0
LOST_SECONDS = 60.0


@dataclass(frozen=True)
class Role:
    """What this process does in a search by several.

    Attributes:
        is_chief: bool.
        worker_id: str, the chief's or the worker's own name.
        host, port: where the chief listens.
    """

    is_chief: bool
    worker_id: str
    host: str
    port: int

    @contextlib.contextmanager
    def announced(self):
        """Tells KerasTuner, by its environment variables, inside of the block."""
        values = {_ID: self.worker_id, _IP: self.host, _PORT: str(self.port)}
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value


def role_of(chief=None, worker=None, worker_id=None) -> Role | None:
    """Returns this process's role; None: it searches alone.

    Args:
        chief: str "HOST:PORT" to listen at, as the chief.
        worker: str "HOST:PORT" of the chief, as a worker.
        worker_id: str, the worker's name; the same one after a restart gets the same trial. By
            default made of the host's name and the process's number.

    Without either, KerasTuner's own variables KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and
    KERASTUNER_ORACLE_PORT count, if they are set.

    Raises:
        ZooError: If both are given, or an address is not of that form.
    """
    if chief and worker:
        raise ZooError("A process must be the `--chief` or a `--worker`. Received: both.")
    if chief:
        return Role(True, "chief", *_address(chief))
    if worker:
        name = worker_id or f"worker-{os.uname().nodename}-{os.getpid()}"
        if "chief" in name:
            raise ZooError(f"`--worker-id` must not contain 'chief'. Received: {name!r}.")
        return Role(False, name, *_address(worker))
    if _IP in os.environ:
        missing = [name for name in (_ID, _PORT) if name not in os.environ]
        if missing:
            raise ZooError(f"{_IP} must come with {' and '.join(missing)}. Received: it alone.")
        name = os.environ[_ID]
        return Role("chief" in name, name, *_address(f"{os.environ[_IP]}:{os.environ[_PORT]}"))
    return None


def _address(text):
    host, separator, port = text.rpartition(":")
    if not (separator and host and port.isdigit() and 0 < int(port) < 2**16):
        raise ZooError(f"An address must be of the form HOST:PORT. Received: {text!r}.")
    return host, int(port)


@contextlib.contextmanager
def heartbeat(folder: Path, worker_id: str):
    """Touches the worker's file every two seconds, inside of the block."""
    path = _beat_path(folder, worker_id)
    make_folder(path.parent)
    ended = threading.Event()

    def beat():
        while not ended.is_set():
            path.touch()
            ended.wait(_BEAT_SECONDS)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def watched(oracle, folder: Path, console, lost_seconds: float = LOST_SECONDS):
    """Gives back the trials of workers that died, inside of the block.

    Only changes of the workers' files are looked at, not their times, so the clocks of the
    machines may differ.

    Args:
        oracle: one of `tuning.oracles`, the chief's.
        folder: of the search.
        console: `rich.console.Console`.
        lost_seconds: float, how long a worker's file may stay as it is.
    """
    ended = threading.Event()
    seen = {}

    def watch():
        while not ended.wait(min(_BEAT_SECONDS, lost_seconds / 4)):
            for worker_id in oracle.workers():
                beat, now = _last_beat(folder, worker_id), time.monotonic()
                if seen.get(worker_id, (None, None))[0] != beat or worker_id not in seen:
                    seen[worker_id] = (beat, now)
                elif now - seen[worker_id][1] > lost_seconds:
                    del seen[worker_id]
                    trial_id = oracle.give_back(worker_id)
                    given = f"; trial {trial_id} goes back to the search" if trial_id else ""
                    console.print(f"worker {worker_id} is gone{given}", highlight=False)

    thread = threading.Thread(target=watch, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat_path(folder, worker_id):
    return Path(folder) / "workers" / worker_id


def _last_beat(folder, worker_id):
    try:
        return _beat_path(folder, worker_id).stat().st_mtime_ns
    except FileNotFoundError:
        return None
