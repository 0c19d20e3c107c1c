"""PyAV, imported when it is first needed."""

from zoo.errors import ZooError


def import_av():
    """Returns the module `av`.

    Raises:
        ZooError: if PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ZooError(
            "Clips need PyAV, which is not installed: pip install 'perceiver-tf[video]'."
        ) from error
    return av
