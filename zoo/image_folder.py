"""Images in folders, one folder for each class."""

import os

import numpy as np
import tensorflow as tf

from zoo.errors import ZooError
from zoo.held_out import unit_hash
from zoo.image_arrays import ImageSource, array_examples, in_main_memory, order
from zoo.pipeline import require_readable, unreadable_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
SPLIT_FOLDERS = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}
TEST_SHARE = 0.2
MEMORY_LIMIT = 256 * 2**20
FILES_AT_ONCE = 16


def decode_image(encoded):
    """Returns the pixels of an encoded JPEG, PNG, BMP or GIF.

    Args:
        encoded: scalar string, the bytes of the file.

    Returns:
        uint8 (height, width, channels), as many channels as the file has; of an animation the
        first frame, of 16 bits the upper 8, CMYK converted to RGB.
    """
    image = tf.io.decode_image(encoded, channels=0, expand_animations=False)
    image.set_shape((None, None, None))
    return image


class FolderSource(ImageSource):
    """Image files sorted into folders by class.

    The folder holds `train/CLASS/` and, if there are such, `test/CLASS/` and `validation/CLASS/`
    (or `val`). A folder with `CLASS/` alone is split in a fixed way: about a fifth of the files,
    chosen by a hash of their names, is the test split, so that a file stays on its side when
    others are added. Opening lists the files only.

    A split is read when its examples are first counted or used. If its images all have one size
    and fit into 256 MiB, they are decoded once and kept in memory; a file that cannot be read
    then ends it at once with a `ZooError`. Larger splits are read anew in every epoch. Checking
    them beforehand would cost as much as an epoch's reading (about an hour for ImageNet on two
    cores), so a corrupt file ends the run when its turn comes, with a TensorFlow error that
    `zoo.pipeline.data_error` turns into a `ZooError`. With `skip_corrupt` every file is
    decoded once beforehand, whatever the size, so that the number of examples, and with it the
    order and the learning-rate schedule, is exact.

    Args:
        path: pathlib.Path of the folder.
        skip_corrupt: bool. Leave out files that cannot be read.

    Raises:
        ZooError: If the folder has no usable images.
    """

    def __init__(self, path, skip_corrupt=False):
        self.name = str(path)
        self.skipped_files = ()
        self._skip_corrupt = skip_corrupt
        self._arrays = {}
        folders = _split_folders(path)
        if folders:
            by_class = {split: _files_by_class(folder) for split, folder in folders.items()}
            self.class_names = tuple(by_class["train"])
            _check_same_classes(folders, by_class)
        else:
            files = _files_by_class(path)
            self.class_names = tuple(files)
            by_class = _split_by_name(path, files)
        self.num_classes = len(self.class_names)
        self.splits = tuple(by_class)
        self._files = {
            split: _with_labels(files, self.class_names) for split, files in by_class.items()
        }

    @property
    def skipped(self):
        return len(self.skipped_files)

    def num_examples(self, split):
        self._read(split)
        return len(self._files[split][0])

    def arrays(self, split):
        self._read(split)
        return self._arrays[split]

    def examples(self, split, shuffle_key=None):
        self._read(split)
        if self._arrays[split] is not None:
            return array_examples(self._arrays[split], shuffle_key)

        def to_example(path, image, readable, label):
            require_readable(readable, path)
            return {"image": image, "label": label}

        return _decoded(self._files[split], shuffle_key).map(to_example)

    def _read(self, split):
        """Keeps the split in memory if it fits, and leaves out corrupt files if asked to."""
        self.check_split(split)
        if split in self._arrays:
            return
        paths, labels = self._files[split]
        images, is_good = [], np.ones(len(paths), bool)
        with tf.init_scope():
            for i, (path, image, readable, _) in enumerate(_decoded(self._files[split])):
                if not readable and not self._skip_corrupt:
                    raise unreadable_file(os.fsdecode(path.numpy()))
                is_good[i] = bool(readable)
                if images is not None and readable:
                    images.append(image.numpy())
                    if not _fit_together(images, len(paths)):
                        images = None
                if images is None and not self._skip_corrupt:
                    break
        if not is_good.any():
            raise ZooError(f"None of the {len(paths)} files in {self.name} ({split}) is readable.")
        bad = tuple(path for path, good in zip(paths, is_good, strict=True) if not good)
        self.skipped_files += bad
        paths = [path for path, good in zip(paths, is_good, strict=True) if good]
        self._files[split] = paths, labels[is_good]
        self._arrays[split] = (
            None if images is None else in_main_memory(np.stack(images), labels[is_good])
        )


def _decoded(files, shuffle_key=None):
    """Returns a dataset of (path, image, readable, label) of files, in parallel and in order.

    An error inside of a tf.data map ends the whole dataset and does not know the file. So each
    file is a dataset of its own: the decoded image, or nothing if that fails, followed by a
    stand-in that is not readable; the first of them counts.
    """
    paths, labels = files
    with tf.init_scope(), tf.device("CPU:0"):
        # As bytes: a file name need not be valid text.
        paths = tf.constant([os.fsencode(path) for path in paths], tf.string)
        labels = tf.constant(labels, tf.int64)

    def read(path, label):
        return path, decode_image(tf.io.read_file(path)), True, label

    def read_one(row):
        path, label = tf.gather(paths, row), tf.gather(labels, row)
        decoded = tf.data.Dataset.from_tensors((path, label)).map(read).ignore_errors()
        nothing = tf.zeros((0, 0, 1), tf.uint8)
        stand_in = tf.data.Dataset.from_tensors((path, nothing, False, label))
        return decoded.concatenate(stand_in).take(1)

    return order(paths.shape[0], shuffle_key).interleave(
        read_one,
        cycle_length=FILES_AT_ONCE,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _fit_together(images, num_images):
    """Whether the newest image has the size of the first and all fit into the memory limit."""
    return images[-1].shape == images[0].shape and images[0].nbytes * num_images <= MEMORY_LIMIT


def _split_folders(path):
    """Returns the folder of each split, in order; empty if `path` holds classes itself."""
    folders = {}
    for split, names in SPLIT_FOLDERS.items():
        found = [path / name for name in names if (path / name).is_dir()]
        if found:
            folders[split] = found[0]
    if "train" not in folders:
        return {}
    # A class may be called "train": alone and without folders inside it is one.
    is_split = len(folders) > 1 or any(entry.is_dir() for entry in folders["train"].iterdir())
    return folders if is_split else {}


def _files_by_class(folder):
    """Returns the sorted image files of each class folder, as str, classes in sorted order."""
    try:
        names = sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        )
        files = {name: _image_files(folder / name) for name in names}
    except OSError as error:
        raise ZooError(f"Cannot read the folder {error.filename}: {error.strerror}.") from error
    if not names:
        raise ZooError(
            f"{folder} must hold one folder of images for each class (or train/CLASS/ and "
            f"test/CLASS/). Received: {'an empty folder' if _is_empty(folder) else 'files only'}."
        )
    for name in names:
        if not files[name]:
            raise ZooError(
                f"The class folder {folder / name} must hold images ({', '.join(SUFFIXES)}). "
                "Received: none."
            )
    if len(names) < 2:
        raise ZooError(
            f"{folder} must hold at least two class folders. Received: {names[0]!r} only."
        )
    return files


def _is_empty(folder):
    return not any(folder.iterdir())


def _image_files(folder):
    """Returns the sorted paths of all images in a folder and the folders inside it."""

    def stop(error):
        raise error

    return sorted(
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder, onerror=stop, followlinks=True)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    )


def _check_same_classes(folders, by_class):
    known = set(by_class["train"])
    for split, files in by_class.items():
        unknown = sorted(set(files) - known)
        if unknown:
            raise ZooError(
                f"Every class of {folders[split]} must be one of {folders['train']}. "
                f"Received: {', '.join(unknown)}."
            )


def _split_by_name(path, files_by_class):
    """Returns train and test files of each class by a hash of the files' relative names.

    Each class with two files or more has at least one in either split.
    """
    by_class = {"train": {}, "test": {}}
    for name, files in files_by_class.items():
        ranked = sorted((unit_hash(os.path.relpath(file, path)), file) for file in files)
        num_test = sum(value < TEST_SHARE for value, _ in ranked)
        num_test = min(max(num_test, 1), len(ranked) - 1)
        by_class["test"][name] = sorted(file for _, file in ranked[:num_test])
        by_class["train"][name] = sorted(file for _, file in ranked[num_test:])
    return by_class


def _with_labels(files_by_class, class_names):
    """Returns all paths, and the label of each as int64 (n,)."""
    labels = {name: label for label, name in enumerate(class_names)}
    paths = [path for files in files_by_class.values() for path in files]
    numbers = [labels[name] for name, files in files_by_class.items() for _ in files]
    return paths, np.array(numbers, np.int64)
