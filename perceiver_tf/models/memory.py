"""The memory of a forward pass and of a training step, derived from a model's blocks.

What must be held at the same time is added up in float32 numbers: tensors that wait for another
computation, and those that the computation at hand reads and writes. Elementwise operations write
over what they read. Of a block's many moments only the largest few are looked at. Weights are not
counted, nor what the runtime needs for itself.

Names: N queries of D channels read M rows of C; `scores` are one number for each head, query and
row. What depends on the rows alone (the rows normalised, or the factor of a tile's inputs) is made
once for all cross-attends that read them.
"""

from dataclasses import dataclass

FLOAT_BYTES = 4
MASK = 0.25  # a dropout mask is bool: a quarter of a float32
GELU_KEPT = {"tanh": 5, "erf": 4}  # tensors of a gelu's width, its argument and result included


@dataclass(frozen=True)
class Memory:
    """Bytes that a batch needs beyond the weights.

    Attributes:
        forward: int, peak of a forward pass.
        kept: int, activations that a training step keeps for the backward pass.
        gradients: int, of all trainable weights, one for each.
        training: int, peak of a training step without the optimiser's state: activations kept,
            gradients so far, and what the backward pass is working on.
    """

    forward: int
    kept: int
    gradients: int
    training: int


def forward_elements(blocks, shared):
    """Return the peak of a forward pass, numbers for one example.

    Args:
        blocks: list of `costs.Block`.
        shared: number held from the first cross-attend to the last, see `shared_elements`.
    """
    last = max(index for index, block in enumerate(blocks) if not block.is_self_attend)
    peak = 0
    for index, block in enumerate(blocks):
        held = shared if index <= last else 0
        held += block.reading.num_queries * block.query_channels
        moments = (_forward_attention(block), _forward_mlp(block))
        peak = max(peak, held + max(moments))
    return peak


def shared_elements(block):
    """Return how many numbers depend on the rows of a cross-attend alone and are held for all."""
    reading = block.reading
    if reading.chosen == "separable":
        return reading.block_length * reading.tile_width if not reading.is_streamed else 0
    return reading.rows.length * reading.rows.channels


def training_bytes(blocks, config, batch_size, shared, rows_have_gradients, num_other_weights):
    """Return the peak of the backward pass, and what it starts from, in bytes.

    The backward pass frees block by block what was kept and gains gradients of the weights: one
    for each use of a shared weight, which are added up only when all of them are there.

    Args:
        blocks: list of `costs.Block`.
        config: `EncoderConfig`.
        batch_size: int.
        shared: numbers for one example held from forward to backward beside the blocks' own.
        rows_have_gradients: bool, whether rows are made from trained weights.
        num_other_weights: int, trained weights outside of the blocks.

    Returns:
        (peak, kept).
    """
    kept = [(_kept_by_attention(b, config), _kept_by_mlp(b, config)) for b in blocks]
    held = peak_elements = shared + sum(map(sum, kept))
    kept_bytes = FLOAT_BYTES * batch_size * held
    gradients = num_other_weights
    peak = FLOAT_BYTES * (batch_size * peak_elements + gradients)
    for block, (attention, mlp) in zip(reversed(blocks), reversed(kept), strict=True):
        reading = _backward_attention(block, rows_have_gradients)
        for freed, weights, working in (
            (mlp, block.num_mlp_weights, _backward_mlp(block)),
            (attention, block.num_attention_weights, reading),
        ):
            peak = max(peak, FLOAT_BYTES * (batch_size * (held + working) + gradients))
            held -= freed
            gradients += weights
    return max(peak, FLOAT_BYTES * (batch_size * held + gradients)), kept_bytes


def _forward_attention(block):
    """Largest moment beside the residual and what all cross-attends share."""
    reading, latents = block.reading, block.reading.num_queries * block.query_channels
    keys, values, rows = _keys_values_rows(reading)
    if block.is_self_attend:
        queries = reading.num_queries * reading.qk_channels
        projected = queries + keys + values
        return max(latents + projected, projected + reading.scores)
    if reading.chosen == "dense":
        return max(2 * rows, rows + keys + values, keys + values + reading.scores)
    if reading.chosen == "folded":
        return max(rows, reading.scores) + 2 * _folded(reading)
    right = reading.block_length * reading.tile_width if reading.is_streamed else 0
    return right + reading.left_factor + reading.scores_at_once + 2 * _folded(reading)


def _forward_mlp(block):
    return block.reading.num_queries * (block.query_channels + block.hidden_channels)


def _kept_by_attention(block, config):
    """The normalised queries in two forms, what is projected from them, and the reading's own."""
    reading = block.reading
    keys, values, rows = _keys_values_rows(reading)
    queries, gathered = (reading.num_queries * c for c in (reading.qk_channels, reading.v_channels))
    kept = reading.num_queries * block.query_channels * (2 + MASK * bool(config.dropout))
    kept += queries + gathered
    scores = reading.scores * (1 + (1 + MASK) * bool(config.attention_dropout))
    if reading.chosen == "dense":
        return kept + keys + values + scores + (0 if block.is_self_attend else rows)
    kept += 2 * _folded(reading)
    if reading.chosen == "separable":
        return kept + (0 if reading.is_streamed else reading.left_factor + scores)
    return kept + scores


def _kept_by_mlp(block, config):
    norm = block.query_channels * (2 + MASK * bool(config.dropout))
    return block.reading.num_queries * (norm + GELU_KEPT[config.gelu] * block.hidden_channels)


def _backward_mlp(block):
    """Gradient of the residual, and of the gelu in three pieces."""
    return block.reading.num_queries * (block.query_channels + 3 * block.hidden_channels)


def _backward_attention(block, rows_have_gradients):
    """Largest moment beside all that was kept."""
    reading, latents = block.reading, block.reading.num_queries * block.query_channels
    keys, values, rows = _keys_values_rows(reading)
    if reading.chosen == "separable":
        return latents + reading.scores_at_once * (2 if reading.is_streamed else 1)
    of_rows = rows if rows_have_gradients and not block.is_self_attend else 0
    moments = [2 * reading.scores + of_rows]
    if reading.chosen == "dense" and not block.is_self_attend:
        moments.append(2 * rows - reading.scores)
    return latents + max(moments)


def _keys_values_rows(reading):
    widths = (reading.qk_channels, reading.v_channels, reading.rows.channels)
    return tuple(reading.rows.length * width for width in widths)


def _folded(reading):
    return reading.num_heads * reading.num_queries * reading.rows.channels
