"""Blocks in sequence whose backward pass computes them again instead of keeping what they made.

A training step then holds the latents between the blocks, and beside them what one block makes
(rematerialisation, or gradient checkpointing, arXiv:1604.06174), for the time of one more forward
pass.
"""

import keras

from perceiver_tf.layers.steps import call_with, values_of


def rematerialise(steps, latents):
    """Return what the steps make of the latents in training; the backward pass repeats each.

    Blocks under dropout repeat with the same draws.

    Args:
        steps: list of `Step`.
        latents: `(b, n, channels)`.

    Returns:
        `(b, n, channels)`, equal to `call_in_turn(steps, latents, training=True)`.
    """
    if keras.backend.backend() == "tensorflow":
        from perceiver_tf.layers import rematerialised_tensorflow

        return rematerialised_tensorflow.rematerialise(steps, latents)
    read = {}
    for step in steps:
        latents = _repeated(step)(latents, step.arguments, values_of(step.layer, read))
    return latents


def _repeated(step):
    @keras.remat
    def repeated(latents, arguments, values):
        return call_with(step.layer, values, latents, arguments)

    return repeated
