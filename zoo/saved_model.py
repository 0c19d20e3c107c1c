"""Write a trained model as a SavedModel that takes raw images and needs none of this code."""

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

SAVED_MODEL_FILE = "saved_model.pb"
_PYTHON_OPERATIONS = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
_REDUCED_DTYPES = ("mixed_bfloat16", "mixed_float16", "bfloat16", "float16")


class ServedClassifier:
    """The functions that are served: raw pixels or encoded files in, named scores out.

    The exported graph and in-process prediction both run these, so they cannot differ.

    Args:
        model: functional `keras.Model` from float32 images (b, h, w, c) to logits (b, k).
        preprocess: callable from raw images (b, any height, any width, c) to what the model
            takes, with a method `decode` from the bytes of one file to one raw image of the
            model's size (float32 (h, w, c), 0-255) and a method `normalise` from a batch of
            these to what the model takes. `zoo.image.ImagePreprocess` is one.
        class_names: the k labels in the order of the logits, or None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """

    def __init__(
        self,
        model: keras.Model,
        preprocess: Callable[[tf.Tensor], tf.Tensor],
        class_names: Sequence[str] | None = None,
    ):
        num_classes = model.output_shape[-1]
        if class_names is not None and len(class_names) != num_classes:
            raise ValueError(
                "`class_names` must hold one name for each of the model's classes. "
                f"Received: {len(class_names)} names for {num_classes} classes."
            )
        self.model = model
        self.preprocess = preprocess
        self.class_names = None if class_names is None else tuple(class_names)
        self.image_shape = tuple(model.input_shape[1:])

    def images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores a batch of raw images.

        Args:
            images: uint8 (b, any height, any width, c), pixels 0-255.

        Returns:
            `scores`, float32 (b, k), softmax over the classes; and `label`, string (b,), the
            name of the best class, if the names are known.
        """
        return self._outputs(self.preprocess(images))

    def image_bytes(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores a batch of encoded images (JPEG, PNG, BMP or GIF files of any size).

        Args:
            image_bytes: string (b,), the content of one file in each element.

        Returns:
            The same outputs as `images`.
        """
        decoded = tf.map_fn(
            self.preprocess.decode,
            image_bytes,
            fn_output_signature=tf.TensorSpec(self.image_shape, tf.float32),
        )
        return self._outputs(self.preprocess.normalise(decoded))

    def names(self) -> dict[str, tf.Tensor]:
        """Returns `class_names`, string (k,), in the order of the scores."""
        return {"class_names": tf.constant(self.class_names)}

    def _outputs(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = tf.ensure_shape(inputs, (None, *self.image_shape))
        logits = self.model(inputs, training=False)
        scores = tf.nn.softmax(tf.cast(logits, tf.float32))
        if self.class_names is None:
            return {"scores": scores}
        return {"scores": scores, "label": tf.gather(self.class_names, tf.argmax(scores, axis=-1))}


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

    Signatures: `serving_default` takes `images`, uint8 (b, any height, any width, c), pixels
    0-255; `image_bytes` takes `image_bytes`, string (b,), encoded JPEG, PNG, BMP or GIF files.
    Both return `scores`, float32 (b, k), and, if the class names are known, `label`, string (b,).
    In that case a third signature, `class_names`, takes nothing and returns all k names.

    Args:
        model_or_entry: an `Entry`, or a functional `keras.Model` from float32 images
            (b, h, w, c) to logits (b, k).
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
    served = _served_classifier(model_or_entry, preprocess, class_names)
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


def _served_classifier(model_or_entry, preprocess, class_names) -> ServedClassifier:
    if isinstance(model_or_entry, keras.Model):
        model = model_or_entry
        if preprocess is None:
            raise ValueError(
                "`preprocess` must be given with a plain model, so that the exported graph "
                "takes raw images. Received: preprocess=None."
            )
    else:
        model = model_or_entry.model
        pipeline = model_or_entry.pipeline
        preprocess = pipeline.preprocess if preprocess is None else preprocess
        class_names = pipeline.class_names if class_names is None else class_names
    return ServedClassifier(float32_copy(model), preprocess, class_names)


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir():
        raise ZooError(f"The path to export to must be a folder. Received: {target}, a file.")
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise ZooError(
            "The folder to export to must not exist yet, or be empty "
            f"(overwrite replaces a SavedModel). Received: {target}"
        )
    if not (target / SAVED_MODEL_FILE).is_file():
        raise ZooError(
            "Overwriting replaces only a SavedModel folder. "
            f"Received: {target}, which holds other files."
        )


def _write_atomically(served: ServedClassifier, target: Path) -> None:
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


def _archive(served: ServedClassifier) -> keras.export.ExportArchive:
    channels = served.image_shape[-1]
    images = tf.TensorSpec((None, None, None, channels), tf.uint8, name="images")
    image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
    archive = keras.export.ExportArchive()
    archive.add_endpoint("serving_default", served.images, [images])
    archive.add_endpoint("image_bytes", served.image_bytes, [image_bytes])
    if served.class_names is not None:
        archive.add_endpoint("class_names", served.names, [])
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
