"""How a space asks for a value: the model's own among others around it."""


def choice(hp, name, values, default):
    """Asks for one of some values, the model's own among them."""
    return hp.Choice(name, sorted({*values, default}), default=default)


def scaled(hp, name, default, factors, multiple=1):
    """Asks for an int: the model's own times one of the factors, rounded to a multiple."""
    values = {max(multiple, round(default * factor / multiple) * multiple) for factor in factors}
    return choice(hp, name, values, default)


def logarithmic(hp, name, default, factor):
    """Asks for a float between a `factor`-th and `factor` times the model's own."""
    return hp.Float(name, default / factor, default * factor, sampling="log", default=default)
