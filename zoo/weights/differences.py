"""What tells the weights of a file from those of a model."""

import json
import pathlib
import zipfile

import keras


def first_difference(model, path) -> str | None:
    """Returns the first weight that a `.keras` file has in another shape or not at all, in words.

    Args:
        model: `keras.Model`.
        path: str or path of the file; its configuration is read, not its weights.

    Returns:
        str, or None if all are alike, or the file does not tell.
    """
    stored = _stored_shapes(pathlib.Path(path))
    if stored is None:
        return None
    for variable in model.weights:
        name, shape = variable.path, tuple(variable.shape)
        if name not in stored:
            return f"the model has {name} of shape {shape}, and the file does not"
        if stored[name] != shape:
            return f"{name} is of shape {shape} in the model and {stored[name]} in the file"
    own = {variable.path for variable in model.weights}
    for name, shape in stored.items():
        if name not in own:
            return f"the file has {name} of shape {shape}, and the model does not"
    return None


def _stored_shapes(path):
    """Returns a dict from the paths of a file's weights to their shapes, None if it is unknown."""
    try:
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json").decode()
        model = keras.models.model_from_json(config)
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError, json.JSONDecodeError):
        return None
    return {variable.path: tuple(variable.shape) for variable in model.weights}
