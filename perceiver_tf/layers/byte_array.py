"""How inputs and their positions are described to a cross-attend.

The Perceiver reads a byte array: M rows, each the content of one input element beside its
position features (arXiv:2103.03206 section 3). Position features of a grid are the same for
every example and depend on one axis each, so an adapter describes the rows by parts and a
cross-attend decides whether to put them together. The description is a plain dict:

- `content`: `(b, size_1, ..., size_d, channels)`, or `(b, m, channels)`; channels may be 0;
- `axes` (optional): one float32 table `(size_a, axis_channels)` per axis of `content`;
- `positions` (optional, instead of `axes`): `(m, position_channels)`, the same for every
  example but not separable by axis, as learned positions are;
- `constant` (optional): `(constant_channels,)`, the same for every row: a modality's embedding;
- `mask` (optional): bool `(b, m)`, True where a row may be attended to.

A plain tensor `(b, m, channels)` is a byte array of content alone. A list of descriptions is
one byte array of several modalities, whose rows have equal width and follow one another.
"""

import math

import keras
import numpy as np
from keras import ops


def as_parts(inputs):
    """Return a byte array as a list of descriptions, one per modality."""
    parts = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    return [part if isinstance(part, dict) else {"content": part} for part in parts]


def num_channels(shapes):
    """Return the width of the rows, content and positions together, from the parts' shapes.

    Raises:
        ValueError: if the modalities' widths differ.
    """
    if not isinstance(shapes, dict) and all(
        size is None or isinstance(size, int) for size in shapes
    ):
        return shapes[-1]
    parts = [shapes] if isinstance(shapes, dict) else shapes
    widths = [_width_of_shapes(part) for part in parts]
    if len(set(widths)) > 1:
        raise ValueError(
            "The modalities of a byte array must have rows of equal width (see "
            f"`ModalityPadding`). Received: widths {widths}."
        )
    return widths[0]


def _width_of_shapes(shapes):
    if not isinstance(shapes, dict):
        return shapes[-1]
    tables = list(shapes.get("axes") or [])
    tables += [shapes[name] for name in ("positions", "constant") if shapes.get(name) is not None]
    return shapes["content"][-1] + sum(table[-1] for table in tables)


def row_width(description):
    """Return the width of the rows of one modality, content and positions together."""
    tables = description.get("axes") or []
    others = [description.get(name) for name in ("positions", "constant")]
    others = [x for x in others if x is not None]
    return description["content"].shape[-1] + sum(x.shape[-1] for x in (*tables, *others))


def is_separable(description):
    """Return whether the rows are a grid of fixed size with positions by axis."""
    return bool(description.get("axes")) and num_rows(description) is not None


def num_rows(description):
    """Return the number of rows of one modality, or None where it is unknown until call time."""
    sizes = description["content"].shape[1:-1]
    return None if any(size is None for size in sizes) else math.prod(sizes)


def axis_tables(description):
    """Return the tables of a grid's axes, the constant put beside those of the first axis."""
    first, *others = (ops.cast(table, "float32") for table in description["axes"])
    constant = description.get("constant")
    if constant is not None:
        constant = ops.cast(constant, "float32")
        repeated = ops.broadcast_to(constant[None], (ops.shape(first)[0], constant.shape[0]))
        first = ops.concatenate([first, repeated], axis=-1)
    return [first, *others]


def axis_widths(description):
    """Return the widths of `axis_tables` from static shapes."""
    first, *others = (table.shape[-1] for table in description["axes"])
    constant = description.get("constant")
    return [first + (0 if constant is None else constant.shape[0]), *others]


def group_by_axis(x, description):
    """Return channels part by part instead of in the published order.

    A row has its parts' coordinates, sines and cosines side by side (`grid_positions`); the
    separable computation wants each table's channels together.

    Args:
        x: `(..., channels)`, in the published order.
        description: dict with `axes`.

    Returns:
        `(..., channels)`: content, then the channels of each of `axis_tables`.
    """
    lengths, order = _pieces(description)
    return _reorder(x, lengths, order)


def ungroup(x, description):
    """The inverse of `group_by_axis`."""
    lengths, order = _pieces(description)
    return _reorder(x, [lengths[piece] for piece in order], np.argsort(order).tolist())


def _pieces(description):
    """Return the widths of a row's pieces in the published order, and their order by axis."""
    widths = [table.shape[-1] for table in description["axes"]]
    kinds = [[width % 2 for width in widths]] + 2 * [[width // 2 for width in widths]]
    constant = description.get("constant")
    lengths = [description["content"].shape[-1], *sum(kinds, [])]
    lengths.append(0 if constant is None else constant.shape[0])
    num_axes = len(widths)
    by_axis = [[1 + axis + kind * num_axes for kind in range(3)] for axis in range(num_axes)]
    by_axis[0].append(len(lengths) - 1)
    return lengths, [0, *sum(by_axis, [])]


def _reorder(x, lengths, order):
    pieces = ops.split(x, np.cumsum(lengths)[:-1].tolist(), axis=-1)
    return ops.concatenate([pieces[piece] for piece in order if lengths[piece]], axis=-1)


def assemble(inputs):
    """Return the rows of the byte array.

    Args:
        inputs: a byte array, see the module.

    Returns:
        `(b, m, channels)` with the channels in the published order: content, then the
        coordinates of all axes, then their sines, then their cosines (or, for `positions`,
        content and positions), then the constant; one modality after the other. float32 when
        there is anything but content, whatever its dtype; the content's dtype otherwise.
    """
    modalities = [_assemble_one(part) for part in as_parts(inputs)]
    return modalities[0] if len(modalities) == 1 else ops.concatenate(modalities, axis=1)


def _assemble_one(description):
    content = description["content"]
    batch_size, *sizes, channels = ops.shape(content)
    length = math.prod(sizes)
    rows = ops.reshape(content, (batch_size, length, channels))
    others = []
    if description.get("axes"):
        positions = grid_positions(description["axes"])
        others.append(ops.reshape(positions, (length, positions.shape[-1])))
    elif description.get("positions") is not None:
        others.append(description["positions"])
    if description.get("constant") is not None:
        others.append(description["constant"][None])
    if not others:
        return rows
    length = ops.shape(rows)[1]
    others = [
        ops.broadcast_to(ops.cast(x, "float32")[None], (batch_size, length, x.shape[-1]))
        for x in others
    ]
    return ops.concatenate([ops.cast(rows, "float32"), *others], axis=-1)


def rows_masks(parts, mask=None):
    """Return of each part bool `(b, m)`, True where a row may be attended to, or None.

    Args:
        parts: list of dicts, see the module; their own `mask` counts.
        mask: another such mask over the rows of all parts, which counts as well. Keras hands a
            layer the masks of a structure as such a structure; those of `content` are meant then.
    """
    if mask is None:
        others = [None] * len(parts)
    elif isinstance(mask, (dict, list, tuple)):
        carried = [mask] if isinstance(mask, dict) else mask
        others = [one.get("content") if isinstance(one, dict) else one for one in carried]
    elif len(parts) == 1:
        others = [mask]
    else:
        lengths = [math.prod(ops.shape(part["content"])[1:-1]) for part in parts]
        others = ops.split(mask, np.cumsum(lengths)[:-1].tolist(), axis=1)
    return [_both(part.get("mask"), other) for part, other in zip(parts, others, strict=True)]


def _both(*masks):
    masks = [ops.cast(mask, "bool") for mask in masks if mask is not None]
    if len(masks) == 2:
        return ops.logical_and(*masks)
    return masks[0] if masks else None


def joint_mask(parts, masks):
    """Return the masks of all parts as one `(b, m)`, or None where no part has any."""
    if all(mask is None for mask in masks):
        return None
    whole = []
    for part, mask in zip(parts, masks, strict=True):
        if mask is None:
            batch_size, *sizes, _ = ops.shape(part["content"])
            mask = ops.ones((batch_size, math.prod(sizes)), dtype="bool")
        whole.append(mask)
    return whole[0] if len(whole) == 1 else ops.concatenate(whole, axis=1)


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


def as_blocks(description, mask):
    """Return what a block of rows takes its share of, and how to describe a block.

    Args:
        description: dict of static sizes, see the module.
        mask: bool `(b, m)` or None.

    Returns:
        (parts, whole, describe): list of (floating tensor, axis to cut), list of tensors that
        every block needs whole, and a function of the latter and the shares of the former that
        returns the block's (description, mask). A grid is cut along its first axis.
    """
    content, constant = description["content"], description.get("constant")
    if "float" not in keras.backend.standardize_dtype(content.dtype):
        content = ops.cast(content, "float32")
    batch_size, *sizes, channels = ops.shape(content)
    names = ["content"]
    if description.get("axes"):
        parts = [(content, 1), (description["axes"][0], 0)]
        names.append("axes")
    else:
        sizes = [math.prod(sizes)]
        parts = [(ops.reshape(content, (batch_size, *sizes, channels)), 1)]
        if description.get("positions") is not None:
            parts.append((description["positions"], 0))
            names.append("positions")
    if mask is not None:
        parts.append((ops.reshape(ops.cast(mask, "float32"), (-1, *sizes)), 1))

    whole = [*(description.get("axes") or [])[1:], *([] if constant is None else [constant])]

    def describe(whole, *shares):
        block = dict(zip(names, shares, strict=False))
        if constant is not None:
            *whole, block["constant"] = whole
        if "axes" in block:
            block["axes"] = [block["axes"], *whole]
        if mask is None:
            return block, None
        return block, ops.reshape(shares[-1], (ops.shape(shares[-1])[0], -1)) > 0

    return parts, whole, describe
