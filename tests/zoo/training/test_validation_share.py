import numpy as np
import pytest
import tensorflow as tf

from zoo.data.example_pipeline import ExamplePipeline, Split, Stream
from zoo.data.pipeline import Pipeline
from zoo.errors import ZooError
from zoo.images.arrays import ArraySource
from zoo.images.pipeline import ImagePreprocess
from zoo.training.validation_share import with_validation_split


def image_pipeline(splits):
    """Images that are all of one brightness, the number of the example."""
    arrays = {}
    for split, (first, n) in splits.items():
        brightness = (first + np.arange(n))[:, None, None, None]
        arrays[split] = (np.full((n, 2, 3, 1), brightness), np.arange(n) % 2)
    source = ArraySource("brightness", arrays, num_classes=2)
    return Pipeline(source, ImagePreprocess((2, 3, 1), 0.0, 1.0), 2)


def numbers(pipeline, split):
    batches = [images for images, _ in pipeline.batches(split, 4)]
    return sorted(np.round(np.concatenate(batches)[:, 0, 0, 0] * 255).astype(int).tolist())


def test_images_are_held_out_once_and_for_good():
    pipeline = image_pipeline({"train": (0, 20), "test": (100, 3)})
    split = with_validation_split(pipeline, 0.2)
    assert split.splits == ("train", "validation", "test")
    train, held_out = numbers(split, "train"), numbers(split, "validation")
    assert len(held_out) == 4 and sorted(train + held_out) == list(range(20))
    assert held_out != [16, 17, 18, 19]
    assert numbers(split, "test") == [100, 101, 102]
    assert numbers(with_validation_split(pipeline, 0.2), "validation") == held_out
    assert split.num_examples("train") == 16 and split.num_examples("test") == 3


def test_images_that_were_left_out_are_still_told():
    pipeline = image_pipeline({"train": (0, 20)})
    pipeline.source.skipped_files = ("a.png",)
    assert with_validation_split(pipeline).skipped == ("a.png",)


def test_a_validation_split_of_the_data_stays():
    pipeline = image_pipeline({"train": (0, 5), "validation": (50, 2), "test": (100, 3)})
    assert with_validation_split(pipeline) is pipeline


def test_examples_of_any_kind_are_held_out():
    def example(index, key, training):
        return tf.cast(index, tf.float32), tf.constant(training)

    pipeline = ExamplePipeline("numbers", lambda: {"train": Split(10, example)}, None)
    split = with_validation_split(pipeline, 0.3)
    found = {
        name: [int(n) for batch, _ in split.batches(name, 4) for n in batch]
        for name in split.splits
    }
    assert len(found["validation"]) == 3
    assert sorted(found["train"] + found["validation"]) == list(range(10))


def test_examples_that_are_fetched_are_held_out():
    def fetch(numbers):
        return numbers.batch(3).map(lambda place, number: (place, 100 + number)).unbatch()

    def example(fetched, key, training):
        return tf.cast(fetched, tf.float32), tf.constant(training)

    pipeline = ExamplePipeline("numbers", lambda: {"train": Split(10, example, fetch)}, None)
    split = with_validation_split(pipeline, 0.3)
    found = {
        name: [int(n) for batch, _ in split.batches(name, 4, training=True) for n in batch]
        for name in split.splits
    }
    assert len(found["validation"]) == 3
    assert sorted(found["train"] + found["validation"]) == list(range(100, 110))


def test_examples_of_a_stream_are_held_out():
    def example(number, key, training):
        return tf.cast(number, tf.float32), tf.constant(training)

    stream = Stream(10, lambda: tf.data.Dataset.range(10), example, 4)
    pipeline = ExamplePipeline("numbers", lambda: {"train": stream}, None)
    split = with_validation_split(pipeline, 0.3)
    found = {
        name: [int(n) for batch, _ in split.batches(name, 4, training=True) for n in batch]
        for name in split.splits
    }
    assert len(found["validation"]) == split.num_examples("validation") == 3
    assert sorted(found["train"] + found["validation"]) == list(range(10))
    assert found["train"] != sorted(found["train"])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_the_share_must_leave_something(share):
    with pytest.raises(ZooError, match=r"`validation_share` must be in \(0, 1\). Received: "):
        with_validation_split(image_pipeline({"train": (0, 5)}), share)


def test_one_example_cannot_be_shared():
    with pytest.raises(ZooError, match="at least 2 examples, to hold one out. Received: 1"):
        with_validation_split(image_pipeline({"train": (0, 1)}))


def test_images_that_do_not_fit_into_memory_must_have_their_own_split():
    class Stream(ArraySource):
        def arrays(self, split):
            return None

    pipeline = image_pipeline({"train": (0, 5)})
    arrays = {"train": (np.zeros((5, 2, 3, 1)), np.zeros(5))}
    source = Stream("a stream", arrays, num_classes=2)
    with pytest.raises(ZooError, match="a stream must have a split or folder `validation`"):
        with_validation_split(Pipeline(source, pipeline.preprocess, 2))
