"""Images of TensorFlow Datasets, by name."""

import functools

import tensorflow as tf

from zoo.errors import ZooError
from zoo.image_arrays import SPLITS, ImageSource, array_examples, in_main_memory
from zoo.image_folder import decode_image

# Names that are accepted without loading tensorflow_datasets.
WELL_KNOWN = (
    "caltech101",
    "cats_vs_dogs",
    "cifar10",
    "cifar100",
    "dtd",
    "emnist",
    "eurosat",
    "fashion_mnist",
    "food101",
    "imagenet2012",
    "imagenette",
    "kmnist",
    "mnist",
    "oxford_flowers102",
    "oxford_iiit_pet",
    "stanford_dogs",
    "stl10",
    "svhn_cropped",
    "tf_flowers",
)
# Splits whose labels were never published.
UNLABELLED = {("imagenet2012", "test"), ("stl10", "unlabelled")}
MEMORY_LIMIT = 512 * 2**20
SHUFFLE_BUFFER = 4096


class TfdsSource(ImageSource):
    """A data set of TensorFlow Datasets with the features "image" and "label".

    Nothing is loaded or downloaded before it is needed, so a model for a large data set can be
    built without it. Splits of images of one size up to 512 MiB are kept in memory; others are
    read anew in every epoch, decoded after shuffling, through a buffer of 4,096 encoded images.
    TFDS has shuffled the examples over the files already. The order of a stream depends on
    TensorFlow's global seed too, if one is set: `tf.data.Dataset.shuffle` mixes it in.

    Args:
        name: name for `tfds.builder`, such as "mnist" or "imagenette/160px".
        data_dir: folder of prepared data sets; None: TFDS's own default.
    """

    def __init__(self, name, data_dir=None):
        self.name = name
        self._data_dir = data_dir
        self._arrays = {}

    @functools.cached_property
    def _builder(self):
        tfds = import_tfds(f"The data set {self.name!r}")
        try:
            builder = tfds.builder(self.name, data_dir=self._data_dir)
            features = builder.info.features
        except Exception as error:  # whatever a data set's own code raises
            raise ZooError(f"Cannot open the data set {self.name!r}: {_line(error)}") from error
        wanted = {"image": tfds.features.Image, "label": tfds.features.ClassLabel}
        for feature, kind in wanted.items():
            if feature not in features or not isinstance(features[feature], kind):
                raise ZooError(
                    f"The data set {self.name!r} must have a feature {feature!r} of type "
                    f"{kind.__name__}. Received: {', '.join(features)}."
                )
        return builder

    @functools.cached_property
    def _prepared(self):
        builder = self._builder
        try:
            builder.download_and_prepare()
        except Exception as error:  # network, disk, manual downloads: the data set's own code
            raise ZooError(
                f"Cannot download or prepare the data set {self.name!r}: {_line(error)}"
            ) from error
        return builder

    @property
    def class_names(self):
        label = self._builder.info.features["label"]
        return tuple(label.names) if label.names else None

    @property
    def num_classes(self):
        return self._builder.info.features["label"].num_classes

    @functools.cached_property
    def splits(self):
        base = self.name.split("/")[0]
        names = [str(n) for n in self._prepared.info.splits if (base, str(n)) not in UNLABELLED]
        return tuple(sorted(names, key=lambda n: SPLITS.index(n) if n in SPLITS else len(SPLITS)))

    def num_examples(self, split):
        self.check_split(split)
        return self._prepared.info.splits[split].num_examples

    def arrays(self, split):
        self.check_split(split)
        if split not in self._arrays:
            shape = self._builder.info.features["image"].shape
            num_bytes = self.num_examples(split)
            for size in shape:
                num_bytes *= MEMORY_LIMIT if size is None else size
            self._arrays[split] = self._load(split) if num_bytes <= MEMORY_LIMIT else None
        return self._arrays[split]

    def examples(self, split, shuffle_key=None):
        arrays = self.arrays(split)
        if arrays is not None:
            return array_examples(arrays, shuffle_key)
        tfds = import_tfds(f"The data set {self.name!r}")
        with tf.init_scope():
            encoded = self._prepared.as_dataset(
                split=split, decoders={"image": tfds.decode.SkipDecoding()}
            )
        if shuffle_key is not None:
            encoded = encoded.shuffle(
                SHUFFLE_BUFFER,
                seed=tf.cast(shuffle_key[0], tf.int64),
                reshuffle_each_iteration=False,
            )

        def decode(example):
            return {"image": decode_image(example["image"]), "label": example["label"]}

        return encoded.map(decode, num_parallel_calls=tf.data.AUTOTUNE)

    def _load(self, split):
        with tf.init_scope():
            examples = self._prepared.as_dataset(split=split, batch_size=-1)
        return in_main_memory(examples["image"], examples["label"])


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
