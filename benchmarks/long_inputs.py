"""Measures inputs too long for other implementations: megapixels, video, optical flow.

    python benchmarks/long_inputs.py pixels [--sides 1024,4096] [--rounds 3]
    python benchmarks/long_inputs.py training [--sides 1024] [--rounds 3]
    python benchmarks/long_inputs.py video [--rounds 3]
    python benchmarks/long_inputs.py flow [--rounds 2]        (needs the extra `benchmark`)

`pixels` and `training` are one cross-attend (N 512, D 1024, 64 bands, raw pixels), forward and
with gradients, each side beside plain PyTorch under a memory limit; `video` is one over
16 x 224 x 224 pixels beside the dense form, which is streamed; `flow` is the optical-flow
Perceiver IO at 368 x 496 beside Hugging Face's, both with random weights. Contenders are child
processes that take turns.
"""

import argparse

from peers_cross_attend import contender
from rich.console import Console

from zoo.benchmarks.measuring import Contender, measure
from zoo.benchmarks.peers import matrix_products
from zoo.benchmarks.report import progress, rows_of, show, surroundings
from zoo.benchmarks.worker import Prepared
from zoo.commands.terminal import write_json

SIZES = {"num_latents": 512, "latent_channels": 1024, "bands": 64}
FLOW_GRID = (368, 496)


def prepare_video(implementation):
    """Prepares one cross-attend over 16 frames of raw pixels, forward."""
    import tensorflow as tf

    from perceiver_tf import CrossAttention, FourierInputs
    from perceiver_tf.layers import choosing
    from perceiver_tf.layers.reading import Reading

    grid = (16, 224, 224)
    frames = tf.random.stateless_normal((1, *grid, 3), seed=(0, 0))
    latents = tf.random.stateless_normal((1, 512, 1024), seed=(0, 1))
    described = FourierInputs(64, grid)(frames)
    layer = CrossAttention(implementation=implementation)
    layer.build(latents.shape, {"content": frames.shape, "axes": [(s, 129) for s in grid]})
    channels = 3 + 3 * 129
    reading = Reading(choosing.rows_of(described), 512, 1, channels, channels, implementation)
    forward = tf.function(lambda: layer(latents, described), autograph=False)
    around = 2 * 512 * 1024 * channels
    return Prepared(forward, lambda: reading.multiply_adds + around)


def flow_model():
    """Return the optical-flow Perceiver IO of the released code, from patches to flow.

    Each of the 368 x 496 pixels is the 3 x 3 patches around it in both frames, 54 channels, and
    asks for its own flow (arXiv:2107.14795 appendix H).
    """
    import keras

    from perceiver_tf import FourierInputs, perceiver_io

    patches = keras.Input((*FLOW_GRID, 54), name="patches")
    project = keras.layers.Dense(64, name="content_projection")
    positions = FourierInputs(64, FLOW_GRID, name="positions")
    described = positions(project(patches))
    return perceiver_io(
        patches,
        lambda inputs: described,
        lambda inputs: described,
        2,
        num_latents=2048,
        latent_channels=512,
        num_blocks=1,
        num_self_attends_per_block=24,
        num_self_attention_heads=16,
        decoder_qk_channels=512,
        decoder_v_channels=512,
        use_decoder_query_residual=False,
    )


def prepare_flow():
    """Prepares this project's model."""
    import tensorflow as tf

    model = flow_model()
    patches = tf.random.stateless_normal((1, *FLOW_GRID, 54), seed=(0, 0))
    forward = tf.function(lambda: model(patches, training=False), autograph=False)
    return Prepared(forward, lambda: None)


def prepare_flow_transformers():
    """Prepares Hugging Face's model."""
    import torch
    import transformers

    from zoo.benchmarks.torch_peers import inference

    model = transformers.PerceiverForOpticalFlow(
        transformers.PerceiverConfig(
            num_latents=2048,
            d_latents=512,
            d_model=322,
            num_blocks=1,
            num_self_attends_per_block=24,
            num_self_attention_heads=16,
            num_cross_attention_heads=1,
            attention_probs_dropout_prob=0.0,
            train_size=list(FLOW_GRID),
        )
    ).eval()
    frames = torch.randn(1, 2, 27, *FLOW_GRID)
    return inference(lambda: model(inputs=frames).logits)


def contenders_of(case, side):
    """Return the contenders of a case, see the module."""
    if case == "video":
        return [
            Contender(f"this project, {form}", prepare_video, {"implementation": form})
            for form in ("separable", "dense")
        ]
    if case == "flow":
        own = Contender("this project", prepare_flow)
        return [own, Contender("transformers", prepare_flow_transformers)]
    gradients = case == "training"
    return [
        contender(name, side=side, gradients=gradients, **SIZES)
        for name in ("separable", "pytorch")
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=("pixels", "training", "video", "flow"))
    parser.add_argument("--sides", help="of pixels (default 1024,4096) and training (1024)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-limit", type=float, default=24.0, metavar="GIB")
    parser.add_argument("--seconds-limit", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--json", default=None, help="write the figures to this file")
    args = parser.parse_args()
    default = {"pixels": "1024,4096", "training": "1024"}.get(args.case, "0")
    limits = {"memory_limit": int(args.memory_limit * 2**30), "seconds_limit": args.seconds_limit}
    out, reports = Console(width=130, highlight=False), {}
    for side in map(int, (args.sides or default).split(",")):
        contenders = contenders_of(args.case, side)
        around = surroundings()
        with progress(out) as tell:
            products = matrix_products(with_pytorch=False)
            found = measure([*contenders, *products], args.rounds, tell, **limits)
        title = f"{args.case}{f' {side} x {side}' if side else ''}"
        reports[title] = {**rows_of(found), **around}
        show(out, title, reports[title])
        write_json(args.json, reports)


if __name__ == "__main__":
    main()
