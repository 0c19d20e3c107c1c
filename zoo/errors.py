"""The one exception that the zoo raises for bad input, and what an error of TensorFlow says."""

import re


class ZooError(ValueError):
    """Bad input from the user: a wrong name, path, file or setting.

    The message is one clear line. The command line prints it without a traceback and
    exits with status 2; library callers catch it like any exception.
    """


def carried(error: ZooError | str) -> str:
    """Returns an error's message so that it is found again in one of TensorFlow's.

    tf.data knows no Python exceptions: its functions run as a graph, also inside of `model.fit`,
    and any failure arrives as a `tf.errors.InvalidArgumentError`.
    """
    return f"ZooError <<{error}>>"


def carried_error(exception) -> ZooError | None:
    """Returns the `ZooError` whose message `carried` put into an exception, or None."""
    found = re.search("ZooError <<(.*?)>>", str(exception), re.DOTALL)
    return None if found is None else ZooError(found.group(1))


def reason_of(error: Exception) -> str:
    """Returns the first line of TensorFlow's message without the names of graph nodes."""
    message = getattr(error, "message", None) or str(error)
    first_line = re.sub(r"\{\{.*?\}\}|\[Op:.*?\]", "", message).strip().splitlines()
    return first_line[0].strip().rstrip(".") if first_line else type(error).__name__
