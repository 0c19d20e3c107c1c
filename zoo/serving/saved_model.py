"""Write a trained model as a SavedModel that takes raw data and needs none of this code."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from zoo.errors import ZooError
from zoo.images.served import ServedClassifier
from zoo.tasks import task_of

SAVED_MODEL_FILE = "saved_model.pb"
_PYTHON_OPERATIONS = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
_REDUCED_DTYPES = ("mixed_bfloat16", "mixed_float16", "bfloat16", "float16")


def export(
    model_or_entry: Any,
    path: str | os.PathLike,
    *,
    preprocess: Callable[[tf.Tensor], tf.Tensor] | None = None,
    class_names: Sequence[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a SavedModel that TensorFlow alone can load, for TensorFlow Serving or anything else.

    The preprocessing of the training pipeline is part of the graph. The model is always exported
    in float32; one that was built under another dtype policy is rebuilt with the same weights.
    The folder appears complete or not at all.

    Signatures of an image classifier: `serving_default` takes `images`, uint8 (b, any height,
    any width, c), pixels 0-255; `image_bytes` takes `image_bytes`, string (b,), encoded JPEG,
    PNG, BMP or GIF files. Both return `scores`, float32 (b, k), and, if the class names are
    known, `label`, string (b,). In that case a third signature, `class_names`, takes nothing and
    returns all k names. Other kinds of models have the signatures that their `served` object
    says, see `zoo.tasks`.

    Args:
        model_or_entry: an `Entry`, or a functional `keras.Model` that classifies images, from
            float32 (b, h, w, c) to logits (b, k).
        path: folder to write. Must not exist yet, or be empty.
        preprocess: see `ServedClassifier`. Must be given with a plain model; an entry's own by
            default.
        class_names: the k labels in the order of the logits; an entry's own by default.
        overwrite: replace a SavedModel that is already at `path`.

    Returns:
        The folder that was written.

    Raises:
        ZooError: if something is already at `path`, or it cannot be written (a full disk).
        ValueError: if a plain model comes without `preprocess`, or the graph holds operations
            that only this Python process could run.

    Example:

    ```python
    entry = zoo.build("perceiver_digits_tiny")
    zoo.export(entry, "models/digits")
    served = tf.saved_model.load("models/digits")
    served.signatures["serving_default"](images=raw_uint8_images)["scores"]
    ```
    """
    target = Path(path).expanduser()
    _check_target(target, overwrite)
    served = served_model(model_or_entry, preprocess, class_names)
    try:
        _write_atomically(served, target)
    except (OSError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise ZooError(f"The SavedModel could not be written to {target}: {reason}") from error
    return target


def graph_operations(path: str | os.PathLike) -> frozenset[str]:
    """Returns the names of all operations in the graphs and functions of the SavedModel."""
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((Path(path) / SAVED_MODEL_FILE).read_bytes())
    operations = set()
    for meta_graph in saved_model.meta_graphs:
        operations.update(node.op for node in meta_graph.graph_def.node)
        for function in meta_graph.graph_def.library.function:
            operations.update(node.op for node in function.node_def)
    return frozenset(operations)


def float32_copy(model: keras.Model) -> keras.Model:
    """Returns the functional model rebuilt under float32 with the same weights.

    A model that is float32 already is returned as it is.
    """
    config = model.get_config()
    rewritten = _as_float32(config)
    if rewritten == config:
        return model
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # for layers that their layer made without a policy
    try:
        rebuilt = type(model).from_config(rewritten)
    finally:
        keras.config.set_dtype_policy(policy)
    rebuilt.set_weights(model.get_weights())
    return rebuilt


def _as_float32(config: Any) -> Any:
    """Returns the serialized configuration with every reduced dtype policy made float32."""
    if isinstance(config, (list, tuple)):
        return type(config)(_as_float32(item) for item in config)
    if not isinstance(config, dict):
        return config
    rewritten = {key: _as_float32(value) for key, value in config.items()}
    if rewritten.get("dtype") in _REDUCED_DTYPES:
        rewritten["dtype"] = "float32"
    if rewritten.get("class_name") == "DTypePolicy":
        policy = rewritten["config"]
        if policy["name"] in _REDUCED_DTYPES:
            rewritten["config"] = {**policy, "name": "float32"}
    return rewritten


def served_model(model_or_entry, preprocess=None, class_names=None):
    """Returns the object whose `endpoints()` are served, see `zoo.task.Task.served`.

    Args:
        model_or_entry, preprocess, class_names: see `export`.

    Raises:
        ValueError: if a plain model comes without `preprocess`.
    """
    if isinstance(model_or_entry, keras.Model):
        if preprocess is None:
            raise ValueError(
                "`preprocess` must be given with a plain model, so that the exported graph "
                "takes raw images. Received: preprocess=None."
            )
        return ServedClassifier(float32_copy(model_or_entry), preprocess, class_names)
    entry = model_or_entry
    preprocess = entry.pipeline.preprocess if preprocess is None else preprocess
    class_names = class_names or entry.class_names or entry.pipeline.class_names
    return task_of(entry.config).served(float32_copy(entry.model), preprocess, class_names)


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir():
        raise ZooError(f"The path to export to must be a folder. Received: {target}, a file.")
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise ZooError(
            "The folder to export to must not exist yet, or be empty; --overwrite "
            f"(overwrite=True) replaces a SavedModel. Received: {target}"
        )
    if not (target / SAVED_MODEL_FILE).is_file():
        raise ZooError(
            "Overwriting replaces only a SavedModel folder. "
            f"Received: {target}, which holds other files."
        )


def _write_atomically(served: Any, target: Path) -> None:
    """Writes next to the target and renames, so that a half-written folder is never seen."""
    target.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        written = workplace / "saved_model"
        _archive(served).write_out(str(written), verbose=False)
        _check_operations(written)
        _move_into_place(written, target, workplace / "replaced")
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _archive(served: Any) -> keras.export.ExportArchive:
    archive = keras.export.ExportArchive()
    for name, (function, specs) in served.endpoints().items():
        archive.add_endpoint(name, function, specs)
    return archive


def _check_operations(path: Path) -> None:
    operations = graph_operations(path)
    unservable = sorted(
        name for name in operations if name in _PYTHON_OPERATIONS or name.startswith("IO>")
    )
    if unservable:
        raise ValueError(
            "The model and its `preprocess` must be made of TensorFlow's own operations, so that "
            f"the graph runs without Python. Received: {', '.join(unservable)}."
        )


def _move_into_place(written: Path, target: Path, replaced: Path) -> None:
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    if not target.is_dir():
        os.rename(written, target)
        return
    os.rename(target, replaced)
    try:
        os.rename(written, target)
    except OSError:
        os.rename(replaced, target)
        raise
