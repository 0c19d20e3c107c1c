"""Images in folders, one folder for each class."""

import os

import numpy as np
import tensorflow as tf

from zoo.cores import num_cores
from zoo.data.class_folders import list_classes
from zoo.data.epochs import WHOLE, without_tuner
from zoo.data.pipeline import require_readable, unreadable_file
from zoo.errors import ZooError
from zoo.images.arrays import ImageSource, array_examples, in_main_memory, order

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
MEMORY_LIMIT = 256 * 2**20
FILES_AT_ONCE = 16
IMAGES_AT_ONCE = 256


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

    How the folder may be divided into splits, `zoo.data.class_folders.list_classes` says. Opening
    lists the files only.

    A split is read when its examples are first counted or used. If its images all have one size
    and fit into 256 MiB, they are decoded once and kept in memory; a file that cannot be read
    then ends it at once with a `ZooError`. Larger splits are read anew in every epoch. Checking
    them beforehand would cost as much as an epoch's reading (about an hour for ImageNet on two
    cores), so a corrupt file ends the run when its turn comes, with a TensorFlow error that
    `zoo.data.pipeline.data_error` turns into a `ZooError`. With `skip_corrupt` every file is
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
        self._files, self.class_names = list_classes(path, "images", SUFFIXES)
        self.num_classes = len(self.class_names)
        self.splits = tuple(self._files)

    def num_examples(self, split):
        self._read(split)
        return len(self._files[split][0])

    def files(self, split):
        """Returns the paths (list of str) and the labels (int64 (n,)) of a split's files."""
        self.check_split(split)
        return self._files[split]

    def arrays(self, split):
        self._read(split)
        return self._arrays[split]

    def examples(self, split, shuffle_key=None, share=WHOLE):
        self._read(split)
        if self._arrays[split] is not None:
            return array_examples(self._arrays[split], shuffle_key, share)

        return decoded_examples(self._files[split], shuffle_key, share)

    def _read(self, split):
        """Keeps the split in memory if it fits, and leaves out corrupt files if asked to."""
        self.check_split(split)
        if split in self._arrays:
            return
        paths, labels = self._files[split]
        is_good = np.ones(len(paths), bool)
        with tf.init_scope():
            images = read_equal(paths)
            if images is None:
                images = self._read_one_by_one(paths, is_good)
        if not is_good.any():
            raise ZooError(f"None of the {len(paths)} files in {self.name} ({split}) is readable.")
        bad = tuple(path for path, good in zip(paths, is_good, strict=True) if not good)
        self.skipped_files += bad
        paths = [path for path, good in zip(paths, is_good, strict=True) if good]
        self._files[split] = paths, labels[is_good]
        self._arrays[split] = None if images is None else in_main_memory(images, labels[is_good])

    def _read_one_by_one(self, paths, is_good):
        """Returns images as `read_equal`, without those that are not readable if these are skipped.

        What is not readable is marked in `is_good`, bool (n,), or told.
        """
        images = []
        read = decoded_files if self._skip_corrupt else decoded_until_corrupt
        for row, (found, image) in without_tuner(read(_as_tensor(paths))).as_numpy_iterator():
            is_good[row] = row == found
            if not is_good[row] and not self._skip_corrupt:
                raise unreadable_file(paths[row])
            if images is not None and is_good[row]:
                images.append(image)
                if not _fit_together(images, len(paths)):
                    images = None
            if images is None and not self._skip_corrupt:
                break
        return np.stack(images) if images else None


def read_equal(paths):
    """Returns the images of files that all are readable and of one size, if they fit into memory.

    Args:
        paths: list of str.

    Returns:
        uint8 (n, height, width, channels), or None: one of this does not hold.
    """
    images, num_read = None, 0
    rows = without_tuner(decoded_until_corrupt(_as_tensor(paths)).batch(IMAGES_AT_ONCE))
    try:
        for row, (found, part) in rows.as_numpy_iterator():
            if images is None:
                if part[0].nbytes * len(paths) > MEMORY_LIMIT:
                    return None
                images = np.empty((len(paths), *part.shape[1:]), np.uint8)
            if (row != found).any() or part.shape[1:] != images.shape[1:]:
                return None
            images[num_read : num_read + len(part)] = part
            num_read += len(part)
    except tf.errors.InvalidArgumentError:  # images of several sizes make no batch
        return None
    return images


def decoded_examples(files, shuffle_key=None, share=WHOLE):
    """Returns a dataset of dicts `image` and `label` of files, in parallel and in order.

    It ends at the first file that is not readable with an error that `zoo.data.pipeline.data_error`
    understands.

    Args:
        files: (list of paths, int64 numpy array of their labels).
        shuffle_key, share: see `decoded_until_corrupt`.
    """
    paths = _as_tensor(files[0])
    with tf.init_scope(), tf.device("CPU:0"):
        labels = tf.constant(files[1], tf.int64)

    def to_example(row, decoded):
        found, image = decoded
        require_readable(row == found, tf.gather(paths, row))
        return {"image": image, "label": tf.gather(labels, row)}

    return decoded_until_corrupt(paths, shuffle_key, share).map(to_example)


def decoded_until_corrupt(paths, shuffle_key=None, share=WHOLE):
    """Returns a dataset of (row, (found, image)) of files, in parallel and in order.

    `row` is the number of a file, scalar int64, and `found` that of the file which `image`, uint8
    (height, width, channels), is of. Where they differ the file `row` is not readable, and what
    follows is of no use: its images are others'.

    An error inside of a tf.data map does not know the file. So errors are passed over, each image
    brings the number of its file along, and the first that is not the expected one tells which
    file is missing. This costs less than a tenth of what `decoded_files` takes for small files.

    Args:
        paths: string tensor (n,).
        shuffle_key: int32 tensor (2,) that decides the order; None: that of `paths`.
        share: `zoo.data.epochs.Share`, the part of the order that is delivered.
    """

    def read(row):
        return row, decode_image(tf.io.read_file(tf.gather(paths, row)))

    rows = order(paths.shape[0], shuffle_key, share)
    decoded = rows.map(read, num_parallel_calls=num_cores()).ignore_errors()
    found = decoded.concatenate(tf.data.Dataset.from_tensors(_nothing()).repeat())
    return tf.data.Dataset.zip((rows, found))


def decoded_files(paths):
    """Returns a dataset of (row, (found, image)) of all files, in parallel and in order.

    Each file is a dataset of its own: the decoded image, or nothing if that fails, followed by a
    stand-in of no file, -1; the first of them counts.

    Args:
        paths: string tensor (n,).
    """

    def read(row):
        return row, (row, decode_image(tf.io.read_file(tf.gather(paths, row))))

    def read_one(row):
        decoded = tf.data.Dataset.from_tensors(row).map(read).ignore_errors()
        stand_in = tf.data.Dataset.from_tensors((row, _nothing()))
        return decoded.concatenate(stand_in).take(1)

    return order(paths.shape[0]).interleave(
        read_one,
        cycle_length=FILES_AT_ONCE,
        num_parallel_calls=min(num_cores(), FILES_AT_ONCE),
        deterministic=True,
    )


def _as_tensor(paths):
    """Returns paths as bytes, as a file name need not be valid text: a string tensor (n,)."""
    with tf.init_scope(), tf.device("CPU:0"):
        return tf.constant([os.fsencode(path) for path in paths], tf.string)


def _nothing():
    """Returns the number of no file, and an image of no pixels."""
    return tf.constant(-1, tf.int64), tf.zeros((0, 0, 1), tf.uint8)


def _fit_together(images, num_images):
    """Whether the newest image has the size of the first and all fit into the memory limit."""
    return images[-1].shape == images[0].shape and images[0].nbytes * num_images <= MEMORY_LIMIT
