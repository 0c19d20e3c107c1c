"""Times one training step of the small models: implementations, XLA, and gelus side by side.

    python benchmarks/steps.py [MODEL ...] [--batch-size 64] [--rounds 20]

The contenders take turns in one process; printed are medians, minima and ratios to the first.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

import zoo
from zoo.recipes.named import RECIPES
from zoo.recipes.optimizers import build_loss, build_optimizer

CONTENDERS = {
    "dense": {"cross_attention_implementation": "dense"},
    "folded": {"cross_attention_implementation": "folded"},
    "separable": {"cross_attention_implementation": "separable"},
    "auto": {},
    "auto, exact gelu": {"gelu": "erf"},
    "auto, XLA": {},
}


def training_step(name, contender, batch_size):
    """Return a function that takes one training step on random data."""
    keras.utils.set_random_seed(0)
    config = zoo.configuration(name, **CONTENDERS[contender])
    model = zoo.build_model(config)
    recipe = RECIPES[config.recipe]
    model.compile(
        build_optimizer(recipe, model.trainable_variables, 1000),
        build_loss(recipe),
        jit_compile=contender.endswith("XLA"),
    )
    model.make_train_function()
    random = np.random.default_rng(0)
    images = random.normal(size=(batch_size, *config.image_shape)).astype("float32")
    labels = np.eye(config.num_classes, dtype="float32")[
        random.integers(0, config.num_classes, batch_size)
    ]
    batches = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    return lambda: model.train_function(batches)


def measure(steps, rounds):
    """Return the seconds of each step function in each round, alternating."""
    for step in steps.values():
        step(), step()
    seconds = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    small = [name for name in zoo.list_models() if name.endswith(("_tiny", "_small"))]
    parser.add_argument("models", nargs="*", default=small, help=f"default: {' '.join(small)}")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    for name in args.models:
        steps = {c: training_step(name, c, args.batch_size) for c in CONTENDERS}
        seconds = measure(steps, args.rounds)
        table = Table(title=f"{name}, batch {args.batch_size}, training step")
        for title in ("contender", "median ms", "min ms", "times as fast as dense"):
            table.add_column(title, justify="left" if title == "contender" else "right")
        for contender, times in seconds.items():
            ratios = [d / t for d, t in zip(seconds["dense"], times, strict=True)]
            table.add_row(
                contender,
                f"{1e3 * statistics.median(times):.1f}",
                f"{1e3 * min(times):.1f}",
                f"{statistics.median(ratios):.2f}",
            )
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
