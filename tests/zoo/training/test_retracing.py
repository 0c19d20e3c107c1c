import logging

from zoo.training import retracing

LOGGER = logging.getLogger("tensorflow")
WARNING = "5 out of the last 15 calls to %s triggered tf.function retracing."


def shown(warning):
    """Whether TensorFlow's logger lets a warning pass."""
    return bool(LOGGER.filter(LOGGER.makeRecord("tensorflow", 30, "", 0, warning, ("f",), None)))


def test_only_the_warning_of_retracing_is_dropped_for_good(monkeypatch):
    monkeypatch.setattr(LOGGER, "filters", [])  # a command of another test may have dropped it
    assert shown(WARNING)
    retracing.drop_retracing()
    with retracing.expected_retracing():
        assert not shown(WARNING)
    assert not shown(WARNING) and shown("another of %s")
