"""Data sets of TensorFlow Datasets by name, for every kind of data.

A name is one for `tfds.builder`, such as "mnist", "glue/sst2" or "imagenette/160px:1.0.0", and may
end in a part of a split: "lm1b:train[:10%]" trains on a tenth of lm1b.
"""

import functools
import os
import re
from pathlib import Path

import tensorflow as tf

from zoo.data.epochs import without_tuner
from zoo.errors import ZooError
from zoo.names import nearest

TFDS_PREFIX = "tfds:"
SPLITS = ("train", "validation", "test")
_VERSION = r"(?::(?:\d|\*)[^:]*)?"
_NAME = re.compile(rf"(?P<name>[^:]*{_VERSION})(?::(?P<part>(?P<split>[A-Za-z_]\w*)(?:\[.*\])?))?")
# Other names of the split that models are chosen on.
_VALIDATION = ("valid", "val", "dev", "validation_matched")
SHUFFLE_BUFFER = 4096
SHUFFLE_BYTES = 128 * 2**20
TEST_SHARE = 0.2


class TfdsData:
    """A data set of TensorFlow Datasets, by name.

    Nothing is loaded or downloaded before it is needed, so a model for a large data set can be
    built without it.

    Args:
        name: str, see above.
        data_dir: folder of prepared data sets; None: TFDS's own default.
        hold_out: bool. Of a data set that has a single split, which is not for training, the last
            fifth is "test" and the others are "train".

    Raises:
        ZooError: if the name is not of that form.
    """

    def __init__(self, name, data_dir=None, hold_out=False):
        found = _NAME.fullmatch(name)
        if not found or not found["name"]:
            raise ZooError(
                "A data set must be named as NAME or NAME:split[:10%], such as "
                f"lm1b:train[:10%]. Received: {name!r}."
            )
        self.name = name
        self._builder_name, self._part, self._split = found["name"], found["part"], found["split"]
        self._data_dir, self._hold_out = data_dir, hold_out

    @functools.cached_property
    def builder(self):
        """The `tfds.core.DatasetBuilder`, not prepared.

        Raises:
            ZooError: if there is no such data set, or tensorflow-datasets is not installed.
        """
        tfds = import_tfds(f"The data set {self.name!r}")
        try:
            builder = tfds.builder(self._builder_name, data_dir=self._data_dir)
            builder.info.features  # noqa: B018  a data set's own code may fail here
        except Exception as error:  # whatever a data set's own code raises
            raise ZooError(f"Cannot open the data set {self.name!r}: {_line(error)}") from error
        return builder

    @functools.cached_property
    def prepared(self):
        """The builder, downloaded and prepared.

        Raises:
            ZooError: if that fails, or there is no split of the name's part.
        """
        builder = self.builder
        try:
            builder.download_and_prepare()
        except Exception as error:  # network, disk, manual downloads: the data set's own code
            raise ZooError(
                f"Cannot download or prepare the data set {self.name!r}: {_line(error)}"
            ) from error
        if self._split is not None and self._split not in builder.info.splits:
            raise ZooError(
                f"A part of the data set {self._builder_name!r} must be of one of its splits "
                f"{', '.join(map(str, builder.info.splits))}. Received: {self._part!r}."
            )
        return builder

    def feature(self, path, kind):
        """Returns a feature of the data set.

        Args:
            path: str, such as "label" or "instrument/family".
            kind: name of its class in `tfds.features`, such as "ClassLabel".

        Raises:
            ZooError: if there is none of that name and kind.
        """
        found = features = self.builder.info.features
        for key in path.split("/"):
            found = found[key] if key in getattr(found, "keys", tuple)() else None
        if not isinstance(found, getattr(import_tfds(self.name).features, kind)):
            raise ZooError(
                f"The data set {self.name!r} must have a feature {path!r} of type {kind}. "
                f"Received: {', '.join(features)}."
            )
        return found

    def class_names(self, path):
        """Returns the names of a `ClassLabel`'s classes; their numbers if they have none."""
        label = self.feature(path, "ClassLabel")
        return tuple(label.names or map(str, range(label.num_classes)))

    @functools.cached_property
    def parts(self):
        """Dict from "train", and "validation" and "test" if there are such, to TFDS's splits.

        The name's part takes the place of its split. Other splits come last, by their own names.
        """
        names = {}
        for split in map(str, self.prepared.info.splits):
            own = "validation" if split in _VALIDATION else split
            names.setdefault(own, self._part if split == self._split else split)
        if self._hold_out and len(names) == 1 and "train" not in names:
            names = self._held_out(*names.values())
        order = sorted(names, key=lambda n: SPLITS.index(n) if n in SPLITS else len(SPLITS))
        return {name: names[name] for name in order}

    def num_examples(self, split):
        """Returns how many examples a split (a key of `parts`) has."""
        return self._info(split).num_examples

    def mean_bytes(self, split):
        """Returns how many bytes an example of a split takes on disk, at least 1."""
        base = self.prepared.info.splits[self.parts[split].partition("[")[0]]
        return max(base.num_bytes // max(base.num_examples, 1), 1)

    def shuffle_buffer(self, split):
        """Returns how many examples to shuffle at a time: 4,096, but not more than 128 MiB.

        TFDS has shuffled the examples over the files already.
        """
        return max(min(SHUFFLE_BUFFER, SHUFFLE_BYTES // self.mean_bytes(split)), 1)

    def dataset(self, split, decoders=None):
        """Returns the examples of a split, a tf.data.Dataset of dicts, always in the same order."""
        with tf.init_scope():
            stored = self.prepared.as_dataset(split=self.parts[split], decoders=decoders)
            return without_tuner(stored)

    def _held_out(self, part):
        """Returns a part of a split cut in two, for training and test, as of `parts`."""
        read, splits = import_tfds(self.name).core.ReadInstruction, self.prepared.info.splits
        try:
            (bounds,) = read.from_spec(part).to_absolute(splits)
        except Exception as error:  # of a part such as test[oops], or of several
            raise self._no_such_part(error) from error
        split, first, last = bounds.splitname, bounds.from_ or 0, bounds.to
        last = splits[split].num_examples if last is None else last
        border = last - max(round(TEST_SHARE * (last - first)), 1)
        if border <= first:
            raise ZooError(
                f"The data set {self.name!r} must have at least 2 examples, to hold one out. "
                f"Received: {last - first}."
            )
        return {"train": f"{split}[{first}:{border}]", "test": f"{split}[{border}:{last}]"}

    def _info(self, split):
        try:
            return self.prepared.info.splits[self.parts[split]]
        except Exception as error:  # of a part such as train[oops]
            raise self._no_such_part(error) from error

    def _no_such_part(self, error):
        return ZooError(f"The data set {self.name!r} has no such part: {_line(error)}")


def data_set_of(spec, well_known=(), hold_out=False):
    """Returns the `TfdsData` that a specification of data names, None if it names none.

    Args:
        spec: str or path-like: "tfds:NAME", or NAME alone if it is well known and there is no file
            or folder of that name.
        well_known: names that need no prefix.
        hold_out: see `TfdsData`.

    Raises:
        ZooError: if TFDS has no such data set.
    """
    text = os.fspath(spec)
    if text.startswith(TFDS_PREFIX):
        data = TfdsData(text.removeprefix(TFDS_PREFIX), hold_out=hold_out)
        check_known(data.name)
        return data
    base = re.split("[/:]", text)[0]
    if base not in well_known or Path(text).exists() or Path(base).exists():
        return None
    return TfdsData(text, hold_out=hold_out)


def check_known(name, others=()):
    """Raises a `ZooError` if TFDS has no data set of that name; the nearest one is named.

    Args:
        name: str, see above.
        others: names that may also have been meant.
    """
    base, missing = re.split("[/:]", name)[0], ""
    try:
        known = import_tfds(f"The data set {name!r}").list_builders()
    except ZooError as error:
        known, missing = [], f" {error}"
    if base not in known:
        hint = nearest(base, [*others, *known])
        raise ZooError(f"There is no data set, file or folder {name!r}.{hint}{missing}")


def import_tfds(what):
    """Returns the module tensorflow_datasets, or raises a `ZooError` if it is missing."""
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ZooError(
            f'{what} needs tensorflow-datasets: pip install "perceiver-tf[datasets]".'
        ) from error
    return tensorflow_datasets


def _line(error):
    """Returns the first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
