"""Data sets of TensorFlow Datasets without a network: random contents, or own examples."""

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


@contextlib.contextmanager
def prepared(folder, name, splits):
    """Inside of the block a data set is there, prepared with its own features.

    Args:
        folder: where it is prepared, the same for all that are used together.
        name: str, of the data set.
        splits: dict from the names of splits to lists of examples, as its features take them.
    """
    tfds = pytest.importorskip("tensorflow_datasets")
    numbered = {split: list(enumerate(examples)) for split, examples in splits.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.constants, "DATA_DIR", str(folder))
        kind = tfds.builder_cls(name.partition("/")[0])
        patch.setattr(kind, "_split_generators", lambda builder, manager: numbered)
        tfds.builder(name).download_and_prepare()
        yield tfds
