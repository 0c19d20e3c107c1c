"""Images of TensorFlow Datasets, by name."""

import numpy as np
import tensorflow as tf

from zoo.cores import num_cores
from zoo.data.epochs import WHOLE, shuffled
from zoo.data.tfds import SHUFFLE_BUFFER, TfdsData, import_tfds
from zoo.images.arrays import ImageSource, array_examples, in_main_memory
from zoo.images.folder import decode_image

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


class TfdsSource(ImageSource):
    """A data set of TensorFlow Datasets with the features "image" and "label".

    Nothing is loaded or downloaded before it is needed, so a model for a large data set can be
    built without it. Splits of images of one size up to 512 MiB are kept in memory; others are
    read anew in every epoch, decoded after shuffling, through a buffer of 4,096 encoded images.
    TFDS has shuffled the examples over the files already.

    Args:
        name: see `zoo.data.tfds`, such as "mnist" or "imagenette/160px:train[:10%]".
        data_dir: folder of prepared data sets; None: TFDS's own default.
    """

    def __init__(self, name, data_dir=None):
        self.name = name
        self._data = TfdsData(name, data_dir)
        self._arrays = {}

    @property
    def class_names(self):
        label = self._label
        return tuple(label.names) if label.names else None

    @property
    def num_classes(self):
        return self._label.num_classes

    @property
    def _label(self):
        self._data.feature("image", "Image")
        return self._data.feature("label", "ClassLabel")

    @property
    def splits(self):
        _ = self._label  # before anything is downloaded
        base = self.name.split("/")[0].split(":")[0]
        return tuple(name for name in self._data.parts if (base, name) not in UNLABELLED)

    def num_examples(self, split):
        self.check_split(split)
        return self._data.num_examples(split)

    def arrays(self, split):
        self.check_split(split)
        if split not in self._arrays:
            shape = self._data.feature("image", "Image").shape
            num_bytes = self.num_examples(split)
            for size in shape:
                num_bytes *= MEMORY_LIMIT if size is None else size
            self._arrays[split] = self._load(split) if num_bytes <= MEMORY_LIMIT else None
        return self._arrays[split]

    def examples(self, split, shuffle_key=None, share=WHOLE):
        arrays = self.arrays(split)
        if arrays is not None:
            return array_examples(arrays, shuffle_key, share)
        tfds = import_tfds(f"The data set {self.name!r}")
        encoded = self._data.dataset(split, {"image": tfds.decode.SkipDecoding()})
        if shuffle_key is not None:
            encoded = shuffled(encoded, SHUFFLE_BUFFER, shuffle_key)

        def decode(example):
            return {"image": decode_image(example["image"]), "label": example["label"]}

        return share.of_dataset(encoded).map(decode, num_parallel_calls=num_cores())

    def _load(self, split):
        with tf.init_scope():
            examples = list(self._data.dataset(split).as_numpy_iterator())
        columns = ([example[name] for example in examples] for name in ("image", "label"))
        return in_main_memory(*map(np.stack, columns))
