"""Published weights and the models of the zoo: which model a checkpoint is, and its settings."""

import dataclasses
import math
from contextlib import contextmanager
from typing import Any

import keras

from perceiver_tf import checkpoints
from perceiver_tf.checkpoints import CheckpointError
from perceiver_tf.checkpoints.checkpoint import Checkpoint
from perceiver_tf.checkpoints.sizes import stored_shape
from perceiver_tf.models.skeleton import measure_skeleton
from zoo.configs import configuration
from zoo.errors import ZooError
from zoo.tasks import task_of
from zoo.weights.huggingface_settings import class_names, huggingface_numerics, huggingface_settings

NAMES = {
    "masked_language": "perceiver_io_language",
    "text_classification": "perceiver_io_language_classifier",
    "image_learned": "perceiver_io_imagenet_learned",
    "image_fourier": "perceiver_io_imagenet_fourier",
    "image_conv": "perceiver_io_imagenet_conv",
    "flow": "perceiver_io_flow",
    "multimodal": "perceiver_io_multimodal",
}
_RESOLUTIONS = {"image_fourier": (224, 224), "image_conv": (56, 56), "flow": (368, 496)}
_HEADS_OF_CLASSES = {
    "text_classification": "outputs/bias",
    "image_learned": "outputs/bias",
    "image_fourier": "outputs/bias",
    "image_conv": "outputs/bias",
    "multimodal": "decoder/label_head/bias",
}
# The published model has no cost volume, and predicts once.
_OF_PUBLISHED_FLOW = {"max_displacement": 0, "mirrored_views": False}
_SHOWN_FROM = 50_000_000  # bytes from which progress is shown


@dataclasses.dataclass(frozen=True)
class Converted:
    """A model of the zoo with the weights of a checkpoint.

    Attributes:
        name: its name in the zoo.
        config: its configuration.
        overrides: dict of the fields that differ from the named model's.
        model: functional `keras.Model`.
        class_names: tuple of the names of its classes, or None.
    """

    name: str
    config: Any
    overrides: dict[str, Any]
    model: keras.Model
    class_names: tuple[str, ...] | None


def convert(source, name=None, **overrides) -> Converted:
    """Builds the model that a checkpoint holds, as large as it is there, with its weights.

    Args:
        source: see `opened`.
        name: str, a model of the zoo of the same kind; None: the published one of that kind.
        **overrides: fields of the configuration, which go before the checkpoint's. A checkpoint
            of DeepMind's does not tell numbers of heads, passes through the latent transformer,
            and sizes of images: those of the named model are taken unless given here.

    Raises:
        ZooError: if the checkpoint is missing, damaged, refused, or of another model.
    """
    checkpoint = opened(source)
    name = name_of(checkpoint) if name is None else name
    settings = {**settings_of(checkpoint, name), **overrides}
    config = configuration(name, **settings)
    model = task_of(config).build_model(config, name)
    load_into(model, config, checkpoint)
    return Converted(name, config, settings, model, class_names_of(checkpoint))


def is_checkpoint(weights) -> bool:
    """Returns whether weights are those of a checkpoint to convert, and not a Keras file."""
    return isinstance(weights, Checkpoint) or checkpoints.is_checkpoint(weights)


def opened(source) -> Checkpoint:
    """Returns an opened checkpoint; one that is open already is returned as it is.

    Args:
        source: a folder of transformers' or its file of tensors, a pickle of DeepMind's, or a
            name on the hub, which is downloaded; see `perceiver_tf.checkpoints.open_checkpoint`.

    Raises:
        ZooError: if there is no such thing, or it is damaged or refused.
    """
    if isinstance(source, Checkpoint):
        return source
    with _errors_of_the_zoo():
        return checkpoints.open_checkpoint(source)


def name_of(source) -> str:
    """Returns the name of the zoo's model that a checkpoint holds."""
    return NAMES[opened(source).head]


def numerics_of(source) -> str:
    """Returns under which numerics a checkpoint gives the outputs it was made for."""
    checkpoint = opened(source)
    if checkpoint.format == "deepmind":
        return "deepmind"
    with _errors_of_the_zoo():
        return huggingface_numerics(checkpoint)


def class_names_of(source) -> tuple[str, ...] | None:
    """Returns the names of the classes, or None where the checkpoint only numbers them."""
    checkpoint, num_classes = opened(source), num_classes_of(source)
    if num_classes is None:
        return None
    with _errors_of_the_zoo():
        return class_names(checkpoint, num_classes)


def settings_of(source, name=None) -> dict[str, Any]:
    """Returns the settings by which a checkpoint's model differs from a named one.

    Args:
        source: see `opened`.
        name: str, a model of the zoo; None: the published one of the checkpoint's kind.

    Returns:
        dict of fields for `zoo.configuration`, numerics among them.

    Raises:
        ZooError: if the named model is of another kind.
    """
    checkpoint = opened(source)
    name = name_of(checkpoint) if name is None else name
    config = configuration(name)
    with _errors_of_the_zoo():
        told = checkpoints.architecture_sizes(checkpoint) | _sizes_around(checkpoint)
        usual = checkpoints.architecture_sizes(_skeleton_of(config, name, checkpoint))
        if checkpoint.format == "huggingface":
            told |= huggingface_settings(checkpoint)
    given = {**dataclasses.asdict(config.architecture), **vars(config)}
    usual = {**given, **usual}
    settings = {field: value for field, value in told.items() if value != usual[field]}
    if settings:  # what follows other sizes by default follows the checkpoint instead
        settings |= {field: value for field, value in told.items() if given[field] is None}
    if checkpoint.head in _RESOLUTIONS:
        # Said also where it is the default, so that it stays when the size of images changes.
        settings["max_resolution"] = told.get("frame_shape", _RESOLUTIONS[checkpoint.head])
    numerics = numerics_of(checkpoint)
    return settings if numerics == config.numerics else {**settings, "numerics": numerics}


def load_into(model, config, weights):
    """Gives a model of the zoo the weights of a checkpoint, with a progress bar if that takes long.

    Every tensor is used exactly once, or nothing is changed. Only where the configuration has
    another number of classes than the checkpoint, the layer of the classes stays as it is.

    Args:
        model: what `zoo.build_model(config)` returns.
        config: its configuration.
        weights: see `opened`.

    Raises:
        ZooError: if the checkpoint is missing, damaged, refused, or not exactly of this model; the
            message names the tensors. Or if its numerics are not those of the configuration.
    """
    checkpoint = opened(weights)
    if checkpoint.head == "image_conv" and numerics_of(checkpoint) != config.numerics:
        raise ZooError(
            "The kernels of Hugging Face's convolutional model are trained for its own padding. "
            f"{checkpoint.source} needs numerics={numerics_of(checkpoint)!r}. "
            f"Received: numerics={config.numerics!r}."
        )
    new = _new_head(config, checkpoint)
    with _errors_of_the_zoo():
        if sum(4 * math.prod(shape) for shape in checkpoint.shapes.values()) < _SHOWN_FROM:
            checkpoints.assign(model, checkpoint, new=new)
        else:
            with _progress(f"Weights of {checkpoint.source}") as report:
                checkpoints.assign(model, checkpoint, report, new)


def num_classes_of(source) -> int | None:
    """Returns how many classes a checkpoint has, or None if it is not of a classifier."""
    checkpoint = opened(source)
    bias = _HEADS_OF_CLASSES.get(checkpoint.head)
    if bias is None:
        return None
    with _errors_of_the_zoo():
        return stored_shape(checkpoint, bias)[-1]


def _new_head(config, checkpoint) -> str:
    """Returns the beginning of the paths of the layer of classes, if it is for other classes."""
    stored = num_classes_of(checkpoint)
    if stored is None or stored == config.num_classes:
        return ""
    return _HEADS_OF_CLASSES[checkpoint.head].removesuffix("bias")


def _skeleton_of(config, name, checkpoint) -> Checkpoint:
    """Returns a checkpoint of the named model: the shapes of its tensors and no numbers."""

    def shapes(model):
        if checkpoints.head_of(model) != checkpoint.head:
            raise CheckpointError(
                f"{checkpoint.source} must be converted to a model like {name_of(checkpoint)}. "
                f"Received: name={name!r}."
            )
        stored = [(checkpoint.names.stored(v.path), v.shape) for v in model.weights]
        return {tensor: layout.stored_shape(shape) for (tensor, layout), shape in stored}

    if hasattr(config, "max_displacement"):
        config = dataclasses.replace(config, **_OF_PUBLISHED_FLOW)
    shapes = measure_skeleton(lambda: task_of(config).build_model(config, name), shapes)
    return dataclasses.replace(checkpoint, source=name, shapes=shapes, read=None)


def _sizes_around(checkpoint) -> dict[str, Any]:
    """Returns the fields outside of the architecture that the shapes of the tensors tell."""
    head = checkpoint.head
    if head in ("masked_language", "text_classification"):
        vocabulary_size, channels = stored_shape(checkpoint, "token_embedding/embeddings")
        max_length, _ = stored_shape(checkpoint, "inputs/positions")
        sizes = {"vocabulary_size": vocabulary_size, "token_channels": channels}
        sizes["max_length"] = max_length
    elif head == "multimodal":
        sizes = {
            "audio_patch": stored_shape(checkpoint, "decoder/audio_head/bias")[-1],
            "output_channels": stored_shape(checkpoint, "decoder/outputs/bias")[-1],
            "label_query_channels": stored_shape(checkpoint, "decoder/label_query/latents")[-1],
        }
    else:
        sizes = _sizes_around_images(checkpoint)
    if head in _HEADS_OF_CLASSES:
        sizes["num_classes"] = stored_shape(checkpoint, _HEADS_OF_CLASSES[head])[-1]
    return sizes


def _sizes_around_images(checkpoint) -> dict[str, Any]:
    """Returns the number of bands, told by the width of the rows, or the size of the images."""
    if checkpoint.head == "image_learned":
        num_positions, _ = stored_shape(checkpoint, "inputs/positions/positions")
        side = math.isqrt(num_positions)
        return {"image_shape": (side, side, 3)} if side * side == num_positions else {}
    content_channels = {
        "image_fourier": lambda: 3,
        "image_conv": lambda: stored_shape(checkpoint, "inputs/normalization/gamma")[-1],
        "flow": lambda: stored_shape(checkpoint, "inputs/content_projection/bias")[-1],
    }[checkpoint.head]()
    width = stored_shape(checkpoint, "cross_attend/attention/inputs_norm/gamma")[-1]
    sizes = {"num_frequency_bands": ((width - content_channels) // 2 - 1) // 2}
    if checkpoint.head == "flow":
        sizes |= {"content_channels": content_channels, **_OF_PUBLISHED_FLOW}
    return sizes


@contextmanager
def _errors_of_the_zoo():
    try:
        yield
    except CheckpointError as error:
        raise ZooError(str(error)) from error


@contextmanager
def _progress(title):
    """Shows a bar on standard error; yields a function of (bytes done, bytes in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    out = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=out, transient=True) as bar:
        task = bar.add_task(title)
        yield lambda done, total: bar.update(task, completed=done, total=total)
