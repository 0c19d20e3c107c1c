"""Times the latent transformer beside the matrix products that it cannot do without.

    python benchmarks/latent_transformer.py [--blocks 1] [--batch-size 1] [--rounds 15] [--xla]

The contenders take turns in one process: the layer's forward pass and training step, the same
matrix products with nothing between them (from distinct weights, gradients included for the
step), and one product of 2048 x 2048 matrices. Printed are medians of the elapsed time and of
the processor time of all threads, rates, and how near the layer comes to both yardsticks: the
median over the rounds of (multiply-adds / time) over the yardstick's in the same round. Processor
time tells more than elapsed time on a machine that has other work to do.
"""

import argparse
import statistics
import time

import keras
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from perceiver_tf import LatentTransformer

SQUARE = "2048 x 2048 matrices"


def product_weights(layers, channels):
    """Return for each layer its six kernels, scaled to keep products near 1 without a softmax."""
    scale = channels**-0.5
    return [
        [tf.Variable(tf.random.normal((channels, channels), stddev=scale)) for _ in range(6)]
        for _ in range(layers)
    ]


def products(latents, weights, passes, heads):
    """Do the matrix products of the latent transformer's forward pass on `(b, n, channels)`."""
    batch_size, length, channels = latents.shape
    split = (batch_size * heads, length, channels // heads)
    damping = (length * channels / heads) ** -0.5
    x = tf.reshape(latents, (-1, channels))
    for query, key, value, output, hidden, last in weights * passes:
        queries, keys, values = (tf.reshape(x @ w, split) for w in (query, key, value))
        gathered = tf.matmul(tf.matmul(queries, keys, transpose_b=True), values)
        x = ((tf.reshape(gathered, (-1, channels)) @ (output * damping)) @ hidden) @ last
    return x


def training_step(forward, variables):
    """Return a function from latents to the gradients of the variables."""

    def step(latents):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(forward(latents) ** 2)
        return tape.gradient(loss, variables)

    return step


def contenders(args):
    """Return name -> (function without arguments, multiply-adds)."""
    channels, length, heads, layers = args.channels, args.latents, args.heads, args.layers
    latents = tf.random.normal((args.batch_size, length, channels))
    layer = LatentTransformer(layers, args.blocks, num_heads=heads)
    layer(latents)
    weights = product_weights(layers, channels)
    per_example = layers * args.blocks * (6 * length * channels**2 + 2 * length**2 * channels)
    cost = args.batch_size * per_example
    parts = {
        "layer": (lambda x: layer(x, training=True), layer.trainable_variables),
        "products": (lambda x: products(x, weights, args.blocks, heads), sum(weights, [])),
    }
    functions = {}
    for name, (forward, variables) in parts.items():
        step = training_step(forward, variables)
        for kind, function, times in (("forward", forward, 1), ("training step", step, 3)):
            compiled = tf.function(function, autograph=False, jit_compile=args.xla)
            functions[f"{name}, {kind}"] = lambda f=compiled: f(latents), times * cost
    square = tf.random.normal((2048, 2048))
    functions[SQUARE] = lambda: tf.matmul(square, square), 2048**3
    return functions


def measure(functions, rounds):
    """Return name -> list of (elapsed, processor) seconds, the contenders alternating."""
    for function, _ in functions.values():
        function(), function()
    seconds = {name: [] for name in functions}
    for _ in range(rounds):
        for name, (function, _) in functions.items():
            start = time.perf_counter(), time.process_time()
            function()
            end = time.perf_counter(), time.process_time()
            seconds[name].append([e - s for s, e in zip(start, end, strict=True)])
    return seconds


def relative_rate(functions, seconds, name, yardstick, clock):
    """Return the median over the rounds of the rate of `name` over that of `yardstick`."""
    cost = functions[name][1] / functions[yardstick][1]
    pairs = zip(seconds[name], seconds[yardstick], strict=True)
    return statistics.median(cost * other[clock] / own[clock] for own, other in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latents", type=int, default=512)
    parser.add_argument("--channels", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=6, help="self-attends per block")
    parser.add_argument("--blocks", type=int, default=1, help="passes; 8 in the ImageNet models")
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--xla", action="store_true", help="compile with XLA")
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    functions = contenders(args)
    seconds = measure(functions, args.rounds)

    table = Table(
        title=f"{args.layers} self-attends x {args.blocks}, N {args.latents}, D {args.channels}, "
        f"{args.heads} heads, batch {args.batch_size}{', XLA' if args.xla else ''}"
    )
    for column in ("contender", "elapsed ms", "processor ms", "GFLOP/s"):
        table.add_column(column, justify="left" if column == "contender" else "right", no_wrap=True)
    for yardstick in ("of 2048^3", "of its products"):
        for clock in ("elapsed", "processor"):
            table.add_column(f"{yardstick}, {clock}", justify="right")
    for name, (_, cost) in functions.items():
        elapsed, processor = (
            statistics.median(times[clock] for times in seconds[name]) for clock in (0, 1)
        )
        row = [name, f"{1e3 * elapsed:.0f}", f"{1e3 * processor:.0f}"]
        row.append(f"{2 * cost / elapsed / 1e9:.0f}")
        for yardstick in (SQUARE, name.replace("layer", "products")):
            for clock in (0, 1):
                rate = relative_rate(functions, seconds, name, yardstick, clock)
                row.append("-" if yardstick == name else f"{rate:.1%}")
        table.add_row(*row)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
