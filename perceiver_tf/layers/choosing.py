"""The choices of `reading`, for byte arrays as layers have them."""

from perceiver_tf.layers import byte_array
from perceiver_tf.layers.joint_reading import chosen_together
from perceiver_tf.layers.reading import TYPICAL_QUERIES, TYPICAL_ROWS, Reading, Rows, by_axis


def rows_of(description):
    """Return the `Rows` of one modality.

    Where their number is unknown until call time, it counts as `TYPICAL_ROWS`.

    Args:
        description: dict, see `byte_array`; tensors or their shapes' stand-ins.
    """
    content = description["content"]
    channels = content.shape[-1]
    if byte_array.is_separable(description):
        return Rows(
            tuple(content.shape[1:-1]), channels, tuple(byte_array.axis_widths(description))
        )
    length = byte_array.num_rows(description) or TYPICAL_ROWS
    return Rows((length,), channels, (), byte_array.row_width(description) - channels)


def choose_implementations(parts, num_queries, num_heads, qk_channels, v_channels):
    """Return the implementation of each modality with the fewest multiply-adds.

    Args:
        parts: list of byte array descriptions.
        num_queries: int, or None where it is unknown until call time.
        num_heads, qk_channels, v_channels: of the attention.

    Returns:
        list of "folded" and "separable", or of nothing but "dense".
    """
    num_queries = num_queries or TYPICAL_QUERIES
    return chosen_together(
        [Reading(rows_of(part), num_queries, num_heads, qk_channels, v_channels) for part in parts]
    )


def reads_queries_by_axis(description, num_inputs, num_heads, qk_channels):
    """Return whether scores of queries on a grid are cheaper without forming the queries.

    See `reading.by_axis`.

    Args:
        description: byte array description of the queries.
        num_inputs: int, rows that they attend to, or None.
        num_heads, qk_channels: of the attention.
    """
    if not byte_array.is_separable(description):
        return False
    return by_axis(rows_of(description), num_inputs or TYPICAL_QUERIES, num_heads, qk_channels)
