"""One softmax over everything that readers read.

A reader (`folded.RowsReader`, `separable.GridReader`) has

- `score_bound()`: an upper bound of each query's scores, float32 `(b, heads_and_queries, 1)`;
- `largest_score(needed)`: the largest of them, exactly;
- `gather(shift, needed)`: sums over its rows of exp(score - shift) times the row over its standard
  deviation, times 1, and times 1 before dropout; the first `(b, heads_and_queries, channels)` with
  channels in the published order, the others `(b, heads_and_queries, 1)`;
- `mask`: bool `(b, m)` or None.

Where the bool scalar `needed` is False, what they return does not matter, and they take no time.

Several of them make one softmax: shifted alike, their sums add up. The shift cancels out in the
end, so any that keeps the exponentials inside float32 will do. A bound costs no pass over the
scores, but where it is loose, everything may vanish below the smallest float: then the maximum
itself is taken.
"""

import functools

import keras
from keras import ops

from perceiver_tf.layers.attention import MASKED_SCORE

# The gradient of 1 / total holds its square, which must stay inside float32 too.
SMALLEST_TOTAL = 1e-16


def gather(readers, drops):
    """Return the attention-weighted sums of all readers' rows.

    Args:
        readers: list of readers, see the module.
        drops: bool, whether dropout acts. Its draws are then made once, outside of a condition,
            at the price of always looking for the maximum.

    Returns:
        (gathered, total) as `folded.unfold_values` takes them.
    """
    if drops:
        sums = _add_up(readers, _largest(readers))
    else:
        bound = functools.reduce(ops.maximum, [reader.score_bound() for reader in readers])
        sums = _add_up(readers, ops.stop_gradient(bound))
        attends = _attends_to_any(readers)
        is_safe = ops.all(ops.logical_or(sums[2] > SMALLEST_TOTAL, ops.logical_not(attends)))
        sums = _corrected(readers, sums, ops.logical_not(is_safe))
    gathered, kept, total = sums
    inverse = ops.where(total > 0, 1.0 / ops.maximum(total, SMALLEST_TOTAL), 0.0)
    return gathered * inverse, kept * inverse


def _corrected(readers, sums, is_needed):
    """Return the sums, anew with the largest scores as shift where that is needed."""
    if keras.backend.backend() != "tensorflow":
        return ops.cond(is_needed, lambda: _add_up(readers, _largest(readers)), lambda: sums)
    # XLA does not compile the gradient of the loops over blocks inside of a condition.
    again = _add_up(readers, _largest(readers, is_needed), is_needed)
    return tuple(map(functools.partial(ops.where, is_needed), again, sums))


def _add_up(readers, shift, needed=None):
    sums = [reader.gather(shift, needed) for reader in readers]
    return tuple(map(sum, zip(*sums, strict=True)))


def _largest(readers, needed=None):
    largest = functools.reduce(ops.maximum, [reader.largest_score(needed) for reader in readers])
    # Above the masked scores, so that a query that may attend to nothing gathers nothing.
    return ops.stop_gradient(ops.maximum(largest, MASKED_SCORE / 2))


def _attends_to_any(readers):
    """Return bool `(b or 1, 1, 1)`, whether there is a row to attend to."""
    if any(reader.mask is None for reader in readers):
        return ops.ones((1, 1, 1), dtype="bool")
    anywhere = [ops.any(reader.mask, axis=-1)[:, None, None] for reader in readers]
    return functools.reduce(ops.logical_or, anywhere)
