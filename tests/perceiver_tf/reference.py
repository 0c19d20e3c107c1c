"""The Perceiver's blocks in plain float64 numpy, written from the papers' equations."""

import numpy as np


def layer_norm(x, gamma, beta):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta


def dense(x, layer):
    return np.asarray(x, "float64") @ np.asarray(layer.kernel, "float64") + np.asarray(
        layer.bias, "float64"
    )


def norm(x, layer):
    gamma, beta = (np.asarray(w, "float64") for w in layer.weights)
    return layer_norm(np.asarray(x, "float64"), gamma, beta)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def attention(layer, queries, inputs, mask=None):
    """Attention example by example, head by head, query by query; `mask` is (b, n, m)."""
    q, k, v = dense(queries, layer.query), dense(inputs, layer.key), dense(inputs, layer.value)
    width, value_width = q.shape[-1] // layer.num_heads, v.shape[-1] // layer.num_heads
    gathered = np.zeros((*q.shape[:2], v.shape[-1]))
    for b in range(q.shape[0]):
        for h in range(layer.num_heads):
            part = slice(h * width, (h + 1) * width)
            value_part = slice(h * value_width, (h + 1) * value_width)
            for n in range(q.shape[1]):
                allowed = np.ones(k.shape[1], bool) if mask is None else mask[b, n]
                if not allowed.any():
                    continue
                scores = k[b, allowed, part] @ q[b, n, part] / np.sqrt(width)
                weights = np.exp(scores - scores.max())
                weights /= weights.sum()
                gathered[b, n, value_part] = weights @ v[b, allowed, value_part]
    return dense(gathered, layer.attention_output)


def mlp(layer, x):
    return dense(gelu(dense(x, layer.hidden)), layer.output_projection)


def cross_attend(layer, queries, rows, mask=None):
    queries = np.asarray(queries, "float64")
    rows = norm(rows, layer.attention.inputs_norm)
    x = attention(layer.attention, norm(queries, layer.queries_norm), rows, mask)
    if layer.use_query_residual:
        x = queries + x
    return x + mlp(layer.mlp, norm(x, layer.mlp_norm))


def self_attend(layer, latents):
    latents = np.asarray(latents, "float64")
    normalised = norm(latents, layer.queries_norm)
    x = latents + attention(layer.attention, normalised, normalised)
    return x + mlp(layer.mlp, norm(x, layer.mlp_norm))


def randomise(layer, random):
    """Give every weight of a layer a random value, so that none is neutral."""
    layer.set_weights([random.normal(0.3, 0.5, w.shape) for w in layer.get_weights()])
