"""The one exception that the zoo raises for bad input."""


class ZooError(ValueError):
    """Bad input from the user: a wrong name, path, file or setting.

    The message is one clear line. The command line prints it without a traceback and
    exits with status 2; library callers catch it like any exception.
    """
