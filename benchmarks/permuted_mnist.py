"""Trains the MNIST Perceiver on pixels in one fixed random order.

    python benchmarks/permuted_mnist.py --data mnist.npz [--original] [--no-augmentation]
        [--set num_latents=32 ...] [--epochs 24] [--seed 0] [--json PATH]

Every image, after augmentation, has its pixels moved by the same random permutation, and the
positions are those of the places where the pixels land. With `--original` they stay: nothing else
differs between the two. The Perceiver has no notion of neighbourhood but the positions
(arXiv:2103.03206, table 2). The images that augmentation makes are near each other only for an eye
that knows which pixels are neighbours; `--no-augmentation` trains on the images as they are.
"""

import argparse
import json
import math
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo.commands.runs import parse_settings
from zoo.cores import num_cores
from zoo.recipes.named import RECIPES
from zoo.recipes.optimizers import build_loss, build_optimizer


def permuted(batches, permutation):
    """Return the batches with the pixels of every image in another order."""

    def move(images, labels):
        pixels = tf.reshape(images, (tf.shape(images)[0], -1, images.shape[-1]))
        return tf.reshape(tf.gather(pixels, permutation, axis=1), tf.shape(images)), labels

    return batches.map(move, num_parallel_calls=num_cores())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="mnist.npz, or mnist (TensorFlow Datasets)")
    parser.add_argument("--model", default="perceiver_mnist_small")
    parser.add_argument("--original", action="store_true", help="leave the pixels in place")
    parser.add_argument("--no-augmentation", action="store_true", help="train on plain images")
    parser.add_argument("--set", action="append", default=[], help="as of `perceiver-zoo train`")
    parser.add_argument("--epochs", type=int, help="default: the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    overrides = parse_settings("--set", args.set)
    entry = zoo.build(args.model, data=args.data, **overrides)
    recipe = RECIPES[entry.config.recipe]
    if args.epochs:
        recipe = recipe.replace(epochs=args.epochs)
    height, width, _ = entry.config.image_shape
    permutation = np.arange(height * width)
    if not args.original:
        permutation = np.random.default_rng(args.seed).permutation(permutation)
    train = entry.pipeline.batches(
        "train",
        recipe.batch_size,
        training=True,
        seed=args.seed,
        augmentation=None if args.no_augmentation else recipe.augmentation,
        repeat=True,
    )
    test = permuted(entry.pipeline.batches("test", 256), permutation)
    steps = math.ceil(entry.pipeline.num_examples("train") / recipe.batch_size)
    entry.model.compile(
        build_optimizer(recipe, entry.model.trainable_variables, steps),
        build_loss(recipe),
        metrics=["accuracy"],
        jit_compile=False,
    )
    start = time.perf_counter()
    entry.model.fit(
        permuted(train, permutation), epochs=recipe.epochs, steps_per_epoch=steps, verbose=2
    )
    report = {
        "model": args.model,
        "order": "original" if args.original else "permuted",
        "overrides": overrides,
        "augmentation": not args.no_augmentation,
        "seed": args.seed,
        "epochs": recipe.epochs,
        "train_seconds": time.perf_counter() - start,
        "test_accuracy": entry.model.evaluate(test, verbose=0, return_dict=True)["accuracy"],
    }
    print(json.dumps(report, indent=2))
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
