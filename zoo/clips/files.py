"""Clips in folders: which files there are, and what is in them, kept in memory."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.clips.codec import SUFFIXES, read_clip
from zoo.clips.reading import read_clips
from zoo.data.held_out import unit_hash
from zoo.errors import ZooError

SPLITS = ("train", "validation", "test")
TEST_SHARE = 0.2


def list_clips(source):
    """Returns the clips of a folder, or of a list in a file, by split.

    Args:
        source: pathlib.Path, one of: a folder with `train/` and, if there are such, `validation/`
            and `test/`, each with one folder of clips per class, or with clips of no class; a
            folder that is like one of these itself, of which about a fifth is the test split,
            chosen by a hash of the names; or a text file with a path in every line, and after a
            tab, if it is known, its class.

    Returns:
        (dict from split to list of (path, class or None), tuple of class names).

    Raises:
        ZooError: if there is no such folder or file, or no clip in it.
    """
    if source.is_file():
        splits = _split_by_name(_listed(source))
    elif (source / "train").is_dir():
        folders = {split: source / split for split in SPLITS if (source / split).is_dir()}
        splits = {split: _in_folder(folder) for split, folder in folders.items()}
    elif source.is_dir():
        splits = _split_by_name(_in_folder(source))
    else:
        raise ZooError(f"There is no such folder or list of clips: {source}.")
    splits = {split: clips for split, clips in splits.items() if clips}
    if "train" not in splits:
        raise ZooError(f"{source} has no clips to train on: {', '.join(SUFFIXES)} files.")
    names = {name for clips in splits.values() for _, name in clips if name is not None}
    return splits, tuple(sorted(names))


def _listed(file):
    clips = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip():
            path, _, name = line.partition("\t")
            path = Path(path.strip()).expanduser()
            clips.append((file.parent / path, name.strip() or None))
    return clips


def _in_folder(folder):
    clips = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            inside = sorted(path.iterdir())
            clips += [(one, path.name) for one in inside if one.suffix.lower() in SUFFIXES]
        elif path.suffix.lower() in SUFFIXES:
            clips.append((path, None))
    return clips


def _split_by_name(clips):
    test = [clip for clip in clips if unit_hash(clip[0].name) < TEST_SHARE]
    train = [clip for clip in clips if unit_hash(clip[0].name) >= TEST_SHARE]
    if not test or not train:  # too few to hold any out
        return {"train": clips}
    return {"train": train, "test": test}


class StoredClips:
    """The clips of a split, each cut to the model's length from its start, kept in memory.

    Args:
        clips: list of (path, class or None).
        class_names: names of the classes in the order of the logits.
        config: `MultimodalAutoencoderConfig`.
        skip_corrupt: bool. Leave out clips that cannot be read or are too short or mute.

    Raises:
        ZooError: as `zoo.clips.reading.read_clips`.
    """

    def __init__(self, clips, class_names, config, skip_corrupt=False):
        paths, names = zip(*clips, strict=True)
        read, reasons = read_clips(paths, lambda path: stored_clip(path, config), skip_corrupt)
        self.skipped, self.num_clips = tuple(reasons), len(read)
        labels = [-1 if names[n] is None else class_names.index(names[n]) for n, _, _ in read]
        with tf.init_scope(), tf.device("CPU:0"):
            self._videos = tf.constant(np.stack([video for _, video, _ in read]))
            self._sounds = tf.constant(np.stack([audio for _, _, audio in read]))
            self._labels = tf.constant(labels, tf.int32)

    def clip(self, index, key):
        """Returns video uint8, audio float32 in [-1, 1] and label, scalar int32 (-1: unknown)."""
        audio = tf.cast(self._sounds[index], tf.float32) / (2**15 - 1)
        return self._videos[index], audio, self._labels[index]


def stored_clip(path, config):
    """Returns the start of a clip as it is kept: video uint8, and audio int16 (n,)."""
    frames, *side, _ = config.image_shape
    video, audio = read_clip(
        path,
        num_frames=frames,
        frame_rate=config.frame_rate,
        side=side,
        num_samples=config.num_audio_samples,
        sample_rate=config.sample_rate,
    )
    return video, in_16_bits(audio)


def in_16_bits(audio):
    """Returns samples in [-1, 1] as int16."""
    return np.round(audio * (2**15 - 1)).astype("int16")
