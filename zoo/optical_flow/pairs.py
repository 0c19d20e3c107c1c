"""Where frame pairs come from: a folder with `.flo` files, or sample photographs without any."""

import importlib.resources
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.data.held_out import unit_hash
from zoo.data.pipeline import require_readable
from zoo.errors import ZooError
from zoo.optical_flow.files import decode_flo, flo_size, read_frame

SAMPLES = "samples"
SPLIT_FILE = "FlyingChairs_train_val.txt"
TEST_SHARE = 0.2
MEMORY_LIMIT = 512 * 2**20
FRAME_SUFFIXES = (".png", ".ppm", ".jpg", ".jpeg", ".bmp")
_FIRST_FRAME = re.compile(r"(.+)_img1(\.\w+)")


@dataclass(frozen=True)
class PairFiles:
    """One frame pair on the disk.

    Attributes:
        name: what the names of its files have in common.
        first, second: paths of the frames.
        flow: path of the `.flo` file, or None if the flow is not known.
        size: (height, width) of the frames.
    """

    name: str
    first: str
    second: str
    flow: str | None
    size: tuple[int, int]


def read_pair(first, second, flow, size):
    """Returns a frame pair with its flow, in TensorFlow's operations.

    Args:
        first, second, flow: scalar strings, paths; an empty `flow`: no file.
        size: int32 (2,), height and width.

    Returns:
        uint8 (2, height, width, 3) and float32 (height, width, 2).
    """
    frames = [read_frame(first), read_frame(second)]
    for frame, path in zip(frames, (first, second), strict=True):
        require_readable(tf.reduce_all(tf.shape(frame)[:2] == size), path)
    values = tf.cond(
        tf.strings.length(flow) > 0,
        lambda: decode_flo(tf.io.read_file(flow), size),
        lambda: tf.zeros(tf.concat([size, (2,)], axis=0)),
    )
    return tf.stack(frames), values


def open_pairs(spec, skip_corrupt=False) -> dict[str, list[PairFiles]]:
    """Lists the frame pairs of a data source.

    Args:
        spec: a folder with `NAME_img1.png`, `NAME_img2.png` and `NAME_flow.flo` for each pair
            (FlyingChairs' own names, also `.ppm` and others of `FRAME_SUFFIXES`); or "samples":
            two photographs that scikit-learn brings along, without flow.
        skip_corrupt: bool. Leave out pairs that cannot be read.

    Returns:
        dict of "train" and "test" to lists of pairs. FlyingChairs' split file, if it lies in or
        beside the folder, decides; otherwise about a fifth of the pairs, chosen by a hash of their
        names, is the test split.

    Raises:
        ZooError: if there is no such folder, or it does not hold at least two pairs, or one of
            them is incomplete.
    """
    if spec == SAMPLES:
        return _sample_photographs()
    folder = Path(spec).expanduser()
    if not folder.is_dir():
        raise ZooError(
            f"The data of optical flow must be a folder of frame pairs or {SAMPLES!r}. "
            f"Received: {spec}, {'a file' if folder.exists() else 'not found'}."
        )
    found = [_FIRST_FRAME.fullmatch(name) for name in sorted(os.listdir(folder))]
    found = [match.groups() for match in found if match]
    found = [(name, suffix) for name, suffix in found if suffix.lower() in FRAME_SUFFIXES]
    if len(found) < 2:
        raise ZooError(
            f"{folder} must hold at least two frame pairs, each NAME_img1.png, NAME_img2.png and "
            f"NAME_flow.flo. Received: {len(found)}."
        )
    is_test = _is_test(folder, [name for name, _ in found])
    return {
        split: _pairs(
            folder,
            [names for names, test in zip(found, is_test, strict=True) if test is side],
            skip_corrupt,
        )
        for split, side in (("train", False), ("test", True))
    }


def _pairs(folder, found, skip_corrupt):
    """Returns the pairs of which all files are there."""
    pairs = []
    for name, suffix in found:
        first, second = (folder / f"{name}_img{number}{suffix}" for number in (1, 2))
        flow = folder / f"{name}_flow.flo"
        try:
            if not second.is_file():
                raise ZooError(f"The second frame of {first} is missing: {second}.")
            pairs.append(PairFiles(name, str(first), str(second), str(flow), flo_size(flow)))
        except ZooError:
            if not skip_corrupt:
                raise
    if not pairs:
        raise ZooError(f"None of the {len(found)} frame pairs in {folder} can be read.")
    return pairs


def _is_test(folder, names):
    """Returns of each pair whether it is held out."""
    for path in (folder / SPLIT_FILE, folder.parent / SPLIT_FILE):
        if path.is_file():
            numbers = path.read_text().split()
            if len(numbers) != len(names) or set(numbers) != {"1", "2"}:
                raise ZooError(
                    f"{path} must have one number, 1 or 2, for each of the {len(names)} pairs, "
                    f"and both. Received: {len(numbers)} entries."
                )
            return [number == "2" for number in numbers]
    hashes = [unit_hash(name) for name in names]
    # At least one pair is held out, and not all are.
    limit = min(max(TEST_SHARE, min(hashes) * (1 + 1e-9)), max(hashes))
    return [value < limit for value in hashes]


def _sample_photographs():
    folder = importlib.resources.files("sklearn.datasets.images")
    china, flower = (
        PairFiles(name, str(folder / f"{name}.jpg"), str(folder / f"{name}.jpg"), None, (427, 640))
        for name in ("china", "flower")
    )
    return {"train": [china], "test": [flower]}


def fits_memory(pairs) -> bool:
    """Whether all pairs have one size and their frames and flows fit into `MEMORY_LIMIT` bytes."""
    sizes = {pair.size for pair in pairs}
    height, width = pairs[0].size
    return len(sizes) == 1 and len(pairs) * height * width * (2 * 3 + 8) <= MEMORY_LIMIT


def load_pairs(pairs, skip_corrupt=False):
    """Reads all pairs into memory.

    Returns:
        uint8 (n, 2, height, width, 3) and float32 (n, height, width, 2).

    Raises:
        ZooError: if one cannot be read (with `skip_corrupt`: if none can).
    """
    frames, flows = [], []
    for pair in pairs:
        try:
            both, flow = read_pair(pair.first, pair.second, pair.flow or "", pair.size)
        except (tf.errors.OpError, ValueError) as error:
            if skip_corrupt:
                continue
            raise ZooError(
                f"Cannot read the frames of {os.path.dirname(pair.first)}/{pair.name}: they must "
                f"be complete images of {pair.size[0]} x {pair.size[1]} pixels, as their flow."
            ) from error
        frames.append(both.numpy())
        flows.append(flow.numpy())
    if not frames:
        raise ZooError(f"None of the {len(pairs)} frame pairs can be read.")
    return np.stack(frames), np.stack(flows)
