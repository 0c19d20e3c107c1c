"""Checkpoints whose tensors lie in several files, with an index that says which one has which."""

import json
import pathlib
from collections import defaultdict

from perceiver_tf.checkpoints.errors import CheckpointError


def open_shards(index, open_file):
    """Open the files that an index names.

    Args:
        index: path of a JSON file whose `weight_map` has, for the name of each tensor, that of a
            file beside it.
        open_file: function from a path to (shapes, read), see `torch_files.open_torch`.

    Returns:
        (shapes, read), see there.

    Raises:
        CheckpointError: if the index is damaged, a file is missing or damaged, or a file and the
            index disagree.
    """
    index = pathlib.Path(index)
    shapes, readers = {}, {}
    for file_name, names in _names_by_file(index).items():
        path = index.parent / file_name
        if not path.is_file():
            raise CheckpointError(f"{index} names a file that is missing: {path}.")
        of_file, read = open_file(path)
        if names != set(of_file):
            name = min(names ^ set(of_file))
            holder, lacking = (path, index) if name in of_file else (index, path)
            raise CheckpointError(f"{holder} has the tensor {name}, which {lacking} lacks.")
        shapes |= of_file
        readers |= dict.fromkeys(of_file, read)
    return shapes, lambda name: readers[name](name)


def _names_by_file(index):
    try:
        files = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        by_file = defaultdict(set)
        for name, file_name in files.items():
            by_file[_checked(file_name)].add(name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{index} must be a JSON object whose `weight_map` names a file beside it for each "
            f"tensor. Received: {type(error).__name__}: {error}"
        ) from error
    return by_file


def _checked(file_name):
    if pathlib.PurePath(file_name).name != file_name:
        raise ValueError(f"the file {file_name!r}")
    return file_name
