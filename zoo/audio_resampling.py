"""Sounds of any sample rate at the rate of a model, by TensorFlow's own operations.

The same function resamples what is trained on and what is served; a rate may be unknown until the
graph runs.
"""

import math

import tensorflow as tf

# Zero crossings of the sinc on either side, where the pass band ends, and the window's shape: the
# stop band is below -100 dB.
HALF_WIDTH = 24
ROLLOFF = 0.93
KAISER_BETA = 12.0
LARGEST_KERNEL = 2**25


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


def resampled_length(length, rate_in, rate_out):
    """Returns how many samples `resample` makes of `length`, both int32 tensors."""
    length, rate_in = tf.cast(length, tf.int64), tf.cast(rate_in, tf.int64)
    return tf.cast(-(-length * rate_out // rate_in), tf.int32)


def can_resample(rate_in, rate_out) -> bool:
    """Returns whether the filters between two sample rates, ints, are not too many."""
    divisor = math.gcd(rate_in, rate_out)
    up, down = rate_out // divisor, rate_in // divisor
    width = down + 2 * HALF_WIDTH / ROLLOFF * max(1, down / up) + 3
    return up == down or up * width <= LARGEST_KERNEL


def _interpolated(waveform, rate_in, rate_out):
    """Returns the sound at another rate.

    The filters repeat after `up` outputs, or `down` inputs. That many outputs in a row see the same
    inputs and their surroundings, so that all of them are one product of framed inputs with a
    matrix of one filter for each. Short frames are taken together, as neighbours share most of
    their surroundings.
    """
    positive = tf.debugging.Assert(
        rate_in > 0, ["A sample rate must be at least 1. Received:", rate_in]
    )
    with tf.control_dependencies([positive]):
        divisor = _greatest_common_divisor(rate_in, rate_out)
    stretch = tf.maximum(tf.cast(rate_in / rate_out, tf.float32), 1.0)
    margin = tf.cast(tf.math.ceil(HALF_WIDTH * stretch / ROLLOFF), tf.int32)
    together = -(-2 * margin * divisor // rate_in)
    up, down = (rate // divisor * together for rate in (rate_out, rate_in))
    frame_length = down + 2 * margin + 1
    fits = tf.debugging.Assert(
        tf.cast(up, tf.int64) * tf.cast(frame_length, tf.int64) <= LARGEST_KERNEL,
        ["Sample rates must have a larger common divisor. Received:", rate_in, rate_out],
    )
    with tf.control_dependencies([fits]):
        kernel = _filters(up, down, margin, frame_length)
    length = tf.shape(waveform)[-1]
    num_outputs = resampled_length(length, rate_in, tf.cast(rate_out, tf.int64))
    num_frames = -(-num_outputs // up)
    behind = (num_frames - 1) * down + frame_length - length - margin
    sides = [[0, 0]] * (waveform.shape.rank - 1) + [[margin, tf.maximum(behind, 0)]]
    frames = tf.signal.frame(tf.pad(waveform, sides), frame_length, down)[..., :num_frames, :]
    outputs = tf.tensordot(frames, kernel, 1)
    shape = tf.concat([tf.shape(waveform)[:-1], [num_frames * up]], axis=0)
    return tf.reshape(outputs, shape)[..., :num_outputs]


def _filters(up, down, margin, frame_length):
    """Returns float32 (frame_length, up), the weights of a frame's inputs in each output."""
    taps = tf.range(frame_length, dtype=tf.int32)[:, None] - margin
    outputs = tf.range(up, dtype=tf.int32)[None]
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
