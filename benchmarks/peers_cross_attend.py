"""Measures one cross-attend beside other implementations, forward and with gradients.

    python benchmarks/peers_cross_attend.py [--side 224] [--latents 512] [--rounds 9]
        [--contenders separable,dense,pytorch] [--no-gradients | --only-gradients] [--json PATH]

A cross-attend here is: pixels beside their position features, layer norm of these rows, attention
of the latents to them with one head as wide as a row, projection back to the latents' width. Peers
have the position features ready; none is charged for computing them. Each contender runs in a
process of its own and they take turns, with a float32 matrix product among them.
"""

import argparse

from rich.console import Console

from zoo.benchmarks.measuring import Contender, measure
from zoo.benchmarks.peers import matrix_products
from zoo.benchmarks.report import progress, rows_of, show, surroundings
from zoo.benchmarks.worker import Prepared
from zoo.commands.terminal import write_json


def prepare_own(implementation, side, num_latents, latent_channels, bands, gradients):
    """Prepares `perceiver_tf.CrossAttention`."""
    from perceiver_tf import CrossAttention, FourierInputs
    from perceiver_tf.layers import choosing
    from perceiver_tf.layers.reading import Reading

    images, latents = _random(side, num_latents, latent_channels)
    described = FourierInputs(bands, (side, side))(images)
    layer = CrossAttention(implementation=implementation)
    layer.build(latents.shape, {"content": images.shape, "axes": [(side, 2 * bands + 1)] * 2})
    channels = _row_channels(bands)

    def counted():
        rows = choosing.rows_of(described)
        reading = Reading(rows, num_latents, 1, channels, channels, implementation)
        around = 2 * num_latents * latent_channels * channels
        return (3 if gradients else 1) * (reading.multiply_adds + around)

    step = _tensorflow_step(layer, latents, described, gradients)
    return Prepared(step, counted)


def prepare_keras(side, num_latents, latent_channels, bands, gradients):
    """Prepares `keras.layers.MultiHeadAttention` after a layer norm of the assembled rows."""
    import keras
    from keras import ops

    from perceiver_tf import FourierInputs
    from perceiver_tf.layers.byte_array import assemble

    images, latents = _random(side, num_latents, latent_channels)
    channels = _row_channels(bands)
    content = ops.zeros((1, side, side, 0))
    positions = assemble(FourierInputs(bands, (side, side))(images) | {"content": content})
    norm = keras.layers.LayerNormalization(epsilon=1e-5)
    attention = keras.layers.MultiHeadAttention(1, channels, channels, output_shape=latent_channels)

    class Layer(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.norm, self.attention = norm, attention

        def build(self, latents_shape, images_shape):
            rows_shape = (1, side * side, channels)
            self.norm.build(rows_shape)
            self.attention.build(latents_shape, rows_shape)

        def call(self, latents, images):
            pixels = ops.reshape(images, (1, side * side, 3))
            rows = self.norm(ops.concatenate([pixels, positions], axis=-1))
            return self.attention(latents, rows)

    layer = Layer()
    layer.build(latents.shape, images.shape)
    rows = side * side
    dense = 2 * channels * (rows * (channels + num_latents) + num_latents * latent_channels)
    step = _tensorflow_step(layer, latents, images, gradients)
    return Prepared(step, lambda: (3 if gradients else 1) * dense)


def _tensorflow_step(layer, latents, inputs, gradients):
    import tensorflow as tf

    @tf.function(autograph=False)
    def forward(latents, inputs):
        return layer(latents, inputs)

    @tf.function(autograph=False)
    def backward(latents, inputs):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(latents, inputs) ** 2)
        return tape.gradient(loss, layer.trainable_variables)

    function = backward if gradients else forward
    return lambda: function(latents, inputs)


def _random(side, num_latents, latent_channels):
    """Returns random images and latents as TensorFlow tensors."""
    import tensorflow as tf

    images = tf.random.stateless_normal((1, side, side, 3), seed=(0, 0))
    return images, tf.random.stateless_normal((1, num_latents, latent_channels), seed=(0, 1))


def _row_channels(bands):
    return 3 + 2 * (2 * bands + 1)


def prepare_torch(kind, side, num_latents, latent_channels, bands, gradients):
    """Prepares a PyTorch cross-attention: the module that `TORCH_MODULES[kind]` makes."""
    import torch

    from zoo.benchmarks.torch_peers import counted_multiply_adds, inference
    from zoo.benchmarks.torch_perceiver import FourierRows

    rows = FourierRows((side, side), bands, (side, side))
    module = TORCH_MODULES[kind](latent_channels, _row_channels(bands))
    module.train(gradients)
    images = torch.randn(1, side, side, 3)
    latents = torch.randn(1, num_latents, latent_channels)
    if not gradients:
        return inference(lambda: module(latents, rows(images)))
    weights = list(module.parameters())

    def step():
        result = module(latents, rows(images))
        return torch.autograd.grad((result**2).sum(), weights, allow_unused=True)

    return Prepared(step, lambda: counted_multiply_adds(step))


def _plain_torch(form):
    def module(latent_channels, row_channels):
        from zoo.benchmarks.torch_perceiver import CrossAttention

        return CrossAttention(latent_channels, row_channels, 1, row_channels, row_channels, form)

    return module


def _transformers(latent_channels, row_channels):
    """Returns Hugging Face's attention, which also normalises the latents."""
    from torch import nn
    from transformers import PerceiverConfig
    from transformers.models.perceiver.modeling_perceiver import PerceiverAttention

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = PerceiverAttention(
                PerceiverConfig(attention_probs_dropout_prob=0.0),
                is_cross_attention=True,
                qk_channels=row_channels,
                v_channels=row_channels,
                num_heads=1,
                q_dim=latent_channels,
                kv_dim=row_channels,
                use_query_residual=False,
            )

        def forward(self, latents, rows):
            return self.attention(latents, inputs=rows)[0]

    return Module()


def _lucidrains(latent_channels, row_channels):
    """Returns perceiver-pytorch's attention, which also normalises the latents."""
    from perceiver_pytorch.perceiver_pytorch import Attention, PreNorm
    from torch import nn

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            attention = Attention(latent_channels, row_channels, heads=1, dim_head=row_channels)
            self.attention = PreNorm(latent_channels, attention, context_dim=row_channels)

        def forward(self, latents, rows):
            return self.attention(latents, context=rows)

    return Module()


def _krasserm(latent_channels, row_channels):
    """Returns perceiver-io's attention, which also normalises the latents."""
    from perceiver.model.core.modules import CrossAttention

    return CrossAttention(1, latent_channels, row_channels, row_channels, row_channels)


TORCH_MODULES = {
    "pytorch": _plain_torch("fused"),
    "pytorch_explicit": _plain_torch("explicit"),
    "transformers": _transformers,
    "lucidrains": _lucidrains,
    "krasserm": _krasserm,
}
OWN = ("separable", "folded", "dense")
CONTENDERS = (*OWN, "keras", *TORCH_MODULES)
NOTES = {
    "dense": "TensorFlow: rows, keys and values in full",
    "keras": "keras.layers.MultiHeadAttention",
    "pytorch": "scaled_dot_product_attention",
    "pytorch_explicit": "scores and softmax step by step",
}


def contender(name, **sizes):
    """Returns a contender by its name, see `CONTENDERS`."""
    note = NOTES.get(name, "")
    if name in TORCH_MODULES:
        return Contender(name, prepare_torch, {"kind": name, **sizes}, note)
    if name == "keras":
        return Contender(name, prepare_keras, sizes, note)
    return Contender(f"this project, {name}", prepare_own, {"implementation": name, **sizes}, note)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=224, help="pixels along each axis")
    parser.add_argument("--latents", type=int, default=512)
    parser.add_argument("--latent-channels", type=int, default=1024)
    parser.add_argument("--bands", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="some of the default")
    directions = parser.add_mutually_exclusive_group()
    directions.add_argument("--no-gradients", action="store_true", help="forward only")
    directions.add_argument("--only-gradients", action="store_true", help="with gradients only")
    parser.add_argument("--json", metavar="PATH")
    args = parser.parse_args()
    sizes = {"side": args.side, "num_latents": args.latents}
    sizes |= {"latent_channels": args.latent_channels, "bands": args.bands}
    out, reports = Console(width=130, highlight=False), {}
    for gradients in (False, True):
        if args.no_gradients if gradients else args.only_gradients:
            continue
        contenders = [
            contender(name, gradients=gradients, **sizes) for name in args.contenders.split(",")
        ]
        around = surroundings()
        products = matrix_products(any(one.prepare is prepare_torch for one in contenders))
        with progress(out) as tell:
            found = measure([*contenders, *products], args.rounds, tell)
        kind = "with gradients" if gradients else "forward"
        reports[kind] = {**sizes, **rows_of(found), **around}
        title = f"{args.side} x {args.side}, N {args.latents}, D {args.latent_channels}: {kind}"
        show(out, title, reports[kind])
    write_json(args.json, reports)


if __name__ == "__main__":
    main()
