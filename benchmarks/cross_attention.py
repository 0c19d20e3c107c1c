"""Times one cross-attention, forward and with gradients: dense, folded, separable.

    python benchmarks/cross_attention.py [--side 224] [--latents 512] [--rounds 9]

The contenders have the same weights and take turns in one process, beside a plain matrix
product that tells the machine's rate. Printed are medians, ratios to dense, the multiply-adds
counted from the shapes, and the largest error, over the largest value: of the results against a
dense computation in float64, of each weight's gradient against the dense implementation's.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from perceiver_tf import CrossAttention, FourierInputs
from perceiver_tf.layers import byte_array
from perceiver_tf.layers.choosing import rows_of
from perceiver_tf.layers.reading import Reading

IMPLEMENTATIONS = ("dense", "folded", "separable")


def contenders(latents, described):
    """Return (forward, gradients) functions and first results of each implementation."""
    functions, results, weights = {}, {}, None
    for implementation in IMPLEMENTATIONS:
        layer = CrossAttention(implementation=implementation)
        layer(latents, described)
        weights = weights or layer.get_weights()
        layer.set_weights(weights)

        @tf.function(autograph=False)
        def forward(latents, described, layer=layer):
            return layer(latents, described)

        @tf.function(autograph=False)
        def gradients(latents, described, layer=layer):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(latents, described) ** 2)
            return tape.gradient(loss, layer.trainable_variables)

        functions[implementation] = forward, gradients
        found = [gradient.numpy() for gradient in gradients(latents, described)]
        results[implementation] = forward(latents, described).numpy(), found
    return functions, results, in_float64(layer, latents, described)


def in_float64(layer, latents, described):
    """Return what a dense cross-attention of one head gives in float64, by numpy."""
    rows = np.asarray(byte_array.assemble(described)[0], "float64")
    gamma, beta = (np.asarray(x, "float64") for x in layer.inputs_norm.weights)
    rows -= rows.mean(-1, keepdims=True)
    rows = rows / np.sqrt((rows**2).mean(-1, keepdims=True) + 1e-5) * gamma + beta

    def project(x, dense):
        return x @ np.asarray(dense.kernel, "float64") + np.asarray(dense.bias, "float64")

    queries = project(np.asarray(latents[0], "float64"), layer.query)
    scores = queries @ project(rows, layer.key).T / np.sqrt(queries.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return project(weights @ project(rows, layer.value), layer.attention_output)


def largest_error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def matrix_product_rate(size=2048, repeats=5):
    """Return this machine's rate of float32 matrix products now, in multiply-adds per second."""
    matrix = tf.random.normal((size, size))
    tf.matmul(matrix, matrix)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        tf.matmul(matrix, matrix)
        seconds.append(time.perf_counter() - start)
    return size**3 / statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=224, help="pixels along each axis")
    parser.add_argument("--latents", type=int, default=512)
    parser.add_argument("--latent-channels", type=int, default=1024)
    parser.add_argument("--bands", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).normal(size=(1, args.side, args.side, 3)).astype("float32")
    described = FourierInputs(args.bands, (args.side, args.side))(images)
    latents = tf.random.normal((1, args.latents, args.latent_channels), seed=0)
    functions, results, exact = contenders(latents, described)

    seconds = {key: [] for key in [(i, kind) for i in IMPLEMENTATIONS for kind in (0, 1)]}
    for _ in range(args.rounds):
        for implementation, kinds in functions.items():
            for kind, function in enumerate(kinds):
                start = time.perf_counter()
                function(latents, described)
                seconds[implementation, kind].append(time.perf_counter() - start)

    channels = 3 + 2 * (2 * args.bands + 1)
    counted = Reading(rows_of(described), args.latents, 1, channels, channels).costs
    rate = matrix_product_rate()
    title = f"{args.side} x {args.side}, N {args.latents}, D {args.latent_channels}, batch 1"
    table = Table(title=f"{title}; matrix products run at {2 * rate / 1e9:.0f} GFLOP/s")
    for column in ("implementation", "forward ms", "ratio", "with gradients ms", "ratio"):
        table.add_column(column, justify="right")
    table.add_column("multiply-adds", justify="right")
    table.add_column("of the machine's rate", justify="right")
    table.add_column("error", justify="right")
    table.add_column("of gradients", justify="right")
    for implementation in IMPLEMENTATIONS:
        row = [implementation]
        for kind in (0, 1):
            times, dense = seconds[implementation, kind], seconds["dense", kind]
            ratios = [d / t for d, t in zip(dense, times, strict=True)]
            row += [f"{1e3 * statistics.median(times):.0f}", f"{statistics.median(ratios):.2f}"]
        share = counted[implementation] / rate / statistics.median(seconds[implementation, 0])
        row += [f"{counted[implementation] / 1e9:.2f} G", f"{share:.0%}"]
        values, gradients = results[implementation]
        # The key's bias has no gradient but rounding: it adds the same to all scores of a query.
        pairs = zip(gradients, results["dense"][1], strict=True)
        errors = [largest_error(*pair) for pair in pairs if np.abs(pair[1]).max() > 1e-3]
        row += [f"{largest_error(values[0], exact):.1e}", f"{max(errors):.1e}"]
        table.add_row(*row)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
