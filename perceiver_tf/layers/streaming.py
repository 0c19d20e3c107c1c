"""Blocks: what is too large to hold at once is computed piece by piece, exactly.

Scores of N queries against M inputs take N x M numbers. Where these exceed `reading.BLOCK_BYTES`,
the longer side is cut in blocks, computed one after the other. The backward pass computes a block
again instead of keeping its scores.
"""

import math

import keras
from keras import ops


def reduce_blocks(one_block, combine, initial, whole, parts, length, after, needed=None):
    """Return the combined results of the blocks.

    What a block makes of its rows alone could be made before the queries are there, and by every
    cross-attend of a model at once: nothing starts before `after`, nor before the block before.

    Args:
        one_block: function of everything in `whole` and of a block's share of every part, returns
            a tuple of tensors.
        combine: function of two such tuples, such as `each(ops.add)`.
        initial: tuple of tensors to start from.
        whole: tuple of floating tensors, or of lists of them, that every block takes as they are.
        parts: list of (floating tensor, axis to cut); sizes known.
        length: int, length of a block; the last one may be shorter.
        after: tensor that the first block waits for.
        needed: bool scalar, under TensorFlow alone: where it is False, no block is computed and
            `initial` is returned. None: always.
    """
    *others, last = initial
    initial = (*others, wait(last, after))
    first, axis = parts[0]
    size = first.shape[axis]

    def advance(carry, start, share_length):
        *_, before = carry
        start = start + _zero_after(before)
        shares = [_slice(part, cut, start, share_length) for part, cut in parts]
        waiting = keras.tree.map_structure(lambda x: wait(x, before), whole)
        return combine(carry, one_block(*waiting, *shares))

    count, rest = divmod(size, length)
    carry = _repeat(
        count, lambda index, carry: advance(carry, index * length, length), initial, needed
    )
    if rest:
        carry = if_needed(needed, lambda: advance(carry, size - rest, rest), carry)
    return carry


def _repeat(count, function, carry, needed):
    """Return the tuple that `function(index, carry)` makes of `carry`, so many times over."""
    if keras.backend.backend() != "tensorflow":
        return ops.fori_loop(0, count, function, carry)
    # XLA compiles the gradient of TensorFlow's loop only where it is told its most turns.
    turns = count if needed is None else ops.where(needed, count, 0)
    return ops.while_loop(
        lambda index, *_: index < turns,
        lambda index, *carry: (index + 1, *function(index, carry)),
        (0, *carry),
        maximum_iterations=count,
    )[1:]


def if_needed(needed, function, otherwise):
    """Return the tuple of `function()`, or `otherwise` where the bool scalar is False.

    Without a scalar (None) it is always needed. XLA does not compile the gradient of a loop inside
    of a condition: blocks are left out by `reduce_blocks`.
    """
    return function() if needed is None else ops.cond(needed, function, lambda: otherwise)


def each(operation):
    """Return a function of two tuples that applies an operation of two tensors entry by entry."""
    return lambda these, those: tuple(map(operation, these, those))


def map_blocks(one_block, parts, length):
    """Return the blocks' results one after the other, along their axis 1.

    Args:
        one_block: function of a block's share of every part, returns a tensor `(b, n, ...)`
            with n in proportion to the length of the block.
        parts: list of (tensor, axis to cut); sizes known.
        length: int, length of a block; the last one may be shorter.
    """
    leading, axis = parts[0]
    size = leading.shape[axis]
    count = size // length

    def step(before, shares):
        leading, *others = shares
        result = one_block(wait(leading, before), *others)
        return result, result

    last = one_block(*(_slice(part, cut, 0, length) for part, cut in parts))
    results = [last]
    if count > 1:
        others = [_in_blocks(part, cut, length, count - 1) for part, cut in parts]
        last, stacked = ops.scan(step, last, others)
        stacked = ops.swapaxes(stacked, 0, 1)
        shape = ops.shape(stacked)
        results.append(ops.reshape(stacked, (shape[0], shape[1] * shape[2], *shape[3:])))
    if size % length:
        rest = [_slice(part, cut, count * length, size % length) for part, cut in parts]
        results.append(step(last, rest)[1])
    return ops.concatenate(results, axis=1)


def repeated_with(layers, function):
    """Return a function that the backward pass computes again instead of keeping what it made.

    Rematerialisation gives gradients to the arguments of what it repeats, not to variables that
    are read inside.

    Args:
        layers: list of built `keras.Layer`.
        function: function of tensors that calls the layers; no layer may change a state.

    Returns:
        The function, repeated in the backward pass.
    """
    variables = [variable for layer in layers for variable in layer.variables]

    @keras.remat
    def repeated(*arguments):
        weights, tensors = arguments[: len(variables)], arguments[len(variables) :]
        with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
            return function(*tensors)

    def with_tensors(*tensors):
        return repeated(*keras.tree.map_structure(as_tensor, [*variables, *tensors]))

    return with_tensors


def as_tensor(x):
    """Return a variable's value: a variable as argument would get its gradient twice."""
    return ops.copy(x) if isinstance(x, keras.Variable) else x


def wait(x, before):
    """Return `x` once `before` is there.

    A block waits for the one before: computed at once, they would fill the memory.
    """
    return x + ops.cast(0.0 * ops.sum(ops.stop_gradient(before)), x.dtype)


def _zero_after(before):
    """Return the integer 0 once `before` is there."""
    return ops.cast(ops.sum(ops.stop_gradient(before)) > math.inf, "int32")


def _slice(x, axis, start, length):
    starts, shape = [0] * len(x.shape), list(ops.shape(x))
    starts[axis], shape[axis] = start, length
    return ops.slice(x, starts, shape)


def _in_blocks(x, axis, length, count):
    """Cut an axis after the first block: `(..., size, ...)` to `(count, ..., length, ...)`."""
    x = _slice(x, axis, length, count * length)
    shape = list(ops.shape(x))
    x = ops.reshape(x, (*shape[:axis], count, length, *shape[axis + 1 :]))
    return ops.moveaxis(x, axis, 0)
