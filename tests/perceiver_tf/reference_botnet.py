"""A Bottleneck Transformer in plain float64 numpy, written from arXiv:2101.11605."""

import itertools

import numpy as np


def relative_self_attention(layer, grid):
    """Attention place by place, with an explicit table r[dy, dx] = r_height[dy] + r_width[dx]."""
    heights, widths = float64(layer.height_positions), float64(layer.width_positions)
    query, key, value = (float64(x.kernel) for x in (layer.query, layer.key, layer.value))
    grid, num_heads = float64(grid), layer.num_heads
    _, height, width, _ = grid.shape
    offsets = {
        (dy, dx): heights[dy + len(heights) // 2] + widths[dx + len(widths) // 2]
        for dy in range(1 - height, height)
        for dx in range(1 - width, width)
    }
    qk, v = query.shape[1] // num_heads, value.shape[1] // num_heads
    result = np.zeros((*grid.shape[:3], value.shape[1]))
    places = list(itertools.product(range(height), range(width)))
    for b, (y, x), head in itertools.product(range(len(grid)), places, range(num_heads)):
        of_qk, of_v = slice(head * qk, (head + 1) * qk), slice(head * v, (head + 1) * v)
        q = (grid[b, y, x] @ query)[of_qk] / np.sqrt(qk)
        scores = np.array(
            [q @ ((grid[b, p, u] @ key)[of_qk] + offsets[p - y, u - x]) for p, u in places]
        )
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        values = np.array([(grid[b, p, u] @ value)[of_v] for p, u in places])
        result[b, y, x, of_v] = weights @ values
    return result


def network(model, config, images):
    """Returns the logits of a model of `config`, a `BoTNetConfig` with the stem "small_images"."""
    x = relu(normalised(model, convolved(model, images, "stem", 1), "stem"))
    for block in config.blocks:
        shortcut = x
        if block.has_projection:
            name = f"{block.name}_shortcut"
            shortcut = normalised(model, convolved(model, x, name, block.strides), name)
        first = f"{block.name}_first"
        x = relu(normalised(model, convolved(model, x, first, 1), first))
        if block.attends:
            x = relative_self_attention(model.get_layer(f"{block.name}_attention"), x)
            x = averaged(x) if block.strides == 2 else x
        else:
            x = convolved(model, x, f"{block.name}_middle", block.strides)
        x = relu(normalised(model, x, f"{block.name}_middle"))
        last = f"{block.name}_last"
        x = relu(normalised(model, convolved(model, x, last, 1), last) + shortcut)
    logits = model.get_layer("logits")
    return x.mean((1, 2)) @ float64(logits.kernel) + float64(logits.bias)


def convolved(model, x, name, strides):
    """The "same" convolution: the centre of an odd kernel moves from place to place.

    With an even side and a stride of 2 it starts at the second place, as TensorFlow's does.
    """
    kernel = float64(model.get_layer(f"{name}_convolution").kernel)
    size = kernel.shape[0]
    sides = [-(-side // strides) for side in x.shape[1:3]]
    missing = [
        max((n - 1) * strides + size - s, 0) for n, s in zip(sides, x.shape[1:3], strict=True)
    ]
    pads = [(total // 2, total - total // 2) for total in missing]
    x = np.pad(float64(x), [(0, 0), *pads, (0, 0)])
    result = np.zeros((len(x), *sides, kernel.shape[-1]))
    for y, u in itertools.product(*map(range, sides)):
        patch = x[:, y * strides : y * strides + size, u * strides : u * strides + size]
        result[:, y, u] = np.einsum("bijc,ijcd->bd", patch, kernel)
    return result


def normalised(model, x, name):
    """Batch normalisation by the moving averages."""
    norm = model.get_layer(f"{name}_norm")
    mean, variance = float64(norm.moving_mean), float64(norm.moving_variance)
    return float64(norm.gamma) * (x - mean) / np.sqrt(variance + 1e-5) + float64(norm.beta)


def averaged(x):
    """Means of 2 x 2 places, at an odd end of those that there are."""
    sides = [-(-side // 2) for side in x.shape[1:3]]
    result = np.zeros((len(x), *sides, x.shape[-1]))
    for y, u in itertools.product(*map(range, sides)):
        result[:, y, u] = x[:, 2 * y : 2 * y + 2, 2 * u : 2 * u + 2].mean((1, 2))
    return result


def relu(x):
    return np.maximum(x, 0)


def float64(x):
    return np.asarray(x, "float64")
