"""Images in memory: scikit-learn's digits and NumPy's `.npz` files."""

import zipfile

import numpy as np
import tensorflow as tf

from zoo.data.epochs import WHOLE
from zoo.errors import ZooError

SPLITS = ("train", "validation", "test")
DIGITS_TEST_SHARE = 0.2


class ImageSource:
    """Images with a class label each, by split. The base of all sources.

    Attributes:
        name: str, for messages.
        class_names: tuple of str, in the order of the labels, or None.
        num_classes: int.
        splits: tuple of str, "train" first.
        skipped_files: tuple of str, those left out so far because they cannot be read.
    """

    name = ""
    class_names = None
    num_classes = 0
    splits = ()
    skipped_files = ()

    @property
    def skipped(self) -> int:
        """How many files were left out so far."""
        return len(self.skipped_files)

    def num_examples(self, split) -> int:
        """Returns how many examples `examples(split)` has."""
        raise NotImplementedError

    def arrays(self, split):
        """Returns the split as tensors `(images, labels)`, or None if it is not in memory.

        Images are uint8 (n, height, width, channels), labels int64 (n,), both in main memory.
        """
        raise NotImplementedError

    def examples(self, split, shuffle_key=None, share=WHOLE):
        """Returns a tf.data.Dataset of single examples.

        Args:
            split: one of `splits`.
            shuffle_key: int32 tensor (2,) that decides the order; None: the source's own.
            share: `zoo.data.epochs.Share`, the part of the order that is delivered; what is not is
                not decoded.

        Returns:
            Dataset of {"image": uint8 (height, width, channels), "label": int64 ()}.
        """
        raise NotImplementedError

    def check_split(self, split):
        """Raises a `ZooError` if there is no such split."""
        if split not in self.splits:
            raise ZooError(
                f"`split` must be one of {', '.join(self.splits)} in {self.name}. "
                f"Received: split={split!r}."
            )


class ArraySource(ImageSource):
    """Images of one size that are in memory.

    Args:
        name: str.
        arrays: dict from split to `(images, labels)`: uint8 (n, height, width, channels) and
            integers (n,).
        class_names: sequence of str, or None.
        num_classes: int; by default the number of names.
    """

    def __init__(self, name, arrays, class_names=None, num_classes=None):
        self.name = name
        self.class_names = None if class_names is None else tuple(class_names)
        self.num_classes = num_classes if class_names is None else len(self.class_names)
        self.splits = tuple(sorted(arrays, key=SPLITS.index))
        self._arrays = {split: in_main_memory(*arrays[split]) for split in self.splits}

    def num_examples(self, split):
        self.check_split(split)
        return self._arrays[split][1].shape[0]

    def arrays(self, split):
        self.check_split(split)
        return self._arrays[split]

    def examples(self, split, shuffle_key=None, share=WHOLE):
        return array_examples(self.arrays(split), shuffle_key, share)


def in_main_memory(images, labels):
    """Returns arrays as tensors that tf.data can read, uint8 and int64, never on a GPU."""
    with tf.device("CPU:0"):
        return tf.constant(images, tf.uint8), tf.constant(labels, tf.int64)


def array_examples(arrays, shuffle_key=None, share=WHOLE):
    """Returns the dataset of `ImageSource.examples` for tensors `(images, labels)`."""
    images, labels = arrays
    return order(labels.shape[0], shuffle_key, share).map(
        lambda row: {"image": tf.gather(images, row), "label": tf.gather(labels, row)}
    )


def order(num_examples, shuffle_key=None, share=WHOLE):
    """Returns the dataset of a share of the numbers 0 to n - 1, in order or in the key's order."""
    numbers = tf.range(num_examples, dtype=tf.int64)
    if shuffle_key is not None:
        numbers = tf.random.experimental.stateless_shuffle(numbers, shuffle_key)
    return tf.data.Dataset.from_tensor_slices(share.of_order(numbers))


def open_digits() -> ArraySource:
    """Returns scikit-learn's 1,797 handwritten digits, 8 x 8 grey pixels.

    They are inside of the package scikit-learn, so no network is needed. The test split is
    always the same fifth of every class.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ZooError('The digits need scikit-learn: pip install "scikit-learn".') from error
    digits = load_digits()
    # Sixteen steps of grey become the full range of a byte.
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    is_test = np.zeros(len(labels), bool)
    random = np.random.RandomState(0)  # its stream is frozen for good, unlike a Generator's
    for label in range(10):
        members = random.permutation(np.flatnonzero(labels == label))
        is_test[members[: round(DIGITS_TEST_SHARE * len(members))]] = True
    arrays = {
        "train": (images[~is_test], labels[~is_test]),
        "test": (images[is_test], labels[is_test]),
    }
    return ArraySource("digits", arrays, class_names=[str(digit) for digit in range(10)])


def open_npz(path) -> ArraySource:
    """Returns the images of a NumPy `.npz` file.

    Args:
        path: pathlib.Path of a file with `x_train` and `y_train`, and any of `x_validation`,
            `y_validation`, `x_test`, `y_test`. Images are integers 0-255, (n, height, width) or
            (n, height, width, channels); labels integers from 0, (n,) or (n, 1). `class_names`
            (k,), strings, is optional: without it, the labels themselves are the names.

    Raises:
        ZooError: If there is no such file, or it cannot be read or holds something else.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            found = {key: file[key] for key in file.files}
    except FileNotFoundError as error:
        raise ZooError(f"There is no such file: {path}.") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise ZooError(f"Cannot read {path}: it is no complete .npz file ({error}).") from error
    arrays = {}
    for split in SPLITS:
        images, labels = found.get(f"x_{split}"), found.get(f"y_{split}")
        if images is None and labels is None and split != "train":
            continue
        if images is None or labels is None:
            raise ZooError(
                f"{path} must hold both x_{split} and y_{split}. "
                f"Received: {', '.join(sorted(found)) or 'an empty file'}."
            )
        arrays[split] = _checked(path, split, images, labels)
    sizes = {images.shape[1:] for images, _ in arrays.values()}
    if len(sizes) > 1:
        raise ZooError(f"All images of {path} must have one size. Received: {sorted(sizes)}.")
    num_classes = 1 + max(int(labels.max()) for _, labels in arrays.values())
    names = found.get("class_names")
    if names is not None and (names.ndim != 1 or len(names) < num_classes):
        raise ZooError(
            f"class_names of {path} must name all {num_classes} classes. "
            f"Received: an array of shape {names.shape}."
        )
    names = range(num_classes) if names is None else names
    return ArraySource(str(path), arrays, class_names=[str(name) for name in names])


def _checked(path, split, images, labels):
    """Returns images as uint8 (n, h, w, c) and labels as int64 (n,), or raises."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[-1] not in (1, 2, 3, 4) or 0 in images.shape:
        raise ZooError(
            f"x_{split} of {path} must be images (n, height, width) or (n, height, width, 1 to 4 "
            f"channels), at least one. Received: shape {images.shape}."
        )
    if labels.shape != images.shape[:1]:
        raise ZooError(
            f"y_{split} of {path} must hold one label for each of the {len(images)} images of "
            f"x_{split}. Received: shape {labels.shape}."
        )
    if not np.issubdtype(images.dtype, np.integer) or images.min() < 0 or images.max() > 255:
        raise ZooError(
            f"x_{split} of {path} must be integers from 0 to 255 (multiply images in [0, 1] by "
            f"255 and convert them to uint8). Received: {images.dtype} from {images.min()} to "
            f"{images.max()}."
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ZooError(
            f"y_{split} of {path} must be integers from 0. Received: {labels.dtype} from "
            f"{labels.min()}."
        )
    return images.astype(np.uint8), labels.astype(np.int64)
