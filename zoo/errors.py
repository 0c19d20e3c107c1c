"""The one exception that the zoo raises for bad input, and what an error of TensorFlow says."""

import re


class ZooError(ValueError):
    """Bad input from the user: a wrong name, path, file or setting.

    The message is one clear line. The command line prints it without a traceback and
    exits with status 2; library callers catch it like any exception.
    """


def reason_of(error: Exception) -> str:
    """Returns the first line of TensorFlow's message without the names of graph nodes."""
    message = getattr(error, "message", None) or str(error)
    first_line = re.sub(r"\{\{.*?\}\}|\[Op:.*?\]", "", message).strip().splitlines()
    return first_line[0].strip().rstrip(".") if first_line else type(error).__name__
