"""Where images come from: digits, .npz files, folders, TensorFlow Datasets; and bad input."""

import os
import pathlib
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.data.pipeline import data_error
from zoo.errors import ZooError
from zoo.images import arrays as image_arrays
from zoo.images.folder import decoded_until_corrupt
from zoo.images.pipeline import image_pipeline
from zoo.images.sources import open_source
from zoo.images.tfds import TfdsSource

CONFIG = SimpleNamespace(image_shape=(6, 5, 3), num_classes=3)


def pixels(number, *shape):
    return np.random.default_rng(number).integers(0, 256, shape).astype(np.uint8)


def write_images(folder, num_images, first=0, shape=(6, 5, 3)):
    """Writes PNG files 00.png, 01.png ... whose pixels depend on their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + num_images):
        encoded = tf.io.encode_png(pixels(number, *shape))
        (folder / f"{number:02}.png").write_bytes(encoded.numpy())


@pytest.fixture
def folder(tmp_path):
    """A folder with train (4 cats, 3 dogs) and test (2 cats, 1 dog), all of one size."""
    write_images(tmp_path / "train" / "cat", 4)
    write_images(tmp_path / "train" / "dog", 3, first=10)
    write_images(tmp_path / "test" / "cat", 2, first=20)
    write_images(tmp_path / "test" / "dog", 1, first=30)
    return tmp_path


def examples(source, split):
    return [(e["image"].numpy(), int(e["label"])) for e in source.examples(split)]


def write_npz(path, **changed):
    arrays = {
        "x_train": pixels(0, 7, 6, 5),
        "y_train": np.arange(7) % 3,
        "x_test": pixels(1, 4, 6, 5),
        "y_test": np.arange(4) % 3,
    }
    arrays = {key: array for key, array in (arrays | changed).items() if array is not None}
    np.savez(path, **arrays)
    return path


def test_digits_are_bytes_in_a_fixed_stratified_split():
    source = open_source("digits")
    assert source.splits == ("train", "test")
    assert (source.num_examples("train"), source.num_examples("test")) == (1438, 359)
    assert source.class_names == tuple("0123456789")
    images, labels = source.arrays("test")
    assert images.dtype == tf.uint8 and images.shape == (359, 8, 8, 1)
    assert images.numpy().min() == 0 and images.numpy().max() == 255
    _, others = source.arrays("train")
    counts = np.bincount(np.concatenate([labels, others]))
    np.testing.assert_array_equal(np.bincount(labels), np.round(counts * 0.2))
    again, _ = open_source("digits").arrays("test")
    np.testing.assert_array_equal(images, again)


def test_npz_gives_its_arrays(tmp_path):
    validation = {"x_validation": pixels(2, 2, 6, 5), "y_validation": np.array([[0], [4]])}
    source = open_source(write_npz(tmp_path / "a.npz", **validation))
    assert source.splits == ("train", "validation", "test")
    assert source.num_classes == 5 and source.class_names == tuple("01234")
    images, labels = source.arrays("train")
    np.testing.assert_array_equal(images[..., 0], pixels(0, 7, 6, 5))
    assert labels.dtype == tf.int64 and labels.shape == (7,)
    assert [label for _, label in examples(source, "validation")] == [0, 4]


def test_npz_may_name_its_classes(tmp_path):
    source = open_source(write_npz(tmp_path / "a.npz", class_names=np.array(["x", "y", "z"])))
    assert source.class_names == ("x", "y", "z")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_train": None}, "must hold both x_train and y_train"),
        ({"y_test": None}, "must hold both x_test and y_test"),
        ({"x_train": pixels(0, 7, 30)}, "x_train of .* must be images"),
        ({"x_train": pixels(0, 7, 6, 5, 5)}, "x_train of .* must be images"),
        ({"x_test": pixels(0, 4, 6, 6)}, "must have one size"),
        ({"x_train": pixels(0, 7, 6, 5) / 255}, "must be integers from 0 to 255.*float64"),
        ({"x_train": pixels(0, 7, 6, 5).astype(int) + 1}, "must be integers from 0 to 255.*256"),
        ({"y_train": np.arange(6)}, "one label for each of the 7 images"),
        ({"y_train": np.arange(7) - 1}, "must be integers from 0.* -1"),
        ({"y_train": np.arange(7) / 2}, "must be integers from 0.*float64"),
        ({"class_names": np.array(["a", "b"])}, "must name all 3 classes"),
        ({"y_train": np.array([None] * 7)}, "is no complete .npz file"),
    ],
)
def test_npz_rejects_other_contents(tmp_path, changed, message):
    with pytest.raises(ZooError, match=message):
        open_source(write_npz(tmp_path / "a.npz", **changed))


def test_npz_rejects_a_truncated_file(tmp_path):
    path = write_npz(tmp_path / "a.npz")
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ZooError, match="a.npz: it is no complete .npz file"):
        open_source(path)


def test_folder_reads_splits_and_classes(folder):
    source = open_source(str(folder))
    assert source.splits == ("train", "test")
    assert source.class_names == ("cat", "dog") and source.num_classes == 2
    assert source.num_examples("train") == 7
    for (image, label), number in zip(examples(source, "test"), (20, 21, 30), strict=True):
        np.testing.assert_array_equal(image, pixels(number, 6, 5, 3))
        assert label == number // 30


def test_folder_takes_val_for_validation(folder):
    (folder / "test").rename(folder / "val")
    assert open_source(folder).splits == ("train", "validation")


def test_folder_of_classes_splits_by_name_and_keeps_sides_when_files_join(tmp_path):
    for name in ("cat", "dog"):
        write_images(tmp_path / name, 40)
    source = open_source(tmp_path)
    sizes = [source.num_examples(split) for split in ("train", "test")]
    assert sum(sizes) == 80 and 8 <= sizes[1] <= 24
    before = {image.tobytes() for image, _ in examples(source, "test")}
    for name in ("cat", "dog"):
        write_images(tmp_path / name, 10, first=50)
    after = {image.tobytes() for image, _ in examples(open_source(tmp_path), "test")}
    assert before <= after


def test_folder_of_two_files_a_class_gets_one_in_each_split(tmp_path):
    for name in ("cat", "dog", "train"):
        write_images(tmp_path / name, 2)
    source = open_source(tmp_path)
    assert source.class_names == ("cat", "dog", "train")
    assert [label for _, label in examples(source, "train")] == [0, 1, 2]
    assert [label for _, label in examples(source, "test")] == [0, 1, 2]


def test_folder_of_one_size_is_kept_in_memory_and_one_of_many_is_not(folder):
    assert open_source(folder).arrays("train")[0].shape == (7, 6, 5, 3)
    write_images(folder / "train" / "cat", 1, first=5, shape=(9, 8, 4))
    source = open_source(folder)
    assert source.arrays("train") is None
    found = examples(source, "train")
    np.testing.assert_array_equal(found[4][0], pixels(5, 9, 8, 4))
    assert [label for _, label in found] == [0] * 5 + [1] * 3


def test_folder_ignores_other_files(folder):
    (folder / "train" / "cat" / "notes.txt").write_text("x")
    (folder / "train" / "cat" / ".hidden.png").write_text("x")
    (folder / "train" / ".cache").mkdir()
    (folder / "notes.txt").write_text("x")
    assert open_source(folder).num_examples("train") == 7


def test_folder_reads_files_whose_names_are_not_text(folder):
    name = os.fsencode(folder / "train" / "cat") + b"/\xff >> a.png"
    with open(name, "wb") as file:
        file.write(tf.io.encode_png(pixels(0, 6, 5, 3)).numpy())
    assert open_source(folder).num_examples("train") == 8


def test_folder_rejects_emptiness(tmp_path):
    with pytest.raises(ZooError, match="one folder of images for each class.*an empty folder"):
        open_source(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ZooError, match="one folder of images for each class.*files only"):
        open_source(tmp_path)


def test_folder_rejects_a_class_without_images(folder):
    (folder / "train" / "eel").mkdir()
    with pytest.raises(ZooError, match=r"class folder .*train/eel must hold images"):
        open_source(folder)


def test_folder_rejects_a_single_class(tmp_path):
    write_images(tmp_path / "cat", 3)
    with pytest.raises(ZooError, match="at least two class folders. Received: 'cat' only"):
        open_source(tmp_path)


def test_folder_rejects_a_test_class_without_training(folder):
    write_images(folder / "test" / "eel", 1)
    with pytest.raises(ZooError, match="Every class of .*test must be one of .*Received: eel"):
        open_source(folder)


def test_folder_rejects_images_beside_splits(tmp_path):
    write_images(tmp_path / "train", 3)
    write_images(tmp_path / "test", 3)
    with pytest.raises(ZooError, match="train must hold one folder of images for each class"):
        open_source(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no image", "truncated"])
def test_folder_names_a_corrupt_file(folder, content):
    path = folder / "train" / "dog" / "10.png"
    path.write_bytes(path.read_bytes()[:60] if content == "truncated" else content)
    source = open_source(folder)
    with pytest.raises(ZooError, match=r"Cannot read the image file .*train/dog/10\.png"):
        source.num_examples("train")
    assert source.num_examples("test") == 3


def test_folder_skips_and_counts_corrupt_files(folder):
    path = folder / "train" / "cat" / "01.png"
    path.write_bytes(path.read_bytes()[:60])
    source = open_source(folder, skip_corrupt=True)
    assert source.num_examples("train") == 6
    assert source.skipped == 1 and source.skipped_files == (str(path),)
    assert [label for _, label in examples(source, "train")] == [0, 0, 0, 1, 1, 1]


def test_folder_of_many_sizes_skips_corrupt_files_too(folder):
    write_images(folder / "train" / "cat", 1, first=0, shape=(9, 8, 3))
    (folder / "train" / "dog" / "12.png").write_bytes(b"")
    source = open_source(folder, skip_corrupt=True)
    assert source.num_examples("train") == 6 and source.skipped == 1
    assert source.arrays("train") is None
    assert len(examples(source, "train")) == 6


def test_folder_without_any_readable_file_is_an_error(folder):
    for path in (folder / "test").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(ZooError, match=r"None of the 3 files in .* \(test\) is readable"):
        open_source(folder, skip_corrupt=True).num_examples("test")


@pytest.fixture
def folder_with_a_late_corrupt_file(folder):
    """Images of two sizes, hence streamed, the last of which is corrupt."""
    write_images(folder / "train" / "cat", 1, first=0, shape=(9, 8, 3))
    (folder / "train" / "dog" / "12.png").write_bytes(b"no image")
    return folder


@pytest.mark.parametrize("corrupt", [0, 4, 7])
def test_a_stream_ends_at_the_corrupt_file_wherever_it_is(corrupt, tmp_path):
    paths = []
    for number in range(8):
        path = tmp_path / f"{number}.png"
        path.write_bytes(tf.io.encode_png(pixels(number, 6 + number % 2, 5, 3)).numpy())
        paths.append(str(path))
    pathlib.Path(paths[corrupt]).write_bytes(b"no picture")
    key = tf.constant([3, 5])
    order = list(image_arrays.order(8, key).as_numpy_iterator())
    told = list(decoded_until_corrupt(tf.constant(paths), key).as_numpy_iterator())
    assert [row for row, _ in told] == order
    readable = [row == found for row, (found, _) in told]
    assert readable.index(False) == order.index(corrupt)
    for row, (_, (_, image)) in zip(order[: order.index(corrupt)], told, strict=False):
        np.testing.assert_array_equal(image, pixels(row, 6 + row % 2, 5, 3))


def test_data_error_names_the_file_behind_an_error_of_fit(folder_with_a_late_corrupt_file):
    pipeline = image_pipeline(CONFIG, folder_with_a_late_corrupt_file)
    model = keras.Sequential([keras.Input((6, 5, 3)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3))
    model.compile("sgd", "mse")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        model.fit(pipeline.batches("train", 2, training=True), verbose=0, shuffle=False)
    error = data_error(caught.value)
    assert isinstance(error, ZooError)
    assert str(folder_with_a_late_corrupt_file / "train" / "dog" / "12.png") in str(error)
    assert "\n" not in str(error)


def test_data_error_is_none_for_other_errors():
    assert data_error(ValueError("something else")) is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mnits", "no data set, file or folder 'mnits'. Did you mean 'mnist'"),
        ("tfds:cifar01", "no data set, file or folder 'cifar01'. Did you mean 'cifar10'"),
        ("no/such/folder", "no such file or folder: no/such/folder"),
        ("missing.npz", "no such file or folder: missing.npz"),
        ("mnist/", "no such file or folder: mnist/"),
        ("", "no data set, file or folder ''"),
    ],
)
def test_open_source_rejects_unknown_names(spec, message):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(ZooError, match=message):
        open_source(spec)


def test_open_source_rejects_other_files(tmp_path):
    path = tmp_path / "images.zip"
    path.write_bytes(b"")
    with pytest.raises(ZooError, match="must be a folder of images, a .npz file or a data set"):
        open_source(path)


def test_open_source_opens_no_tfds_data_set_before_its_use():
    assert isinstance(open_source("imagenet2012"), TfdsSource)
    assert open_source("tfds:cifar10").name == "cifar10"


def test_a_path_comes_before_a_data_set_of_that_name(folder, monkeypatch):
    folder.rename(folder.parent / "mnist")
    monkeypatch.chdir(folder.parent)
    assert open_source("mnist").class_names == ("cat", "dog")


@pytest.fixture(scope="module")
def tfds_folder(tmp_path_factory):
    """Two tiny data sets, written by TFDS itself: images of one size, and of many."""
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("importlib_resources")

    class _Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            image = tfds.features.Image(shape=self.SHAPE)
            features = {"image": image, "label": tfds.features.ClassLabel(names=["cat", "dog"])}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, download_manager):
            return {"test": self._generate_examples(3, 20), "train": self._generate_examples(5, 0)}

        def _generate_examples(self, num_examples, first):
            for i in range(num_examples):
                image = pixels(first + i, 6 + (i % 2) * (self.SHAPE[0] is None), 5, 3)
                yield i, {"image": image, "label": i % 2}

    class TinyImagesOfOneSize(_Builder):
        SHAPE = (6, 5, 3)

    class TinyImagesOfManySizes(_Builder):
        SHAPE = (None, None, 3)

    yield tmp_path_factory.mktemp("tfds")


@pytest.mark.filterwarnings("ignore")
def test_tfds_of_one_size_is_kept_in_memory(tfds_folder):
    source = TfdsSource("tiny_images_of_one_size", data_dir=tfds_folder)
    assert source.class_names == ("cat", "dog") and source.num_classes == 2
    assert source.splits == ("train", "test") and source.num_examples("test") == 3
    images, labels = source.arrays("train")
    assert images.shape == (5, 6, 5, 3) and images.dtype == tf.uint8
    expected = {pixels(i, 6, 5, 3).tobytes(): i % 2 for i in range(5)}
    found = zip(images.numpy(), labels.numpy(), strict=True)
    assert {image.tobytes(): label for image, label in found} == expected


@pytest.mark.filterwarnings("ignore")
def test_tfds_of_many_sizes_is_streamed_and_shuffled_by_the_key(tfds_folder):
    source = TfdsSource("tiny_images_of_many_sizes", data_dir=tfds_folder)
    assert source.arrays("train") is None
    found = examples(source, "train")
    expected = {pixels(i, 6 + i % 2, 5, 3).tobytes(): i % 2 for i in range(5)}
    assert {image.tobytes(): label for image, label in found} == expected

    def shuffled(number):
        dataset = source.examples("train", tf.constant([number, 1]))
        return [e["image"].numpy().tobytes() for e in dataset]

    orders = [shuffled(number) for number in range(8)]
    assert all(set(order) == set(expected) for order in orders)
    assert len({tuple(order) for order in orders}) > 3
    assert shuffled(3) == orders[3]


@pytest.mark.filterwarnings("ignore")
def test_tfds_reports_an_unsuitable_data_set():
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(ZooError, match="must have a feature 'image' of type Image"):
        open_source("tfds:glue").num_classes  # noqa: B018
