import numpy as np
import pytest
import tensorflow as tf

from zoo.data.example_pipeline import ExamplePipeline, Split, Stream
from zoo.errors import ZooError
from zoo.recipes.augmentation import Augmentation


def example(index, key, training):
    """Returns the number of the example, and a draw that training adds to it."""
    draw = tf.random.stateless_uniform((), key) if training else 0.0
    return {"number": tf.cast(index, tf.float32) + draw}, index


def pipeline():
    opened = []

    def open_splits():
        opened.append(True)
        return {"train": Split(7, example), "test": Split(4, example)}

    return ExamplePipeline("numbers", open_splits, preprocess=None), opened


def epoch_of(batches):
    numbers, targets = zip(*((x["number"].numpy(), y.numpy()) for x, y in batches), strict=True)
    return np.concatenate(numbers), np.concatenate(targets)


def test_data_is_opened_once_and_only_when_needed():
    numbers, opened = pipeline()
    assert not opened
    assert numbers.splits == ("train", "test")
    assert (numbers.num_examples("train"), numbers.num_examples("test")) == (7, 4)
    assert len(opened) == 1


def test_evaluation_keeps_the_order_and_training_shuffles():
    numbers, _ = pipeline()
    found, targets = epoch_of(numbers.batches("test", 3))
    np.testing.assert_array_equal(found, [0, 1, 2, 3])
    np.testing.assert_array_equal(targets, [0, 1, 2, 3])
    found, targets = epoch_of(numbers.batches("train", 3, training=True, epoch=0))
    assert sorted(targets) == list(range(7)) != list(targets)
    assert ((found - targets > 0) & (found - targets < 1)).all()


def test_epochs_depend_on_seed_and_number_only():
    numbers, _ = pipeline()
    batches = numbers.batches("train", 3, training=True, seed=5)
    first, second = epoch_of(batches)[0], epoch_of(batches)[0]
    assert not np.array_equal(first, second)
    again = epoch_of(numbers.batches("train", 3, training=True, seed=5, epoch=1))[0]
    np.testing.assert_array_equal(again, second)
    other = epoch_of(numbers.batches("train", 3, training=True, seed=6, epoch=1))[0]
    assert not np.array_equal(other, second)
    endless = numbers.batches("train", 3, training=True, seed=5, epoch=0, repeat=True).take(6)
    np.testing.assert_array_equal(epoch_of(endless)[0], np.concatenate([first, second]))


def test_an_epoch_goes_on_from_any_step_without_making_what_lies_before():
    made = []

    def counted(index, key, training):
        made.append(tf.numpy_function(lambda i: seen.append(int(i)) or i, [index], tf.int64))
        return example(index, key, training)[0], tf.ensure_shape(made[-1], ())

    seen = []
    numbers = ExamplePipeline("numbers", lambda: {"train": Split(7, counted)}, preprocess=None)

    def batches(**settings):
        return numbers.batches("train", 2, training=True, seed=3, epoch=2, **settings)

    whole = epoch_of(batches())
    seen.clear()
    rest = epoch_of(batches(start_step=2))
    assert sorted(seen) == sorted(whole[1][4:])
    np.testing.assert_array_equal(rest, np.array(whole)[:, 4:])


def streamed(size=9, buffer=4):
    def stored():
        return tf.data.Dataset.range(size)

    stream = Stream(size, stored, example, buffer)
    return ExamplePipeline("stream", lambda: {"train": stream}, preprocess=None)


@pytest.mark.parametrize("global_seed", [0, 5])
def test_a_stream_depends_on_seed_and_epoch_alone(global_seed):
    settings = {"training": True, "seed": 3}
    tf.random.set_seed(1)
    whole = np.array(epoch_of(streamed().batches("train", 2, **settings, epoch=1)))
    tf.random.set_seed(global_seed)
    endless = streamed().batches("train", 2, **settings, epoch=0, repeat=True)
    np.testing.assert_array_equal(epoch_of(endless.skip(5).take(5)), whole)
    rest = streamed().batches("train", 2, **settings, epoch=1, start_step=3)
    np.testing.assert_array_equal(epoch_of(rest), whole[:, 6:])
    share = streamed().batches("train", 2, **settings, epoch=1, num_shards=2, shard=1)
    np.testing.assert_array_equal(epoch_of(share), whole[:, 1::2])
    assert sorted(whole[1]) == list(range(9)) != list(whole[1])
    assert epoch_of(streamed().batches("train", 2))[1].tolist() == list(range(9))


def test_workers_share_an_epoch():
    numbers, _ = pipeline()
    settings = {"training": True, "seed": 3, "epoch": 2}
    whole = np.array(epoch_of(numbers.batches("train", 2, **settings)))
    shares = [numbers.batches("train", 2, **settings, num_shards=2, shard=i) for i in range(2)]
    assert [len(share) for share in shares] == [2, 2]
    for shard, share in enumerate(shares):
        np.testing.assert_array_equal(epoch_of(share), whole[:, shard::2])


def test_remainder_is_dropped_on_request():
    numbers, _ = pipeline()
    assert [len(y) for _, y in numbers.batches("train", 3)] == [3, 3, 1]
    dropped = numbers.batches("train", 3, drop_remainder=True)
    assert dropped.element_spec[1].shape == (3,)
    assert len(dropped) == len(list(dropped)) == 2


def test_what_cannot_be_delivered_is_an_error():
    numbers, _ = pipeline()
    with pytest.raises(ZooError, match="numbers must have the split 'validation'. Received"):
        numbers.batches("validation", 3)
    with pytest.raises(ValueError, match="`batch_size` must be at least 1. Received: 0"):
        numbers.batches("test", 0)
    with pytest.raises(ValueError, match="`augmentation` must be off for numbers"):
        numbers.batches("train", 3, training=True, augmentation=Augmentation(flip=True))
    assert len(numbers.batches("train", 3, training=True, augmentation=Augmentation())) == 3
