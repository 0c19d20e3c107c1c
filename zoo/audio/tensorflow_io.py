"""tensorflow-io, imported when it is first needed, and without what it prints.

Its operations in Python (spectrogram, melscale, dbscale) work with every TensorFlow. Its compiled
ones (decoders of FLAC, OGG and MP3) load only with the TensorFlow that it was made for, 2.16.
"""

import functools
import importlib.util
import warnings

from zoo.errors import ZooError


@functools.cache
def import_tensorflow_io():
    """Returns the module `tensorflow_io`.

    Raises:
        ZooError: if it is not installed.
    """
    if importlib.util.find_spec("tensorflow_io") is None:
        raise ZooError(
            "Mel spectrograms need tensorflow-io: pip install 'perceiver-tf[audio]' "
            "(tensorflow-io has wheels for Python up to 3.12)."
        )
    with warnings.catch_warnings():
        # That its compiled operations do not load; `has_compiled_operations` tells.
        warnings.simplefilter("ignore")
        import tensorflow_io

    return tensorflow_io


@functools.cache
def has_compiled_operations() -> bool:
    """Returns whether tensorflow-io is installed and its compiled operations load."""
    if importlib.util.find_spec("tensorflow_io") is None:
        return False
    import_tensorflow_io()
    from tensorflow_io.python.ops import core_ops

    try:
        return hasattr(core_ops, "io_audio_readable_init")
    except NotImplementedError:
        return False
