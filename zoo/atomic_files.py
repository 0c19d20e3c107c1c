"""Files that appear complete or not at all; full disks and bad places told in one line."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from zoo.errors import ZooError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_PERMISSION = (errno.EROFS, errno.EACCES, errno.EPERM)
_NO_SUCH_PLACE = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
_NOT_THERE = (errno.ENOENT, errno.ENOTEMPTY)


def make_folder(path) -> Path:
    """Makes a folder and those above it, if they are missing, and returns its path.

    Raises:
        ZooError: If it cannot be made: in a place that is read-only, or below a file.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        above = [path, *path.parents]
        file = next((place for place in above if place.exists() and not place.is_dir()), None)
        reason = error.strerror if file is None else f"{file} is a file"
        raise ZooError(f"The folder {path} cannot be made: {reason}.") from error
    return path


def check_writable(path):
    """Raises a `ZooError` if a file cannot be written; what is there stays as it is.

    For a result that is written at the end: the path is checked before the work.
    """
    path = Path(path)
    make_folder(path.parent)
    if path.is_dir():
        raise ZooError(f"{path} cannot be written: it is a folder.")
    with writing_errors_named(path):
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(descriptor)
        os.unlink(temporary)


@contextlib.contextmanager
def replaced_atomically(path):
    """Yields a temporary path whose file takes the place of `path` when the block ends well.

    Args:
        path: the file to write. The temporary file lies in the same folder and has the same
            suffixes.

    Raises:
        ZooError: If the disk is full or nothing can be written there. The previous file at
            `path` is intact in this case, as it is after any other error.
    """
    path = Path(path)
    stem, dot, suffixes = path.name.partition(".")
    temporary = path.with_name(f".{stem}.writing-{os.getpid()}{dot}{suffixes}")
    try:
        with writing_errors_named(path):
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
            _flush(path.parent)
    finally:
        with contextlib.suppress(OSError):  # where nothing can be written, nothing is left either
            temporary.unlink()


def is_of_the_place(error: OSError) -> bool:
    """Whether an error tells of a path that cannot be used, rather than of a bug."""
    return error.errno in _NO_SPACE + _NO_PERMISSION + _NO_SUCH_PLACE


@contextlib.contextmanager
def writing_errors_named(path):
    """Turns the failures of a block that only writes to `path` into a `ZooError` that names it."""
    try:
        with disk_errors_named(path):
            yield
    except OSError as error:
        if not is_of_the_place(error) and error.errno not in _NOT_THERE:
            raise
        raise ZooError(f"{path} cannot be written: {os.strerror(error.errno)}.") from error


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
