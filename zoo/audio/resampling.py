"""Sounds of any sample rate at the rate of a model.

What is served is resampled by TensorFlow's own operations (`resample`), whose rate may be unknown
until the graph runs. What is trained on is resampled where it is decoded, by the same filters
(`resample_array`), which are made once for each pair of rates.
"""

import functools
import math

import numpy as np
import tensorflow as tf

# Zero crossings of the sinc on either side, where the pass band ends, and the window's shape: the
# stop band is below -100 dB.
HALF_WIDTH = 24
ROLLOFF = 0.93
KAISER_BETA = 12.0
LARGEST_KERNEL = 2**25
OUTPUTS_AT_ONCE = 16
# Larger products are given to several threads by OpenBLAS, which then wait for each other: the
# sounds are decoded in parallel already.
PRODUCTS_AT_ONCE = 2**18
# How many rows a product takes together; what is left over takes as long as that many.
ROWS_AT_ONCE = 8


def resample(waveform, rate_in, rate_out):
    """Returns a sound at another sample rate: band-limited interpolation by a windowed sinc.

    Output number k is the low-passed sound at the time k / rate_out; beyond its ends the sound is
    silence.

    Args:
        waveform: float32 (..., n), n may be unknown.
        rate_in: int or scalar int32 tensor, at least 1: samples of a second that it has.
        rate_out: int, at least 1: those that it shall have.

    Returns:
        float32 (..., ceil(n * rate_out / rate_in)).

    Raises:
        tf.errors.InvalidArgumentError: if a rate is below 1, or the two are hardly commensurable
            (their filters would take more than 128 MiB).
    """
    if isinstance(rate_in, int) and rate_in == rate_out:
        return waveform
    rate_in = tf.convert_to_tensor(rate_in, tf.int32)
    return tf.cond(
        tf.equal(rate_in, rate_out),
        lambda: waveform,
        lambda: _interpolated(waveform, rate_in, tf.constant(rate_out)),
    )


def resample_array(waveform, rate_in, rate_out):
    """Returns a sound at another sample rate, as `resample` does, up to the order of sums.

    Only products with filters' weights that are not zero are computed, of some outputs of each
    block at once.

    Args:
        waveform: float32 numpy array (n,).
        rate_in, rate_out: ints, of which `can_resample` is true.

    Returns:
        float32 numpy array (ceil(n * rate_out / rate_in),).
    """
    if rate_in == rate_out:
        return waveform
    up, down, margin, groups = _filter_groups(rate_in, rate_out)
    num_outputs = -(-len(waveform) * rate_out // rate_in)
    most = max(weights.size for _, _, weights in groups)
    num_blocks = -(-num_outputs // up)
    num_rows = max(PRODUCTS_AT_ONCE // most, 1)
    num_rows -= num_rows % ROWS_AT_ONCE if num_rows > ROWS_AT_ONCE else 0
    num_rows = min(num_rows, num_blocks)
    num_products = -(-num_blocks // num_rows)
    padded = np.zeros((num_products * num_rows + 1) * down, np.float32)
    kept = waveform[: len(padded) - margin]
    padded[margin : margin + len(kept)] = kept
    outputs = np.empty((num_products, num_rows, up), np.float32)
    for taps, columns, weights in groups:
        shape = (num_products, num_rows, taps.stop - taps.start)
        strides = (num_rows * down * padded.itemsize, down * padded.itemsize, padded.itemsize)
        windows = np.lib.stride_tricks.as_strided(padded[taps.start :], shape, strides)
        np.matmul(windows, weights, out=outputs[..., columns])
    return outputs.reshape(-1)[:num_outputs]


@functools.lru_cache(maxsize=64)
def _filter_groups(rate_in, rate_out):
    """Returns up, down, margin and groups of (taps, outputs, weights of these)."""
    divisor = math.gcd(rate_in, rate_out)
    margin = math.ceil(HALF_WIDTH / ROLLOFF * max(rate_in / rate_out, 1.0))
    up, down = _block(rate_in, rate_out, divisor, margin)
    # The rows of a group's windows must not overlap, or numpy copies them.
    repeats = math.ceil((2 * margin + 1 + OUTPUTS_AT_ONCE * rate_in / rate_out) / down)
    up, down = up * repeats, down * repeats
    with tf.init_scope(), tf.device("CPU:0"):
        kernel = _filters(tf.constant(up), tf.constant(down), tf.constant(margin)).numpy()
    groups = []
    for first in range(0, up, OUTPUTS_AT_ONCE):
        columns = slice(first, min(first + OUTPUTS_AT_ONCE, up))
        (used,) = np.nonzero(kernel[:, columns].any(axis=1))
        taps = slice(int(used[0]), int(used[-1]) + 1)
        groups.append((taps, columns, np.ascontiguousarray(kernel[taps, columns])))
    return up, down, margin, groups


def resampled_length(length, rate_in, rate_out):
    """Returns how many samples `resample` makes of `length`, both int32 tensors."""
    length, rate_in = tf.cast(length, tf.int64), tf.cast(rate_in, tf.int64)
    return tf.cast(-(-length * rate_out // rate_in), tf.int32)


def can_resample(rate_in, rate_out) -> bool:
    """Returns whether the filters between two sample rates, ints, are not too many."""
    if rate_in == rate_out:
        return True
    margin = math.ceil(HALF_WIDTH / ROLLOFF * max(rate_in / rate_out, 1.0))
    up, down = _block(rate_in, rate_out, math.gcd(rate_in, rate_out), margin)
    return up * 2 * down <= LARGEST_KERNEL


def _block(rate_in, rate_out, divisor, margin):
    """Returns how many outputs are made of how many inputs, ints or int32 tensors.

    The filters repeat after `rate_out / divisor` outputs, or `rate_in / divisor` inputs. A block is
    the least multiple of these whose inputs, together with `margin` more on either side, are in no
    more than two blocks.
    """
    periods = -(-(2 * margin + 1) * divisor // rate_in)
    return rate_out // divisor * periods, rate_in // divisor * periods


def _interpolated(waveform, rate_in, rate_out):
    """Returns the sound at another rate: each block and the next times a matrix of filters."""
    positive = tf.debugging.Assert(
        rate_in > 0, ["A sample rate must be at least 1. Received:", rate_in]
    )
    with tf.control_dependencies([positive]):
        rate_in = tf.identity(rate_in)  # it divides, here and below
    divisor = _greatest_common_divisor(rate_in, rate_out)
    stretch = tf.maximum(tf.cast(rate_in / rate_out, tf.float32), 1.0)
    margin = tf.cast(tf.math.ceil(HALF_WIDTH / ROLLOFF * stretch), tf.int32)
    up, down = _block(rate_in, rate_out, divisor, margin)
    fits = tf.debugging.Assert(
        tf.cast(up, tf.int64) * 2 * tf.cast(down, tf.int64) <= LARGEST_KERNEL,
        ["Sample rates must have a larger common divisor. Received:", rate_in, rate_out],
    )
    with tf.control_dependencies([fits]):
        kernel = _filters(up, down, margin)
    length, before = tf.shape(waveform)[-1], tf.shape(waveform)[:-1]
    num_outputs = resampled_length(length, rate_in, tf.cast(rate_out, tf.int64))
    num_blocks = -(-num_outputs // up)
    behind = (num_blocks + 1) * down - margin - length
    padded = tf.pad(waveform, [[0, 0]] * (waveform.shape.rank - 1) + [[margin, behind]])
    blocks = tf.reshape(padded, tf.concat([before, [num_blocks + 1, down]], axis=0))
    outputs = tf.tensordot(blocks[..., :-1, :], kernel[:down], 1)
    outputs += tf.tensordot(blocks[..., 1:, :], kernel[down:], 1)
    shape = tf.concat([before, [num_blocks * up]], axis=0)
    return tf.reshape(outputs, shape)[..., :num_outputs]


def _filters(up, down, margin):
    """Returns float32 (2 * down, up), the weights of two blocks' inputs in each output.

    The first `margin` inputs are those before the first output.
    """
    taps = tf.range(2 * down)[:, None] - margin
    outputs = tf.range(up)[None]
    # Exact in integers: times in inputs, of each input relative to each output.
    times = tf.cast(taps * up - outputs * down, tf.float64) / tf.cast(up, tf.float64)
    cutoff = ROLLOFF * tf.minimum(up / down, tf.ones((), tf.float64))
    width = HALF_WIDTH / cutoff
    window = tf.math.bessel_i0(
        KAISER_BETA * tf.sqrt(tf.maximum(1.0 - tf.square(times / width), 0.0))
    ) / tf.math.bessel_i0(tf.constant(KAISER_BETA, tf.float64))
    window = tf.where(tf.abs(times) < width, window, 0.0)
    phases = math.pi * cutoff * times
    sinc = tf.math.divide_no_nan(tf.sin(phases), phases)
    sinc = tf.where(phases == 0.0, tf.ones_like(sinc), sinc)
    return tf.cast(cutoff * sinc * window, tf.float32)


def _greatest_common_divisor(one, other):
    _, divisor = tf.while_loop(
        lambda rest, divisor: rest > 0,
        lambda rest, divisor: (divisor % rest, rest),
        (one, other),
    )
    return divisor
