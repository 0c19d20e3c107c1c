"""Batches: what is in them, and that order and augmentation depend on seed and epoch only."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ZooError
from zoo.images.pipeline import image_pipeline
from zoo.recipes.augmentation import Augmentation

NUM_TRAIN, NUM_CLASSES = 13, 4
CONFIG = SimpleNamespace(image_shape=(6, 5, 1), num_classes=NUM_CLASSES)
STRONG = Augmentation(max_shift=0.2, flip=True, erase=0.5, mix_up=0.3, cut_mix=1.0)
CROPS = Augmentation(random_resized_crop=(0.3, 1.0))
SINGLE = Augmentation(random_resized_crop=(0.3, 1.0), rand_augment=(1, 5.0), flip=True)


@pytest.fixture
def npz(tmp_path):
    """13 images whose first pixel is 10 times their number; the label is the number mod 4."""
    images = np.random.default_rng(0).integers(0, 256, (NUM_TRAIN, 6, 5)).astype(np.uint8)
    images[:, 0, 0] = np.arange(NUM_TRAIN) * 10
    labels = np.arange(NUM_TRAIN) % NUM_CLASSES
    path = tmp_path / "data.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[:3], y_test=labels[:3])
    return path


@pytest.fixture
def pipeline(npz):
    return image_pipeline(CONFIG, npz)


@pytest.fixture
def streamed(tmp_path):
    """A folder of images of two sizes, which is therefore read anew in every epoch."""
    random = np.random.default_rng(0)
    for number in range(NUM_TRAIN):
        folder = tmp_path / "images" / "train" / f"class{number % NUM_CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        image = random.integers(0, 256, (6 + number % 2, 5, 1)).astype(np.uint8)
        (folder / f"{number:02}.png").write_bytes(tf.io.encode_png(image).numpy())
    return image_pipeline(CONFIG, tmp_path / "images")


def collect(dataset):
    """Returns all images and labels of one iteration."""
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def numbers(dataset):
    """Returns the numbers of the examples of `pipeline`, read from their first pixel."""
    return np.round((collect(dataset)[0][:, 0, 0, 0] + 1) / 2 * 255 / 10).astype(int).tolist()


def test_batches_hold_preprocessed_images_and_one_hot_labels(pipeline, npz):
    images, labels = collect(pipeline.batches("train", 5))
    raw = np.load(npz)
    np.testing.assert_allclose(images[..., 0], raw["x_train"] / 255 * 2 - 1, atol=1e-6)
    np.testing.assert_array_equal(labels, np.eye(NUM_CLASSES)[raw["y_train"]])
    assert images.dtype == labels.dtype == np.float32


def test_batches_keep_the_last_one_unless_told_otherwise(pipeline):
    def sizes(**settings):
        batches = pipeline.batches("train", 5, training=True, **settings)
        assert len(batches) == len(list(batches))
        return [len(labels) for _, labels in batches]

    assert sizes() == [5, 5, 3]
    assert sizes(drop_remainder=True) == [5, 5]
    assert sizes(augmentation=SINGLE) == [5, 5, 3]


@pytest.mark.parametrize("augmentation", [None, STRONG, SINGLE])
def test_batches_without_remainder_have_static_shapes(pipeline, augmentation):
    batches = pipeline.batches(
        "train", 5, training=True, augmentation=augmentation, drop_remainder=True
    )
    images, labels = batches.element_spec
    assert images.shape == (5, 6, 5, 1) and labels.shape == (5, NUM_CLASSES)


def test_training_shows_each_example_once_in_a_new_order_every_epoch(pipeline):
    batches = pipeline.batches("train", 5, training=True)
    orders = [numbers(batches) for _ in range(3)]
    assert all(sorted(order) == list(range(NUM_TRAIN)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_labels_stay_with_their_images(pipeline):
    batches = pipeline.batches("train", 5, training=True)
    _, labels = collect(pipeline.batches("train", 5, training=True, epoch=0))
    assert labels.argmax(axis=1).tolist() == [n % NUM_CLASSES for n in numbers(batches)]


def test_evaluation_keeps_the_order_and_does_not_augment(pipeline):
    batches = pipeline.batches("train", 5, seed=1, augmentation=STRONG)
    assert numbers(batches) == numbers(batches) == list(range(NUM_TRAIN))


def assert_same(dataset, expected):
    for one, other in zip(collect(dataset), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("source", "augmentation"), [("pipeline", STRONG), ("streamed", SINGLE)])
def test_batches_depend_on_seed_and_epoch_only(source, augmentation, request):
    pipeline = request.getfixturevalue(source)

    def batches(seed=0, **settings):
        settings |= {"seed": seed, "augmentation": augmentation}
        return pipeline.batches("train", 5, training=True, **settings)

    counted = batches()
    first, second = collect(counted), collect(counted)
    keras.utils.set_random_seed(5)
    assert_same(batches(epoch=0), first)
    assert_same(batches(epoch=1), second)
    assert np.abs(first[0] - second[0]).max() > 0.1
    assert np.abs(first[0] - collect(batches(1, epoch=0))[0]).max() > 0.1


def test_epoch_may_be_a_tensor_inside_of_a_tf_data_function(pipeline):
    def epoch(number):
        return pipeline.batches("train", 5, training=True, augmentation=STRONG, epoch=number)

    assert_same(tf.data.Dataset.range(2, 3).flat_map(epoch), collect(epoch(2)))


@pytest.mark.parametrize("source", ["pipeline", "streamed"])
def test_repeat_goes_on_with_the_next_epoch(source, request):
    def batches(**settings):
        pipeline = request.getfixturevalue(source)
        return pipeline.batches("train", 5, training=True, **settings)

    endless = batches(epoch=4, repeat=True)
    assert_same(endless.take(3), collect(batches(epoch=4)))
    assert_same(endless.skip(3).take(3), collect(batches(epoch=5)))


@pytest.mark.parametrize(
    ("source", "augmentation"),
    [("pipeline", STRONG), ("pipeline", None), ("pipeline", CROPS), ("streamed", CROPS)],
)
def test_an_epoch_goes_on_from_any_step(source, augmentation, request):
    def batches(**settings):
        settings |= {"training": True, "augmentation": augmentation}
        return request.getfixturevalue(source).batches("train", 5, epoch=4, **settings)

    whole = list(batches())
    rest = batches(start_step=1)
    assert len(rest) == len(list(rest)) == 2
    for ours, expected in zip(rest, whole[1:], strict=True):
        for a, b in zip(ours, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    endless = batches(start_step=2, repeat=True)
    assert_same(endless.take(1), [array.numpy() for array in whole[2]])
    following = request.getfixturevalue(source).batches(
        "train", 5, epoch=5, training=True, augmentation=augmentation
    )
    assert_same(endless.skip(1).take(3), collect(following))
    assert len(list(batches(start_step=3))) == 0


def test_images_of_passed_steps_are_not_read(tmp_path, streamed):
    files = sorted((tmp_path / "images" / "train").glob("*/*.png"))
    rest = streamed.batches("train", 5, epoch=0, start_step=2)
    streamed.num_examples("train")
    for file in files[:10]:
        file.unlink()
    assert len(collect(rest)[1]) == 3


@pytest.mark.parametrize("source", ["pipeline", "streamed"])
def test_workers_share_an_epoch(source, request):
    def batches(**settings):
        settings |= {"training": True, "augmentation": CROPS, "epoch": 1}
        return request.getfixturevalue(source).batches("train", 2, **settings)

    images, labels = collect(batches())
    for shard, size in enumerate((5, 4, 4)):
        share = batches(num_shards=3, shard=shard)
        assert len(share) == len(list(share)) == -(-size // 2)
        assert_same(share, (images[shard::3], labels[shard::3]))
        rest = batches(num_shards=3, shard=shard, start_step=1)
        assert_same(rest, (images[shard::3][2:], labels[shard::3][2:]))


def test_workers_draw_differently(tmp_path):
    same = np.tile(np.random.default_rng(0).integers(0, 256, (1, 6, 5, 1)), (8, 1, 1, 1))
    np.savez(tmp_path / "same.npz", x_train=same, y_train=np.arange(8) % 4)
    pipeline = image_pipeline(CONFIG, tmp_path / "same.npz")
    settings = {"training": True, "augmentation": STRONG, "epoch": 1, "num_shards": 2}
    one, other = (collect(pipeline.batches("train", 4, **settings, shard=i))[0] for i in range(2))
    assert np.abs(one - other).max() > 0.1


def test_streamed_examples_are_each_shown_once(streamed):
    plain, labels = collect(streamed.batches("train", 5))
    shuffled, shuffled_labels = collect(streamed.batches("train", 5, training=True))
    rows = {image.tobytes(): label.argmax() for image, label in zip(plain, labels, strict=True)}
    found = {
        image.tobytes(): label.argmax()
        for image, label in zip(shuffled, shuffled_labels, strict=True)
    }
    assert rows == found and len(rows) == NUM_TRAIN
    assert not np.array_equal(plain, shuffled)


def test_mixing_covers_whole_batches_and_augmentation_changes_images(pipeline):
    images, labels = collect(
        pipeline.batches("train", 13, training=True, augmentation=Augmentation(mix_up=1.0))
    )
    assert (np.count_nonzero(labels, axis=1) == 2).any()
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert images.min() >= -1 and images.max() <= 1


def test_fit_takes_the_batches(pipeline):
    model = keras.Sequential([keras.Input((6, 5, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(NUM_CLASSES))
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    batches = pipeline.batches("train", 5, training=True, augmentation=STRONG)
    history = model.fit(batches, epochs=2, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("settings", [{}, {"training": True}, {"training": True, "repeat": True}])
def test_the_end_of_an_iteration_does_not_wait_for_the_tuner_of_the_data(pipeline, settings):
    dataset = pipeline.batches("train", 4, **settings)
    assert dataset.options().autotune.enabled is False


def test_class_names_are_those_of_the_data_or_none(pipeline):
    assert pipeline.class_names == tuple("0123")
    digits = image_pipeline(SimpleNamespace(image_shape=(8, 8, 1), num_classes=10), "digits")
    assert digits.class_names == tuple("0123456789")
    wider = image_pipeline(SimpleNamespace(image_shape=(8, 8, 1), num_classes=12), "digits")
    assert wider.class_names is None
    assert next(iter(wider.batches("test", 2)))[1].shape == (2, 12)


def test_splits_and_num_examples_are_those_of_the_source(pipeline):
    assert pipeline.splits == ("train", "test")
    assert pipeline.num_examples("train") == NUM_TRAIN


def test_a_model_with_too_few_outputs_is_an_error(npz):
    narrow = image_pipeline(SimpleNamespace(image_shape=(6, 5, 1), num_classes=3), npz)
    with pytest.raises(ZooError, match="an output for each class.*3 outputs for the 4 classes"):
        narrow.batches("train", 5)


def test_an_unknown_split_is_an_error(pipeline):
    with pytest.raises(ZooError, match="`split` must be one of train, test.*'validation'"):
        pipeline.batches("validation", 5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("seed", -1),
        ("seed", 2**31),
        ("start_step", -1),
        ("start_step", 1),  # of which epoch?
        ("num_shards", 0),
        ("shard", -1),
    ],
)
def test_batches_reject_what_is_out_of_range(pipeline, name, value):
    settings = {"batch_size": 5, name: value}
    with pytest.raises(ValueError, match=f"`{name}` must be.*Received"):
        pipeline.batches("train", **settings)


def test_an_epoch_cannot_start_behind_its_end(pipeline):
    with pytest.raises(ValueError, match="`start_step` must be at most 3.*start_step=4"):
        pipeline.batches("train", 5, epoch=0, start_step=4)
