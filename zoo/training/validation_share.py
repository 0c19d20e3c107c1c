"""A part of the training data held out for choosing, where the data has no such split."""

import numpy as np
import tensorflow as tf

from zoo.data.epochs import WHOLE
from zoo.data.example_pipeline import ExamplePipeline, Split, Stream
from zoo.data.pipeline import Pipeline
from zoo.errors import ZooError
from zoo.images.arrays import ImageSource, array_examples


def with_validation_split(pipeline, share=0.2):
    """Returns a pipeline that has a split "validation", so that "test" need not be looked at.

    The examples held out are always the same for data of one length: they depend neither on a
    seed nor on what is done with them.

    Args:
        pipeline: `zoo.data.pipeline.Pipeline` or `zoo.data.example_pipeline.ExamplePipeline`.
        share: float in (0, 1), of the training examples.

    Returns:
        `pipeline` itself if its data has a split "validation", else one that takes it from
        "train".

    Raises:
        ZooError: If `share` is outside of its range, or the training images do not fit into
            memory: these must have a validation split of their own.
    """
    if not 0 < share < 1:
        raise ZooError(f"`validation_share` must be in (0, 1). Received: {share}.")
    if "validation" in pipeline.splits:
        return pipeline
    if isinstance(pipeline, ExamplePipeline):
        return _with_examples_held_out(pipeline, share)
    source = _HeldOutSource(pipeline.source, share)
    return Pipeline(source, pipeline.preprocess, pipeline.num_classes)


def _rows(num_examples, share):
    """Returns the numbers of the examples kept and of those held out, int64, in order."""
    num_held_out = min(max(round(share * num_examples), 1), num_examples - 1)
    if num_held_out < 1:
        raise ZooError(
            "The training data must have at least 2 examples, to hold one out. "
            f"Received: {num_examples}."
        )
    order = np.random.RandomState(0).permutation(num_examples)
    return np.sort(order[num_held_out:]), np.sort(order[:num_held_out])


def _with_examples_held_out(pipeline, share):
    def open_splits():
        splits = {name: pipeline.split(name) for name in pipeline.splits}
        train = splits.pop("train")
        kept, held_out = _rows(train.num_examples, share)
        return {"train": _subset(train, kept), "validation": _subset(train, held_out), **splits}

    return ExamplePipeline(pipeline.name, open_splits, pipeline.preprocess, pipeline.class_names)


def _subset(split, rows):
    if isinstance(split, Stream):
        return _stream_subset(split, rows)
    rows = tf.constant(rows, tf.int64)

    def fetch(numbers):
        fetched = numbers.map(lambda place, index: (place, rows[index]))
        return fetched if split.fetch is None else split.fetch(fetched)

    return Split(rows.shape[0], split.example, fetch)


def _stream_subset(stream, rows):
    is_there = np.zeros(stream.num_examples, bool)
    is_there[rows] = True

    def stored():
        there = tf.constant(is_there)
        numbered = stream.stored().enumerate().filter(lambda number, _: there[number])
        return numbered.map(lambda _, example: example)

    return Stream(len(rows), stored, stream.example, stream.shuffle_buffer)


class _HeldOutSource(ImageSource):
    """Another source's images, with a split "validation" taken from those for training."""

    def __init__(self, source, share):
        self.name = source.name
        self.class_names = source.class_names
        self.num_classes = source.num_classes
        self.splits = ("train", "validation", *(s for s in source.splits if s != "train"))
        self._source = source
        arrays = source.arrays("train")
        if arrays is None:
            raise ZooError(
                f"{source.name} must have a split or folder `validation`: its training images "
                "are too large to hold some of them out."
            )
        rows = _rows(source.num_examples("train"), share)
        self._arrays = {
            split: tuple(tf.gather(array, part) for array in arrays)
            for split, part in zip(("train", "validation"), rows, strict=True)
        }

    @property
    def skipped_files(self):
        return self._source.skipped_files

    def num_examples(self, split):
        if split in self._arrays:
            return self._arrays[split][1].shape[0]
        return self._source.num_examples(split)

    def arrays(self, split):
        return self._arrays[split] if split in self._arrays else self._source.arrays(split)

    def examples(self, split, shuffle_key=None, share=WHOLE):
        if split in self._arrays:
            return array_examples(self._arrays[split], shuffle_key, share)
        return self._source.examples(split, shuffle_key, share)
