"""Data sets of TensorFlow Datasets without a network: their own features, random contents."""

import contextlib

import pytest


@contextlib.contextmanager
def mocked(num_examples, names=("train", "test"), num_bytes=64):
    """Inside of the block every data set has these splits, of random examples.

    Args:
        num_examples: int, of each split.
        names: names of the splits.
        num_bytes: int, what an example takes on disk, as the data set tells it.
    """
    tfds = pytest.importorskip("tensorflow_datasets")
    splits = tfds.core.splits.SplitDict(
        [
            tfds.core.SplitInfo(
                name=name,
                shard_lengths=[num_examples],
                num_bytes=num_examples * num_bytes,
                filename_template=tfds.core.ShardedFileTemplate(
                    dataset_name="mocked",
                    data_dir="/mocked",
                    split=name,
                    filetype_suffix="tfrecord",
                ),
            )
            for name in names
        ]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.DatasetInfo, "splits", property(lambda info: splits))
        with tfds.testing.mock_data(num_examples=num_examples):
            yield tfds
