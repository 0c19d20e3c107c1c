"""Models without memory: shapes and counts of a model before it is built."""

import threading

import keras


def count_parameters(build):
    """Return how many trainable parameters a model has, without allocating them.

    `build` runs in a thread of its own whose variables are declared but never initialised
    (Keras keeps that state by thread), so counting the largest model takes megabytes.

    Args:
        build: function of no arguments that returns a `keras.Model`.

    Returns:
        int.

    Raises:
        Whatever `build` raises.
    """
    counts, errors = [], []

    def run():
        try:
            with keras.StatelessScope(initialize_variables=False):
                model = build()
                counts.append(sum(_size(variable) for variable in model.trainable_variables))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="skeleton")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return counts[0]


def _size(variable):
    size = 1
    for length in variable.shape:
        size *= length
    return size
