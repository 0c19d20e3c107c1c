"""The sound of a file that PyAV has opened: a part of it, in mono, at the wanted rate."""

import numpy as np

from zoo.audio.resampling import can_resample, resample_array
from zoo.errors import ZooError

# What is read before and behind a part, in seconds: what the filters of resampling reach at 1 kHz.
AROUND = 0.03
# Seconds between two frames, from which on there is silence: clocks are not more exact than that.
GAP = 0.05
UINT8_MIDDLE = 128


def read_part(path, frames, start, num_samples, sample_rate):
    """Returns samples from a time stamp on, silence before the sound begins and where it pauses.

    Args:
        path: of the file, for errors.
        frames: iterable of `av.AudioFrame`, from the start of the file on.
        start: float, time stamp in seconds.
        num_samples: int, at least 1.
        sample_rate: int, of what is returned.

    Returns:
        float32 numpy array (n,) in [-1, 1], n at most `num_samples`: less where the sound ends
        before, 0 where there is none from `start` on.

    Raises:
        ZooError: if the sound changes its rate or channels, or has a rate that is not resampled.
    """
    pieces, length, rate, last = [], 0, None, start + num_samples / sample_rate + AROUND
    for frame in frames:
        if rate is None:
            rate, begin = frame.sample_rate, frame.time or 0.0
            if not can_resample(rate, sample_rate):
                raise ZooError(f"The sound of {path} has {rate} samples a second: not resampled.")
        if frame.sample_rate != rate:
            raise ZooError(f"The sound of {path} changes its samples a second, which is not read.")
        samples = _channels(frame)
        if pieces and len(samples) != len(pieces[0]):
            raise ZooError(f"The sound of {path} changes its channels, which is not read.")
        if frame.time is not None:
            missing = round((min(frame.time, last) - begin) * rate) - length
            if missing > GAP * rate:
                pieces.append(_silence(samples, missing))
                length += missing
        pieces.append(samples)
        length += samples.shape[1]
        if frame.time is not None and frame.time >= last:
            break
    if not pieces:
        return np.zeros(0, np.float32)
    samples = _mono(np.concatenate(pieces, axis=1))
    # Whole seconds only are left out: the samples at the new rate stay where they are.
    seconds = max(int(start - begin - AROUND), 0)
    samples = resample_array(samples[seconds * rate :], rate, sample_rate)
    first = round((begin + seconds - start) * sample_rate)
    samples = np.concatenate([np.zeros(max(first, 0), np.float32), samples[max(-first, 0) :]])
    return np.clip(samples[:num_samples], -1.0, 1.0)


def _channels(frame):
    """Returns the samples of an `av.AudioFrame`, (channels, n), as they are stored."""
    samples = frame.to_ndarray()
    return samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T


def _silence(samples, count):
    """Returns so many silent samples, (channels, count), of the form of others."""
    middle = UINT8_MIDDLE if samples.dtype == np.uint8 else 0
    return np.full((len(samples), count), middle, samples.dtype)


def _mono(samples):
    """Returns the mean of all channels, float32 (n,); whole numbers are brought to [-1, 1]."""
    mono = samples[0].astype(np.float32)
    for channel in samples[1:]:
        mono += channel
    if samples.dtype.kind == "f":
        return mono / np.float32(len(samples))
    if samples.dtype == np.uint8:
        return mono / np.float32(len(samples) * UINT8_MIDDLE) - np.float32(1.0)
    return mono / np.float32(-np.iinfo(samples.dtype).min * len(samples))
