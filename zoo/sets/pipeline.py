"""Sets of entities: the one preprocessing of training and serving, and the pipeline around it."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.data.example_pipeline import ExamplePipeline, Split
from zoo.data.labelled_arrays import checked_labels, checked_names, checked_test, rows_by_split
from zoo.data.npz_files import read_npz
from zoo.errors import ZooError


class SetPreprocess:
    """Leaves out what the fields of entities that are not there hold.

    The same object works in the training pipeline and inside the served graph.

    Args:
        config: `zoo.sets.configs.SetClassifierConfig`.
    """

    def __init__(self, config):
        self.config = config

    def __call__(self, entities):
        """Returns a dict of the fields of sets (b, m, ...), zeros where `mask` is False."""
        mask = entities["mask"]
        fields = {
            name: tf.where(mask[..., None], values, tf.zeros_like(values))
            for name, values in entities.items()
            if name != "mask"
        }
        return {**fields, "mask": mask}


@dataclass(frozen=True)
class SetArrays:
    """The sets of an `.npz` file.

    Attributes:
        fields: dict of `categories` int32 (n, m, f), `numbers` float32 (n, m, g) (those that
            there are) and `mask` bool (n, m).
        labels: int64 (n,), or None if there are none.
        rows: dict from splits to numbers of sets; empty without labels.
        class_names: tuple of str, or None.
    """

    fields: dict[str, np.ndarray]
    labels: np.ndarray | None
    rows: dict[str, np.ndarray]
    class_names: tuple[str, ...] | None

    @property
    def num_classes(self):
        """How many classes there are."""
        if self.class_names is not None:
            return len(self.class_names)
        return int(self.labels.max()) + 1


def read_sets(path, with_labels=True):
    """Returns the `SetArrays` of an `.npz` file.

    The file holds `categories`, integers (n, m, f), and `numbers`, floats (n, m, g), at least one
    of the two, and `label`, integers (n,) from 0. Optional are `mask`, bool (n, m), False where an
    entity is not there; `test`, bool (n,), True for the sets of the test split (without it a
    fixed fifth); and `names` or `class_names`, strings (k,).

    Args:
        path: str or path.
        with_labels: bool, whether there must be labels.

    Raises:
        ZooError: if there is no such file, or it holds something else.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ZooError(f"There is no such .npz file of sets: {path}.")
    arrays = read_npz(path)
    fields = _checked_fields(path, arrays)
    if not with_labels:
        return SetArrays(fields, None, {}, None)
    if "label" not in arrays:
        raise ZooError(f"{path} must hold the array `label`. Received: {', '.join(arrays)}.")
    labels = checked_labels(path, arrays["label"], len(fields["mask"]), "sets")
    names = checked_names(path, arrays, labels, "set")
    is_test = checked_test(path, arrays.get("test"), len(labels))
    return SetArrays(fields, labels, rows_by_split(path, is_test, "sets"), names)


class SetPipeline(ExamplePipeline):
    """Delivers `(inputs, targets)`: a dict of fields and mask, and one-hot labels.

    Args:
        config: `SetClassifierConfig`.
        source_spec: path of an `.npz` file, see `read_sets`.
        source: `SetArrays` that were read already, or None: read when they are needed.
    """

    def __init__(self, config, source_spec, source=None):
        super().__init__(f"the sets {source_spec}", self._read, SetPreprocess(config))
        self.config, self.source_spec = config, source_spec
        self._source = source
        if source is not None and source.num_classes == config.num_classes:
            self.class_names = source.class_names

    @property
    def source(self):
        """The `SetArrays`.

        Raises:
            ZooError: if there is no such data.
        """
        if self._source is None:
            self._source = read_sets(self.source_spec)
        return self._source

    def _read(self):
        source, config = self.source, self.config
        if source.num_classes > config.num_classes:
            raise ZooError(
                "The model must have an output for each class of the data. Received: "
                f"{config.num_classes} outputs for the {source.num_classes} classes of "
                f"{self.source_spec}."
            )
        if source.num_classes == config.num_classes:
            self.class_names = source.class_names
        check_fields(source.fields, config, self.source_spec)
        return {split: _split(self.preprocess, source, rows) for split, rows in source.rows.items()}


def set_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the `SetPipeline` of a `SetClassifierConfig`; one file has nothing to leave out."""
    return SetPipeline(config, source_spec)


def with_fields_of_the_data(config, pipeline):
    """Returns the configuration and the pipeline for the classes and fields of the data.

    Of a category that the data does not have, the configuration's own number stays if it is
    larger.
    """
    source = pipeline.source
    config = dataclasses.replace(
        config,
        num_classes=source.num_classes,
        category_sizes=_category_sizes(source.fields, config.category_sizes),
        num_numbers=source.fields["numbers"].shape[-1] if "numbers" in source.fields else 0,
        num_entities=source.fields["mask"].shape[1],
    )
    return config, SetPipeline(config, pipeline.source_spec, source)


def check_fields(fields, config, where):
    """Raises a `ZooError` if the model does not take the fields of some sets."""
    wanted = {"categories": len(config.category_sizes), "numbers": config.num_numbers}
    for name, count in wanted.items():
        found = fields[name].shape[-1] if name in fields else 0
        if found != count:
            raise ZooError(
                f"`{name}` must have {count} fields, as the model takes. "
                f"Received: {found} in {where}."
            )
    if config.category_sizes:
        present = np.where(fields["mask"][..., None], fields["categories"], 0)
        too_large = present.max(axis=(0, 1)) - np.array(config.category_sizes)
        if too_large.max() >= 0:
            worst = int(too_large.argmax())
            raise ZooError(
                f"Field {worst} of `categories` must be less than {config.category_sizes[worst]}. "
                f"Received: {present[..., worst].max()} in {where}."
            )


def _category_sizes(fields, known):
    if "categories" not in fields:
        return ()
    present = np.where(fields["mask"][..., None], fields["categories"], 0)
    needed = (present.max(axis=(0, 1)) + 1).tolist()
    if len(known) != len(needed):
        return tuple(needed)
    return tuple(map(max, zip(needed, known, strict=True)))


def _split(preprocess, source, rows):
    with tf.init_scope(), tf.device("CPU:0"):
        whole = {name: tf.constant(values[rows]) for name, values in source.fields.items()}
        labels = tf.constant(source.labels[rows])

    def example(index, key, training):
        entities = {name: values[index][None] for name, values in whole.items()}
        inputs = {name: values[0] for name, values in preprocess(entities).items()}
        return inputs, tf.one_hot(labels[index], preprocess.config.num_classes)

    return Split(len(rows), example)


def _checked_fields(path, arrays):
    """Returns the fields and mask of an `.npz` file, or raises a `ZooError`."""
    found = [name for name in ("categories", "numbers") if name in arrays]
    if not found:
        raise ZooError(
            f"{path} must hold the arrays `categories` or `numbers`. "
            f"Received: {', '.join(sorted(arrays)) or 'an empty file'}."
        )
    shape = arrays[found[0]].shape[:2]
    for name, kinds, what in (("categories", "iu", "integers"), ("numbers", "fiu", "numbers")):
        array = arrays.get(name)
        if array is None:
            continue
        is_wrong = array.ndim != 3 or array.shape[:2] != shape or 0 in array.shape
        if is_wrong or array.dtype.kind not in kinds:
            raise ZooError(
                f"`{name}` of {path} must be {what} (sets, entities, fields), at least one. "
                f"Received: {array.dtype} of shape {array.shape}."
            )
    mask = arrays.get("mask", np.ones(shape, bool))
    if mask.shape != shape or mask.dtype != bool:
        raise ZooError(
            f"`mask` of {path} must be bool of shape {shape}. "
            f"Received: {mask.dtype} of shape {mask.shape}."
        )
    fields = {"mask": mask}
    if "categories" in arrays:
        fields["categories"] = arrays["categories"].astype(np.int32)
        if (fields["categories"] < 0)[mask].any():
            raise ZooError(f"`categories` of {path} must be at least 0. Received: less.")
    if "numbers" in arrays:
        fields["numbers"] = arrays["numbers"].astype(np.float32)
        if not np.isfinite(fields["numbers"][mask]).all():
            raise ZooError(f"`numbers` of {path} must be finite. Received: NaN or infinite ones.")
    return fields
