"""Clips of a split, read on all cores and kept in memory."""

from zoo.data.parallel import in_parallel
from zoo.errors import ZooError

MEMORY_LIMIT = 4 * 2**30


def read_clips(paths, read, skip_corrupt):
    """Returns the clips of files in their order.

    Args:
        paths: list of files, at least one.
        read: callable from a path to (video, audio): numpy arrays, or None for the audio; it is
            called on several threads.
        skip_corrupt: bool. Leave out clips that cannot be read.

    Returns:
        (list of (number of the file, video, audio); list of str, why others are not there).

    Raises:
        ZooError: of the first clip that cannot be read, with `skip_corrupt` if none can; or if
            they take more than 4 GiB.
    """
    clips, reasons, num_bytes = [], [], 0
    results = in_parallel(lambda path: _result(read, path), paths)
    for number, result in enumerate(results):
        if isinstance(result, ZooError):
            if not skip_corrupt:
                raise result
            reasons.append(str(result))
            continue
        clips.append((number, *result))
        num_bytes += sum(part.nbytes for part in result if part is not None)
        if num_bytes > MEMORY_LIMIT:
            raise ZooError(
                f"The clips take more than {MEMORY_LIMIT / 2**30:g} GiB of memory. "
                f"Received: {len(paths)} clips, the first of {clips[0][1].shape}."
            )
    if not clips:
        raise ZooError(f"None of the clips can be read. {reasons[0]}")
    return clips, reasons


def _result(read, path):
    """Returns what `read` returns, or the `ZooError` that it raises."""
    try:
        return read(path)
    except ZooError as error:
        return error
