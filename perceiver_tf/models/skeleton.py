"""Models without memory: shapes and counts of a model before it is built."""

import math
import threading

import keras


def measure_skeleton(build, measure):
    """Return what a function says of a model whose variables are never allocated.

    `build` runs in a thread of its own whose variables are declared but never initialised
    (Keras keeps that state by thread), so the largest model takes megabytes.

    Args:
        build: function of no arguments that returns a `keras.Model`.
        measure: function of the model; paths, shapes and dtypes of the variables are there,
            their values are not.

    Returns:
        What `measure` returns.

    Raises:
        Whatever `build` or `measure` raises.
    """
    results, errors = [], []

    def run():
        try:
            with keras.StatelessScope(initialize_variables=False):
                results.append(measure(build()))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="skeleton")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def count_parameters(build):
    """Return how many trainable parameters a model has, without allocating them.

    Args:
        build: function of no arguments that returns a `keras.Model`.

    Returns:
        int.

    Raises:
        Whatever `build` raises.
    """

    def count(model):
        return sum(math.prod(variable.shape) for variable in model.trainable_variables)

    return measure_skeleton(build, count)
