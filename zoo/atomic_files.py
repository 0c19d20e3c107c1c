"""Files that appear complete or not at all, and full disks told in one line."""

import contextlib
import errno
import os
from pathlib import Path

from zoo.errors import ZooError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replaced_atomically(path):
    """Yields a temporary path whose file takes the place of `path` when the block ends well.

    Args:
        path: the file to write. The temporary file lies in the same folder and has the same
            suffixes.

    Raises:
        ZooError: If the disk is full. The previous file at `path` is intact in this case, as
            it is after any other error.
    """
    path = Path(path)
    stem, dot, suffixes = path.name.partition(".")
    temporary = path.with_name(f".{stem}.writing-{os.getpid()}{dot}{suffixes}")
    try:
        with disk_errors_named(path):
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
            _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors_named(path):
    """Turns "no space left" inside the block into a `ZooError` that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise ZooError(
            f"The disk is full: could not write {str(path)!r} ({os.strerror(error.errno)}). "
            "What was written before is intact."
        ) from error


def _flush(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
