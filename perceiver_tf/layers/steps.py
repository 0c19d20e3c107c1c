"""Blocks in sequence, and a block called with other values for its variables."""

from dataclasses import dataclass, field
from typing import Any

import keras


@dataclass(frozen=True)
class Step:
    """One use of a block in a sequence: `layer(latents, **arguments)`.

    Attributes:
        layer: built `AttentionBlock`, from latents to latents of the same shape.
        arguments: dict of keyword arguments, structures of tensors and None.
    """

    layer: Any
    arguments: dict[str, Any] = field(default_factory=dict)


def call_in_turn(steps, latents, training=None):
    """Return what the steps make of the latents, each of the result of the one before."""
    for step in steps:
        latents = step.layer(latents, **step.arguments, training=training)
    return latents


def values_of(layer, read):
    """Return the values of a block's variables, in their order; seeds of dropout are drawn anew.

    Args:
        layer: built `AttentionBlock`.
        read: dict from the ids of variables to their values, each read once; is added to.
    """
    seeds = [dropout.seed_generator for dropout in layer.dropouts if dropout.rate > 0]
    drawn = {id(seed.state): seed.next() for seed in seeds}
    for variable in layer.variables:
        if id(variable) not in drawn and id(variable) not in read:
            read[id(variable)] = variable.value
    known = drawn | read
    return [known[id(variable)] for variable in layer.variables]


def call_with(layer, values, latents, arguments):
    """Return what a block makes of latents in training when its variables have these values."""
    with keras.StatelessScope(state_mapping=list(zip(layer.variables, values, strict=True))):
        return layer(latents, **arguments, training=True)
