"""What configurations check of their fields; a message names the field and what came."""


def require(config, name, requirement, holds):
    """Raises a `ValueError` that a field must be `requirement`, unless it `holds`."""
    if not holds:
        value = getattr(config, name)
        raise ValueError(f"`{name}` must be {requirement}. Received: {name}={value!r}.")


def is_count(value, least=1):
    """Returns whether a value is an integer (no bool) of at least `least`."""
    return type(value) is int and value >= least


def are_counts(values, length):
    """Returns whether `values` is a tuple of that many integers of at least 1."""
    return isinstance(values, tuple) and len(values) == length and all(map(is_count, values))
