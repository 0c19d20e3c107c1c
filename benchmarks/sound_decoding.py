"""How fast sounds are decoded by the pipeline, beside the bare decoders.

    python benchmarks/sound_decoding.py --data sounds/

Reads every sound file of a folder by soundfile alone, in a loop on one core, and as an epoch of the
pipeline that keeps nothing in memory: decoded, made mono, resampled to 8 kHz. Prints files and
millions of samples in a second of CPU time, all threads together, so that a busy machine matters
little.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import soundfile
import tensorflow as tf

from zoo import audio_sounds
from zoo.audio_decoding import SUFFIXES
from zoo.manifests import LabelledFile

SAMPLE_RATE = 8000


def readable(folder):
    """Returns the sound files of a folder that soundfile reads."""
    files = []
    for path in sorted(Path(folder).iterdir()):
        if path.suffix.lower() in SUFFIXES:
            try:
                soundfile.info(path)
            except soundfile.LibsndfileError:
                continue
            files.append(path)
    return files


def bare(files):
    """Returns the CPU seconds that the bare decoder takes for all files, and their samples."""
    start, samples = time.process_time(), 0
    for path in files:
        samples += soundfile.read(path, dtype="float32")[0].size
    return time.process_time() - start, samples


def pipeline(files, sample_rate):
    """Returns the CPU seconds that an epoch of the pipeline takes."""
    audio_sounds.MEMORY_LIMIT = 0
    sounds = audio_sounds.Sounds([LabelledFile(str(path), (0,)) for path in files], sample_rate)
    epoch = tf.data.Dataset.range(len(files)).map(
        sounds.waveform, num_parallel_calls=tf.data.AUTOTUNE
    )
    list(epoch.take(2))
    start = time.process_time()
    for _ in epoch:
        pass
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of sound files")
    files = readable(parser.parse_args().data)
    bare(files)  # warms the disk's cache
    seconds, samples = bare(files)
    print(f"{len(files)} files, {samples / 1e6:.1f} million samples")
    print(f"soundfile alone: {len(files) / seconds:.1f} files/s, {samples / seconds / 1e6:.1f} M/s")
    taken = pipeline(files, SAMPLE_RATE)
    share = seconds / taken
    print(
        f"pipeline: {len(files) / taken:.1f} files/s, {samples / taken / 1e6:.1f} M/s, {share:.0%}"
    )


if __name__ == "__main__":
    main()
