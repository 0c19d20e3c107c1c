"""The memory of a forward pass and of a training step, derived from a model's blocks.

What must be held at the same time is added up in float32 numbers: tensors that wait for another
computation, and those that the computation at hand reads and writes. Elementwise operations write
over what they read. Of a block's many moments only the largest few are looked at. Weights are not
counted, nor what the runtime needs for itself. Operations follow each other here; TensorFlow runs
those at once that do not wait for each other, so that its peak differs from step to step.

Names: N queries of D channels read M rows of C; `scores` are one number for each head, query and
row. What depends on the rows alone (the rows normalised, or the factor of a tile's inputs) is made
once for all cross-attends that read them.
"""

import dataclasses
from collections import Counter
from dataclasses import dataclass

from perceiver_tf.models.configs import EncoderConfig

FLOAT_BYTES = 4
MASK = 0.25  # a dropout mask is bool: a quarter of a float32
GELU_KEPT = {"tanh": 5, "erf": 4}  # tensors of a gelu's width, its argument and result included


@dataclass(frozen=True)
class Memory:
    """Bytes that a batch needs beyond the weights, in a graph for batches of any size.

    Attributes:
        forward: int, peak of a forward pass.
        kept: int, activations that a training step keeps for the backward pass.
        gradients: int, of all trainable weights, one for each.
        training: int, peak of a training step without the optimiser's state: activations kept,
            the gradients held at that moment, and what the backward pass is working on.
    """

    forward: int
    kept: int
    gradients: int
    training: int


@dataclass(frozen=True)
class Training:
    """What a training step is made of.

    Attributes:
        blocks: list of `costs.Block`, as executed.
        config: `EncoderConfig`.
        shared: numbers for one example held from forward to backward beside the blocks' own.
        num_other_weights: int, trained weights outside of the blocks.
        rows_have_gradients: bool, whether rows are made from trained weights.
        gradients_meet: bool, whether the optimiser waits for all gradients, as it does to clip
            them by their global norm.
        decays_first: bool, whether weights are decayed by Keras, which does so when a step begins:
            the step goes on with the old ones, each of which is held until its last use.
    """

    blocks: list
    config: EncoderConfig
    shared: int
    num_other_weights: int
    rows_have_gradients: bool
    gradients_meet: bool
    decays_first: bool


def forward_elements(blocks, shared):
    """Return the peak of a forward pass, numbers for one example.

    Args:
        blocks: list of `costs.Block`.
        shared: number held from the first cross-attend to the last, see `shared_elements`.
    """
    rows = blocks[0].reading.rows
    to_come = [block.reading for block in blocks if block.reading.rows is rows]
    peak, outputs = 0, 0
    for block in blocks:
        held = outputs + block.reading.num_queries * block.query_channels
        held += shared if to_come and blocks[0].reading.chosen != "dense" else 0
        if block.reading.rows is rows:
            to_come.pop(0)
        held += sum(_projected_ahead(reading) for reading in to_come)
        moments = [_forward_attention(block), _forward_mlp(block), _outputs(block)]
        if block.reading.streams_queries:  # the blocks' results one after the other, a copy
            moments.append(block.reading.num_queries * block.query_channels)
        peak = max(peak, held + max(moments))
        outputs += _last_output(block)
    return peak


def shared_elements(block):
    """Return how many numbers depend on the rows of a cross-attend alone and are held for all."""
    return sum(map(_shared_of_part, block.reading.parts))


def _shared_of_part(reading):
    if reading.chosen == "folded":
        return reading.rows.length * reading.rows.channels
    if reading.is_streamed:
        return 0
    width = reading.tile_width if reading.chosen == "separable" else reading.rows.channels
    return reading.rows.length * width


def training_bytes(training, batch_size):
    """Return the peak of the backward pass, and the activations it starts from, in bytes.

    The backward pass frees block by block what was kept, and gains gradients of the weights: one
    for each use of a shared weight, added up when all of them are there; rematerialised blocks add
    each to the last. The optimiser then uses up a gradient, unless it needs all of them at once.
    Old weights, see `Training`, are freed as their gradients come.

    Args:
        training: `Training`.
        batch_size: int.

    Returns:
        (peak, kept).
    """
    config = training.config
    blocks = [_without_blocks(block, config) for block in training.blocks]
    kept = [_kept(block, training) for block in blocks]
    held = training.shared + sum(map(sum, kept))
    kept_bytes = FLOAT_BYTES * batch_size * held
    uses_to_come = Counter(block.name for block in blocks)
    terms, added = _gradient_terms(blocks), set()
    old = sum(sum(_weights(block)) for block in {block.name: block for block in blocks}.values())
    old *= training.decays_first
    gradients, peak = training.num_other_weights, 0
    for block, of_parts in zip(reversed(blocks), reversed(kept), strict=True):
        adds = block.rematerialised and block.name in added
        added |= {block.name} if block.rematerialised else set()
        uses_to_come[block.name] -= 1
        for freed, weights, working in zip(
            of_parts, _weights(block), _backward(block, training), strict=True
        ):
            gradients += weights
            sums = weights if adds else 0  # old and new for a moment
            of_weights = old + gradients + sums
            peak = max(peak, FLOAT_BYTES * (batch_size * (held + working) + of_weights))
            held -= freed
            gradients -= sums
            if not uses_to_come[block.name]:
                old -= weights * training.decays_first
                gradients -= weights * (terms[block.name] - training.gradients_meet)
    peak = max(peak, FLOAT_BYTES * (batch_size * held + gradients))
    return peak, kept_bytes


def _gradient_terms(blocks):
    """Return how many gradients of the weights of each name are held until they are added up."""
    plain = Counter(block.name for block in blocks if not block.rematerialised)
    return plain + Counter({block.name for block in blocks if block.rematerialised})


def _without_blocks(block, config):
    """Dropout keeps its draws: nothing is read in blocks under that of the attention.

    A decoder's queries go through at once under any, and are formed.
    """
    if block.reading.decodes and (config.dropout or config.attention_dropout):
        reading = block.reading.changed(streams=False, implementation="dense")
    elif config.attention_dropout:
        reading = block.reading.changed(streams=False)
    else:
        return block
    return dataclasses.replace(block, reading=reading)


def _of_one_block(block):
    """Return a decoder of as many queries as are decoded at once."""
    reading = block.reading
    few = dataclasses.replace(reading.query_rows, sizes=reading.query_sizes)
    reading = dataclasses.replace(reading, num_queries=few.length, query_rows=few, streams=False)
    return dataclasses.replace(block, reading=reading)


def _kept(block, training):
    """Return what the parts of a block keep, in the order of the backward pass.

    The parts are the MLP and the attention; those of a rematerialised block are made as one. Of
    queries in blocks the backward pass makes again what it needs. The queries of a block that ends
    in outputs are not kept, but made from their places.
    """
    if block.rematerialised:
        kept = block.query_channels if not block.output_channels else block.output_channels[-1]
        return (block.reading.num_queries * kept,)
    if block.reading.streams_queries:
        keys, values, _ = _keys_values_rows(block.reading)
        return 0, keys + values
    return _kept_by_mlp(block, training.config), _kept_by_attention(block, training)


def _weights(block):
    """Return how many weights the parts have, see `_kept`."""
    parts = block.num_mlp_weights, block.num_attention_weights
    return (sum(parts),) if block.rematerialised else parts


def _backward(block, training):
    """Return the parts' largest moments beside all that was kept, see `_kept`."""
    if block.rematerialised:
        plain = dataclasses.replace(block, rematerialised=False)
        again = sum(_kept(plain, training))
        if not block.is_self_attend:
            again += shared_elements(block)
        return (again + max(_backward(plain, training)),)
    if block.reading.streams_queries:
        once = _of_one_block(block)
        results = block.reading.num_queries * block.query_channels
        again = sum(_kept(once, training))
        working = max(_backward_attention(once, training), _backward_mlp(once))
        return results, results + again + working
    return _backward_mlp(block), _backward_attention(block, training)


def _projected_ahead(reading):
    """Keys and values of a cross-attend to come: they wait for no latents, so none delays them."""
    if reading.chosen != "dense" or reading.is_streamed:
        return 0
    keys, values, _ = _keys_values_rows(reading)
    return keys + values


def _forward_attention(block):
    """Largest moment beside the residual and what all cross-attends share."""
    reading, latents = block.reading, block.reading.num_queries * block.query_channels
    if reading.chosen != "dense":
        # For each modality the folded queries in its own form, and what it gathers.
        folded = 2 * len(reading.parts) * _folded(reading)
        return max(map(_forward_unprojected, reading.parts)) + folded
    keys, values, rows = _keys_values_rows(reading)
    scores = reading.scores_at_once
    if block.is_self_attend:
        projected = reading.num_queries * reading.qk_channels + keys + values
        return projected + max(latents, scores)
    # More than one head: values are ordered by heads, a copy, while the scores are there.
    ordering = 2 * values + scores if reading.num_heads > 1 else 0
    return max(3 * rows, keys + values + max(rows, scores), ordering)


def _forward_unprojected(reading):
    """Largest moment of one modality beside the folded queries and what they gather."""
    scores = reading.scores_at_once
    if reading.chosen == "folded":
        rows = reading.block_length * reading.rows.channels
        return rows + scores if reading.is_streamed else max(rows, scores)
    # The content normalised, and the factor of the inputs, with a mask in two forms; one of them
    # is held for all cross-attends unless it is made in blocks.
    content = reading.block_length * reading.rows.content_channels
    forms = reading.rows.masked + reading.is_streamed
    right = reading.block_length * reading.tile_width * forms
    of_bound = 3 * content  # with the same negated, and a copy
    return max(of_bound, content + right + reading.left_factor + scores)


def _outputs(block):
    """What the dense layers after the block make of its result."""
    return block.reading.num_queries * sum(block.output_channels)


def _last_output(block):
    return block.reading.num_queries * sum(block.output_channels[-1:])


def _forward_mlp(block):
    return block.reading.queries_at_once * (block.query_channels + block.hidden_channels)


def _kept_by_attention(block, training):
    """The normalised queries in two forms, what is projected from them, and the reading's own.

    Of queries that are read by axis, only what they gather.
    """
    reading = block.reading
    width = block.query_channels * MASK * bool(training.config.dropout) + reading.v_channels
    if not reading.reads_queries_by_axis:
        width += 2 * block.query_channels + reading.qk_channels
    kept = reading.num_queries * width
    if reading.chosen != "dense":
        kept += 2 * _folded(reading)
    whole = [part for part in reading.parts if not part.is_streamed]
    return kept + sum(_kept_by_reading(part, block.is_self_attend, training) for part in whole)


def _kept_by_reading(reading, is_self_attend, training):
    """Of the rows that are read at once; of streamed ones, the backward pass makes it again."""
    keys, values, rows = _keys_values_rows(reading)
    drops = bool(training.config.attention_dropout)
    scores = reading.scores_at_once * (1 + (1 + MASK) * drops)
    if reading.chosen == "dense":
        return keys + values + scores + (0 if is_self_attend else rows)
    # Normalised rows of every folded reading: training steps do not share them, measured.
    if reading.chosen == "folded":
        return scores + rows
    # Where the rows' deviations have gradients, the rows are kept as scaled and as cut into tiles.
    scaled = 2 * reading.block_length * reading.tile_width * training.rows_have_gradients
    return scores + reading.left_factor + scaled


def _kept_by_mlp(block, config):
    """What the MLP keeps, and the outputs behind it: the block's result and each layer's."""
    norm = block.query_channels * (2 + MASK * bool(config.dropout))
    width = norm + GELU_KEPT[config.gelu] * block.hidden_channels
    if block.output_channels:
        width += block.query_channels
    return block.reading.num_queries * width + _outputs(block)


def _backward_mlp(block):
    """Gradient of the residual, and three pieces of the gelu's, whose result is free by then."""
    return block.reading.num_queries * (block.query_channels + 2 * block.hidden_channels)


def _backward_attention(block, training):
    """Largest moment beside all that was kept."""
    latents = block.reading.num_queries * block.query_channels
    return latents + sum(  # no modality waits for another
        _backward_reading(part, block.is_self_attend, training) for part in block.reading.parts
    )


def _backward_reading(reading, is_self_attend, training):
    """Largest moment of one modality beside the gradient of the queries."""
    _, _, rows = _keys_values_rows(reading)
    again = 0
    if reading.is_streamed:
        again = _kept_by_reading(reading, is_self_attend, training)
    scores = reading.scores_at_once
    if reading.chosen == "separable":
        return again + scores
    if reading.chosen == "folded":
        # Gradients of the rows as normalised, from both products, and as centred.
        return again + scores + (3 * rows if training.rows_have_gradients else 0)
    if is_self_attend:
        return again + 2 * scores
    return again + max(
        2 * scores + (rows if training.rows_have_gradients else 0), 2 * rows - scores
    )


def _keys_values_rows(reading):
    """Sizes of keys, values and rows, of as many rows as are read at once."""
    widths = (reading.qk_channels, reading.v_channels, reading.rows.channels)
    return tuple(reading.block_length * width for width in widths)


def _folded(reading):
    return reading.num_heads * reading.num_queries * reading.rows.channels
