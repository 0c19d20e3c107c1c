"""Rematerialised blocks in TensorFlow's graphs, and the only module here that needs TensorFlow.

`keras.remat` frees a block's activations, but not two other things that take more. TensorFlow holds
the gradients that a shared weight gets from each of its uses until it adds all of them up: eight
times the latent transformer for the ImageNet Perceiver. And the graph itself, of each operation of
each block in both directions, takes hundreds of megabytes and half a minute to make.

So a block becomes two functions of the graph, forward and backward, which are not inlined, whose
weights are arguments, and which all blocks of the same configuration call; and the backward pass of
the whole sequence is written here, adding each gradient to the last before the next block starts.
"""

import keras
import tensorflow as tf

from perceiver_tf.layers.steps import call_in_turn, call_with, values_of
from perceiver_tf.layers.streaming import wait


def rematerialise(steps, latents):
    """See `perceiver_tf.layers.rematerialised.rematerialise`; eagerly, activations are kept."""
    if tf.executing_eagerly():
        return call_in_turn(steps, latents, training=True)  # nothing to put a function into
    blocks, read, calls = {}, {}, []
    for step in steps:
        block = blocks.setdefault(_kind(step.layer), _Block(step.layer))
        calls.append(_Call(block, step, values_of(step.layer, read)))
    return _in_sequence(calls, latents)


class _Block:
    """The functions of all blocks that are configured alike.

    Args:
        layer: one of them.
    """

    def __init__(self, layer):
        self._layer = layer
        not_inlined = {"experimental_attributes": {"_noinline": True}, "autograph": False}
        self.forward = tf.function(self._forward, **not_inlined)
        self.backward = tf.function(self._backward, **not_inlined)

    def _forward(self, latents, arguments, values):
        return call_with(self._layer, values, latents, arguments)

    def _backward(self, latents, arguments, values, upstream):
        """Returns the gradients of the latents and of `wanted(...)`, None for those without."""
        latents = wait(latents, upstream)
        sources = [latents, *wanted(self._layer, arguments, values)]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            results = call_with(self._layer, values, latents, arguments)
        return tape.gradient(results, sources, output_gradients=upstream)


class _Call:
    """One use of a block: its functions and the tensors that it is called with."""

    def __init__(self, block, step, values):
        self._block = block
        self._inputs = step.arguments, values
        self.tensors = _tensors(self._inputs)
        self.wanted = wanted(step.layer, *self._inputs)

    def forward(self, latents, given):
        """Returns the next latents; `given` maps the ids of tensors to what stands for them."""
        return self._block.forward(latents, *self._given(given))

    def backward(self, latents, upstream, given):
        """Returns the gradient of the latents, and those of `wanted`."""
        gradient, *others = self._block.backward(latents, *self._given(given), upstream)
        return gradient, others

    def _given(self, given):
        return keras.tree.map_structure(lambda x: given.get(id(x), x), self._inputs)


def wanted(layer, arguments, values):
    """Return the tensors that may have a gradient: floating ones, but frozen weights."""
    trained = [
        value for variable, value in zip(layer.variables, values, strict=True) if variable.trainable
    ]
    return [x for x in _tensors((arguments, trained)) if x.dtype.is_floating]


def _tensors(structure):
    return [x for x in keras.tree.flatten(structure) if x is not None]


def _in_sequence(calls, latents):
    sources = {id(x): x for call in calls for x in call.tensors}

    @tf.custom_gradient
    def run(latents, *tensors):
        given = dict(zip(sources, tensors, strict=True))
        before = []
        for call in calls:
            before.append(latents)
            latents = call.forward(latents, given)

        def gradient(upstream):
            totals = dict.fromkeys(sources)
            for call, latents in zip(reversed(calls), reversed(before), strict=True):
                upstream, gradients = call.backward(latents, upstream, given)
                added = _add(totals, call.wanted, gradients)
                with tf.control_dependencies(added):  # else gradients wait to be added
                    upstream = tf.identity(upstream)
            return upstream, *totals.values()

        return latents, gradient

    return run(latents, *sources.values())


def _add(totals, tensors, gradients):
    """Adds the tensors' gradients to their totals; returns the sums."""
    sums = []
    for tensor, gradient in zip(tensors, gradients, strict=True):
        if gradient is None:
            continue
        total = totals[id(tensor)]
        if total is not None:
            gradient = total + gradient
            sums.append(gradient)
        totals[id(tensor)] = gradient
    return sums


def _kind(layer):
    """Return what blocks have in common that run the same operations on other weights."""
    variables = ((tuple(v.shape), v.dtype, v.trainable) for v in layer.variables)
    adapted = any("lora" in variable.name for variable in layer.variables)  # each to its own scale
    return type(layer), layer.settings, tuple(variables), id(layer) if adapted else None
