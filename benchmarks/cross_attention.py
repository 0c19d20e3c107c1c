"""Times one cross-attention, forward and with gradients: dense, folded, separable.

    python benchmarks/cross_attention.py [--side 224] [--latents 512] [--rounds 9]
    KERAS_BACKEND=jax python benchmarks/cross_attention.py --pytorch --batch-size 8 --rounds 50

The contenders have the same weights and take turns in one process, beside a plain matrix product
that tells the machine's rate. Printed are medians, ratios to dense, the multiply-adds counted
from the shapes, and the largest error, over the largest value: of the results against a dense
computation in float64, of each weight's gradient against the dense implementation's.

It runs on Keras's TensorFlow and JAX backends, on a GPU where the backend sees one, and with JAX
in an environment without TensorFlow. On a GPU, `--precision float32` makes products exact, which
leaves its fast units idle; `--precision tf32` rounds their factors to 11 bits.
"""

import argparse
import json
import os
import pathlib
import statistics
import time

import keras
import numpy as np
from keras import ops
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from perceiver_tf import CrossAttention, FourierInputs
from perceiver_tf.layers import byte_array
from perceiver_tf.layers.choosing import choose_implementations, rows_of
from perceiver_tf.layers.reading import Reading

IMPLEMENTATIONS = ("dense", "folded", "separable")
PYTORCH = "dense, PyTorch"
KINDS = ("forward", "with gradients")
PRODUCT_SIZE = 2048  # of the square matrices whose product tells the machine's rate


def set_precision(precision):
    """Set how exact float32 products are on a GPU; without effect on a processor."""
    if keras.backend.backend() == "jax":
        import jax

        names = {"float32": "highest", "tf32": "tensorfloat32"}
        jax.config.update("jax_default_matmul_precision", names[precision])


def on_keras(layer, adapter, latents, images):
    """Return kind -> function without arguments, of a `CrossAttention` on this backend.

    A function returns when its result is there: an array, or the gradients of the weights.
    """
    on_backend = _on_jax if keras.backend.backend() == "jax" else _on_tensorflow
    return on_backend(layer, adapter, latents, images)


def _on_jax(layer, adapter, latents, images):
    import jax

    weights = [variable.value for variable in layer.trainable_variables]
    state = [variable.value for variable in layer.non_trainable_variables]

    def forward(weights, latents, images):
        return layer.stateless_call(weights, state, latents, adapter(images))[0]

    def waiting(function):
        compiled = jax.jit(function)
        return lambda: jax.block_until_ready(compiled(weights, latents, images))

    gradients = jax.grad(lambda *inputs: _loss(forward(*inputs)))
    return dict(zip(KINDS, (waiting(forward), waiting(gradients)), strict=True))


def _on_tensorflow(layer, adapter, latents, images):
    import tensorflow as tf

    def forward(latents, images):
        return layer(latents, adapter(images))

    def gradients(latents, images):
        with tf.GradientTape() as tape:
            loss = _loss(forward(latents, images))
        return tape.gradient(loss, layer.trainable_variables)

    def waiting(function):
        compiled = tf.function(function, autograph=False)

        def run():
            results = compiled(latents, images)
            tf.test.experimental.sync_devices()
            return results

        return run

    return dict(zip(KINDS, (waiting(forward), waiting(gradients)), strict=True))


def _loss(result):
    return ops.sum(ops.cast(result, "float32") ** 2)


def on_pytorch(layer, adapter, latents, images, precision):
    """Return kind -> function of the layer in PyTorch, with `scaled_dot_product_attention`.

    The position features lie ready, as part of the rows; nothing is charged for them.
    """
    import torch
    from torch.nn import functional

    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, layer.compute_dtype)
    positions = byte_array.assemble(adapter(images) | {"content": images[..., :0]})
    latents, images, positions = (
        torch.tensor(ops.convert_to_numpy(x), device=device) for x in (latents, images, positions)
    )
    named = {
        variable.path.split("/", 1)[1]: torch.tensor(value, device=device, requires_grad=True)
        for variable, value in zip(layer.weights, layer.get_weights(), strict=True)
    }

    def project(x, name):
        kernel, bias = (named[f"{name}/{part}"].to(dtype) for part in ("kernel", "bias"))
        return functional.linear(x.to(dtype), kernel.T, bias)

    def forward():
        rows = torch.cat([images.flatten(1, 2), positions], -1)
        gamma, beta = named["inputs_norm/gamma"], named["inputs_norm/beta"]
        rows = functional.layer_norm(rows, gamma.shape, gamma, beta, 1e-5)
        parts = (project(x, name) for x, name in ((latents, "query"), (rows, "key")))
        gathered = functional.scaled_dot_product_attention(*parts, project(rows, "value"))
        return project(gathered, "attention_output")

    def gradients():
        loss = (forward().float() ** 2).sum()
        return torch.autograd.grad(loss, [named[name] for name in named])

    def waiting(function):
        def run():
            results = function()
            if device == "cuda":
                torch.cuda.synchronize()
            return results

        return run

    forward_only = torch.inference_mode()(forward)
    return dict(zip(KINDS, (waiting(forward_only), waiting(gradients)), strict=True))


def contenders(args, latents, images):
    """Return name -> kind -> function, a layer of their weights, and the images described."""
    adapter = FourierInputs(args.bands, (args.side, args.side))
    functions, weights = {}, None
    for implementation in IMPLEMENTATIONS:
        layer = CrossAttention(implementation=implementation)
        layer(latents, adapter(images))
        weights = weights or layer.get_weights()
        layer.set_weights(weights)
        functions[implementation] = on_keras(layer, adapter, latents, images)
    if args.pytorch:
        functions[PYTORCH] = on_pytorch(layer, adapter, latents, images, args.precision)
    return functions, layer, adapter(images)


def in_float64(layer, latents, described):
    """Return what a dense cross-attention of one head gives for the first example, by numpy."""
    rows = to_numpy(byte_array.assemble(described)[0], "float64")
    gamma, beta = (to_numpy(x, "float64") for x in layer.inputs_norm.weights)
    rows -= rows.mean(-1, keepdims=True)
    rows = rows / np.sqrt((rows**2).mean(-1, keepdims=True) + 1e-5) * gamma + beta

    def project(x, dense):
        return x @ to_numpy(dense.kernel, "float64") + to_numpy(dense.bias, "float64")

    queries = project(to_numpy(latents[0], "float64"), layer.query)
    scores = queries @ project(rows, layer.key).T / np.sqrt(queries.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return project(weights @ project(rows, layer.value), layer.attention_output)


def to_numpy(x, dtype="float32"):
    """Return a tensor of any of the frameworks as a numpy array of this dtype."""
    if hasattr(x, "detach"):
        return x.detach().float().cpu().numpy().astype(dtype)
    return ops.convert_to_numpy(ops.cast(x, "float32")).astype(dtype)


def largest_error(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def largest_gradient_error(layer, found, expected):
    """The key's bias is left out: it adds the same to all scores, its gradient is rounding."""
    triples = zip(layer.trainable_variables, found, expected, strict=True)
    return max(
        largest_error(to_numpy(f), to_numpy(e))
        for variable, f, e in triples
        if not variable.path.endswith("key/bias")
    )


def matrix_product():
    """Return a function without arguments: a product of two square float32 matrices."""
    shape = PRODUCT_SIZE, PRODUCT_SIZE
    matrix = ops.convert_to_tensor(np.random.default_rng(0).normal(size=shape), "float32")
    if keras.backend.backend() == "jax":
        import jax

        compiled = jax.jit(ops.matmul)
        return lambda: jax.block_until_ready(compiled(matrix, matrix))
    import tensorflow as tf

    def run():
        tf.matmul(matrix, matrix)
        tf.test.experimental.sync_devices()

    return run


def measure(functions, rounds):
    """Return (name, kind) -> list of seconds, the contenders taking turns."""
    timed = {(name, kind): f for name, kinds in functions.items() for kind, f in kinds.items()}
    seconds = {key: [] for key in timed}
    with Progress(transient=True) as progress:
        for _ in progress.track(range(rounds), description="rounds"):
            for key, function in timed.items():
                start = time.perf_counter()
                function()
                seconds[key].append(time.perf_counter() - start)
    return seconds


def figures(args, seconds, functions, described):
    """Return name -> its figures: seconds and ratios to dense of each kind, multiply-adds."""
    channels = byte_array.row_width(described)
    rows = rows_of(described)
    costs = Reading(rows, args.latents, 1, channels, channels).costs
    product = statistics.median(seconds["product", "forward"])
    found = {}
    for name in functions:
        cost = args.batch_size * costs.get(name, costs["dense"])
        found[name] = {"multiply_adds": cost}
        for kind in KINDS:
            times, dense = seconds[name, kind], seconds["dense", kind]
            ratios = [d / t for d, t in zip(dense, times, strict=True)]
            found[name][kind] = {
                "seconds": statistics.median(times),
                "ratio": statistics.median(ratios),
            }
        rate = cost / found[name]["forward"]["seconds"]
        found[name]["share_of_rate"] = rate * product / PRODUCT_SIZE**3
    return found


def add_errors(found, functions, layer, exact):
    """Put the errors of results and gradients into `found`."""
    expected = functions["dense"]["with gradients"]()
    for name, kinds in functions.items():
        found[name]["error"] = largest_error(to_numpy(kinds["forward"]()[0], "float64"), exact)
        gradients = kinds["with gradients"]()
        found[name]["error_of_gradients"] = largest_gradient_error(layer, gradients, expected)


def show(out, title, found):
    table = Table(title=title)
    for column in ("implementation", "forward ms", "ratio", "with gradients ms", "ratio"):
        table.add_column(column, justify="left" if column == "implementation" else "right")
    for column in ("multiply-adds", "of the machine's rate", "error", "of gradients"):
        table.add_column(column, justify="right")
    for name, row in found.items():
        times = [(f"{1e3 * row[k]['seconds']:.4g}", f"{row[k]['ratio']:.2f}") for k in KINDS]
        table.add_row(
            name,
            *times[0],
            *times[1],
            f"{row['multiply_adds'] / 1e9:.2f} G",
            f"{row['share_of_rate']:.0%}",
            f"{row['error']:.1e}",
            f"{row['error_of_gradients']:.1e}",
        )
    out.print(table)


def machine():
    """Return the backend, the device that it computes on, and versions, in words."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return f"JAX {jax.__version__}, {jax.devices()[0].device_kind}, Keras {keras.__version__}"
    import tensorflow as tf

    devices = [device.name for device in tf.config.list_logical_devices()]
    return f"TensorFlow {tf.__version__}, {devices[-1]}, Keras {keras.__version__}"


def parsed_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=224, help="pixels along each axis")
    parser.add_argument("--latents", type=int, default=512)
    parser.add_argument("--latent-channels", type=int, default=1024)
    parser.add_argument("--bands", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--dtype", choices=("float32", "mixed_bfloat16"), default="float32")
    parser.add_argument("--precision", choices=("float32", "tf32"), default="float32")
    parser.add_argument(
        "--pytorch", action="store_true", help="also PyTorch's scaled_dot_product_attention"
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="PATH", help="also write the figures")
    return parser.parse_args()


def title_of(args, seconds):
    """Return what was measured, where, and the machine's rate of products, in words."""
    exactness = args.dtype if args.dtype != "float32" else f"products in {args.precision}"
    rate = 2 * PRODUCT_SIZE**3 / statistics.median(seconds["product", "forward"]) / 1e9
    sizes = f"{args.side} x {args.side}, N {args.latents}, D {args.latent_channels}"
    sizes = f"{sizes}, batch {args.batch_size}"
    return f"{sizes}, {exactness}; {machine()}; products run at {rate:.0f} GFLOP/s"


def main():
    args = parsed_arguments()
    if args.pytorch:  # which needs some of the GPU's memory, too
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    set_precision(args.precision)
    keras.config.set_dtype_policy(args.dtype)
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    images, latents = (
        ops.convert_to_tensor(random.normal(size=(args.batch_size, *shape)), "float32")
        for shape in ((args.side, args.side, 3), (args.latents, args.latent_channels))
    )
    functions, layer, described = contenders(args, latents, images)
    product = {"forward": matrix_product()}
    for function in (f for kinds in (*functions.values(), product) for f in kinds.values()):
        function(), function()
    seconds = measure(functions | {"product": product}, args.rounds)
    found = figures(args, seconds, functions, described)
    add_errors(found, functions, layer, in_float64(layer, latents, described))
    out = Console(width=130, highlight=False)
    show(out, title_of(args, seconds), found)
    width = byte_array.row_width(described)
    chosen = choose_implementations([described], args.latents, 1, width, width)[0]
    out.print(f'`implementation="auto"` takes: {chosen}')
    if args.json:
        settings = {key: value for key, value in vars(args).items() if key != "json"}
        report = {"machine": machine(), **settings, "auto": chosen, "contenders": found}
        args.json.write_text(json.dumps(report, indent=2) + "\n")
        out.print(f"wrote {args.json}")


if __name__ == "__main__":
    main()
