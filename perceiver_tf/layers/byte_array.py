"""How inputs and their positions are described to a cross-attend.

The Perceiver reads a byte array: M rows, each the content of one input element beside its
position features (arXiv:2103.03206 section 3). Position features of a grid are the same for
every example and depend on one axis each, so an adapter describes the rows by parts and a
cross-attend decides whether to put them together. The description is a plain dict:

- `content`: `(b, size_1, ..., size_d, channels)`, or `(b, m, channels)`;
- `axes` (optional): one float32 table `(size_a, axis_channels)` per axis of `content`;
- `positions` (optional, instead of `axes`): `(m, position_channels)`, the same for every
  example but not separable by axis, as learned positions are;
- `mask` (optional): bool `(b, m)`, True where a row may be attended to.

A plain tensor `(b, m, channels)` is a byte array of content alone.
"""

import math

import numpy as np
from keras import ops


def as_byte_array(inputs):
    """Return `inputs` as a description: a dict is one already, a tensor becomes its content."""
    return inputs if isinstance(inputs, dict) else {"content": inputs}


def num_channels(shapes):
    """Return the width of a row, content and positions together, from the parts' shapes."""
    tables = list(shapes.get("axes") or [])
    if shapes.get("positions") is not None:
        tables.append(shapes["positions"])
    return shapes["content"][-1] + sum(table[-1] for table in tables)


def is_separable(description):
    """Return whether the rows are a grid of fixed size with positions by axis."""
    sizes = description["content"].shape[1:-1]
    return bool(description.get("axes")) and all(size is not None for size in sizes)


def part_widths(description):
    """Return the widths of the parts of a row: content, then each table of positions."""
    tables = list(description.get("axes") or [])
    if description.get("positions") is not None:
        tables.append(description["positions"])
    return [description["content"].shape[-1], *(table.shape[-1] for table in tables)]


def group_by_axis(weights, widths):
    """Return weights per channel of a row, part by part instead of in the published order.

    A row has its parts' coordinates, sines and cosines side by side (`grid_positions`); the
    separable computation wants each table's channels together. Regrouping the weights does
    what regrouping every row would.

    Args:
        weights: `(channels, ...)`, in the published order.
        widths: list of ints, see `part_widths`.

    Returns:
        `(channels, ...)`: content, then the channels of each axis's table.
    """
    content, *tables = widths
    pieces = [[width % 2, width // 2, width // 2] for width in tables]
    lengths = [content, *(piece[kind] for kind in range(3) for piece in pieces)]
    content, *split = ops.split(weights, np.cumsum(lengths)[:-1].tolist(), axis=0)
    grouped = [piece for axis in range(len(tables)) for piece in split[axis :: len(tables)]]
    return ops.concatenate([content, *grouped], axis=0)


def assemble(description):
    """Return the rows of the byte array.

    Args:
        description: dict, see the module.

    Returns:
        `(b, m, channels)` with the channels in the published order: content, then the
        coordinates of all axes, then their sines, then their cosines (or, for `positions`,
        content and positions). float32 when there are positions of either kind, whatever the
        content's dtype; the content's dtype otherwise.
    """
    content = description["content"]
    batch_size, *sizes, channels = ops.shape(content)
    rows = ops.reshape(content, (batch_size, math.prod(sizes), channels))
    if description.get("axes"):
        positions = grid_positions(description["axes"])
        positions = ops.reshape(positions, (math.prod(sizes), positions.shape[-1]))
    elif description.get("positions") is not None:
        positions = description["positions"]
    else:
        return rows
    shape = (batch_size, ops.shape(rows)[1], positions.shape[-1])
    positions = ops.broadcast_to(ops.cast(positions, "float32")[None], shape)
    return ops.concatenate([ops.cast(rows, "float32"), positions], axis=-1)


def rows_mask(description, mask=None):
    """Return bool `(b, m)`, True where a row may be attended to, or None for everywhere.

    Args:
        description: dict, see the module; its own `mask` counts.
        mask: another such mask, which counts as well. Keras hands a layer the masks of a dict
            as a dict; that of `content` is meant then.
    """
    if isinstance(mask, dict):
        mask = mask.get("content")
    masks = [ops.cast(m, "bool") for m in (description.get("mask"), mask) if m is not None]
    if len(masks) == 2:
        return ops.logical_and(*masks)
    return masks[0] if masks else None


def grid_positions(axes):
    """Return the position features of every point of a grid, in the published order.

    Args:
        axes: list of d tables `(size_a, channels_a)`, each [coordinate] [sines] [cosines];
            an odd width says that the coordinate is there.

    Returns:
        `(size_1, ..., size_d, sum of channels_a)`: all coordinates, all sines, all cosines.
    """
    sizes = [ops.shape(table)[0] for table in axes]
    coordinates, sines, cosines = [], [], []
    for axis, table in enumerate(axes):
        shape = [1] * len(axes) + [table.shape[-1]]
        shape[axis] = sizes[axis]
        table = ops.broadcast_to(ops.reshape(table, shape), (*sizes, table.shape[-1]))
        has_coordinate, num_bands = table.shape[-1] % 2, table.shape[-1] // 2
        coordinates.append(table[..., :has_coordinate])
        sines.append(table[..., has_coordinate : has_coordinate + num_bands])
        cosines.append(table[..., has_coordinate + num_bands :])
    return ops.concatenate([*coordinates, *sines, *cosines], axis=-1)
