"""Keeps TensorFlow from warning where many models are trained in one process."""

import contextlib
import logging


@contextlib.contextmanager
def expected_retracing():
    """Drops the warning that functions are made anew: inside the block every model is another."""
    logger, expected = logging.getLogger("tensorflow"), _Retracing()
    logger.addFilter(expected)
    try:
        yield
    finally:
        logger.removeFilter(expected)


def drop_retracing():
    """Drops the warning for good, also where the program itself is between two models."""
    logging.getLogger("tensorflow").addFilter(_EVERYWHERE)


class _Retracing(logging.Filter):
    def filter(self, record):
        return "triggered tf.function retracing" not in record.getMessage()


_EVERYWHERE = _Retracing()
