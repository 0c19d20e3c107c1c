"""The contenders of a benchmark of a whole model: this project, its peers, and a matrix product.

The functions that build them run in child processes, so that this module loads no framework.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from perceiver_tf.models.configs import PerceiverConfig, PerceiverIOConfig
from zoo.benchmarks.measuring import Contender
from zoo.benchmarks.worker import Prepared
from zoo.errors import ZooError
from zoo.images.configs import ImageClassifierConfig

PRECISIONS = ("float32", "mixed_bfloat16")
PRODUCTS = "matrix products"
_PRODUCT_SIZE = 2048


@dataclass(frozen=True)
class Peer:
    """Another implementation.

    Attributes:
        modules: what must be importable.
        install: arguments of `pip install` that bring them.
        refusal: returns why the peer has no such configuration, or None.
        builder: name of a function of `zoo.benchmarks.torch_peers`, or of two by the kind of model:
            original Perceiver, Perceiver IO.
        arguments: further arguments of it.
        note: how the peer differs, one line.
    """

    modules: tuple[str, ...]
    install: str
    refusal: Callable[[Any], str | None]
    builder: str | tuple[str, str]
    arguments: tuple[tuple[str, Any], ...] = ()
    note: str = ""


def _refused_unless_fourier(config) -> str | None:
    """What a peer that knows only raw pixels with Fourier positions does not take."""
    if not isinstance(config, ImageClassifierConfig) or config.positions != "fourier":
        return "raw pixels with Fourier positions only"
    return None


def _refused_by_transformers(config) -> str | None:
    if not (
        isinstance(config, ImageClassifierConfig)
        and isinstance(config.architecture, PerceiverIOConfig)
        and config.image_shape == (224, 224, 3)
        and config.num_frequency_bands == 64
        and config.max_resolution is None
    ):
        return "Perceiver IO of 224 x 224 RGB images with 64 bands only"
    return None


def _refused_by_lucidrains(config) -> str | None:
    refusal = _refused_unless_fourier(config)
    if refusal is None and isinstance(config.architecture, PerceiverConfig):
        if config.architecture.num_blocks > 1:
            return "no repeated latent transformer after a cross-attend"
        if config.architecture.sharing == "all":
            return "the first cross-attend always has its own weights"
    return refusal


def _refused_by_krasserm(config) -> str | None:
    refusal = _refused_unless_fourier(config)
    if refusal is not None:
        return refusal
    if config.max_resolution is not None:
        return "frequencies up to the size of the image only"
    encoder = config.architecture
    if isinstance(encoder, PerceiverConfig):
        if encoder.num_cross_attends > 1 and encoder.num_blocks > 1:
            return "no repeated latent transformer after each of several cross-attends"
        if encoder.sharing != "all_but_first_cross_attend":
            return "weights shared by all cross-attends but the first only"
    return None


_PYTORCH = (("torch",), "torch", _refused_unless_fourier, "plain")

PEERS = {
    "pytorch": Peer(
        *_PYTORCH,
        (("attention", "fused"), ("share_projections", False)),
        "equal weights, scaled_dot_product_attention",
    ),
    "pytorch_explicit": Peer(
        *_PYTORCH,
        (("attention", "explicit"), ("share_projections", False)),
        "equal weights, scores and softmax step by step",
    ),
    "pytorch_shared": Peer(
        *_PYTORCH,
        (("attention", "fused"), ("share_projections", True)),
        "as pytorch; cross-attends with the same weights project the rows once",
    ),
    "transformers": Peer(
        ("torch", "transformers"),
        "torch transformers",
        _refused_by_transformers,
        "transformers",
        note="Hugging Face",
    ),
    "lucidrains": Peer(
        ("torch", "perceiver_pytorch"),
        "torch perceiver-pytorch",
        _refused_by_lucidrains,
        ("lucidrains", "lucidrains_io"),
        note="perceiver-pytorch; its MLPs are gated and 4 times as wide",
    ),
    "krasserm": Peer(
        ("torch", "perceiver.model.image", "fairscale", "pytorch_lightning", "torchmetrics"),
        "torch transformers pytorch-lightning jsonargparse && "
        "pip install --no-deps perceiver-io fairscale torch-optimizer pytorch-ranger",
        _refused_by_krasserm,
        "krasserm",
        note="perceiver-io; with a decoder always",
    ),
}


def own_contender(config, **options) -> Contender:
    """Returns the contender of this project for a configuration.

    Args:
        config: what `zoo.configuration` returns.
        **options: `batch_size`, `training` and `dtype`, see `prepare_own`.
    """
    implementation = config.architecture.cross_attention_implementation
    return Contender(f"this project, {implementation}", prepare_own, {"config": config, **options})


def peer_contender(name: str, config, **options) -> Contender:
    """Returns the contender of a peer for a configuration.

    Args:
        name: a name of `PEERS`.
        config: what `zoo.configuration` returns.
        **options: `batch_size`, `training` and `dtype`, as for `own_contender`.

    Raises:
        ZooError: if the peer is not installed, or has no such configuration.
    """
    peer = PEERS[name]
    refusal = peer.refusal(config)
    if refusal is not None:
        raise ZooError(f"{name} has no such model: {refusal}")
    if not all(_is_installed(module) for module in peer.modules):
        raise ZooError(f"{name} is not installed: pip install {peer.install}")
    builder = peer.builder
    if isinstance(builder, tuple):
        builder = builder[isinstance(config.architecture, PerceiverIOConfig)]
    arguments = {"builder": builder, "config": config, **dict(peer.arguments), **options}
    return Contender(name, prepare_peer, arguments, peer.note)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # not even the package around it


def prepare_peer(builder: str, **arguments) -> Prepared:
    """Prepares a peer by a function of `zoo.benchmarks.torch_peers`."""
    from zoo.benchmarks import torch_peers

    return getattr(torch_peers, builder)(**arguments)


def prepare_own(config, batch_size: int, training: bool, dtype: str) -> Prepared:
    """Prepares a forward, or a training step, of a model of this project on random inputs.

    Args:
        config: what `zoo.configuration` returns.
        batch_size: int.
        training: whether a step is a training step: forward, cross-entropy, backward and an
            update by plain gradient descent, which keeps no state.
        dtype: Keras's dtype policy, one of `PRECISIONS`.
    """
    import keras
    import numpy as np

    from zoo.costs import costs
    from zoo.registry import build_model

    keras.config.set_dtype_policy(dtype)
    model = build_model(config)
    random = np.random.default_rng(0)
    shape = (batch_size, *config.image_shape)
    images = random.standard_normal(shape, dtype="float32")
    if training:
        labels = np.arange(batch_size) % config.num_classes
        step = _training_step(model, images, labels)
    else:
        step = _forward(model, images)
    directions = 3 if training else 1  # a backward has two products for each of the forward
    multiply_adds = directions * batch_size * costs(config, batch_size).multiply_adds
    return Prepared(step, lambda: multiply_adds)


def _forward(model, images):
    import tensorflow as tf

    forward = tf.function(lambda images: model(images, training=False), autograph=False)
    images = tf.constant(images)
    return lambda: forward(images).numpy()


def _training_step(model, images, labels):
    import keras
    import tensorflow as tf

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-4), loss, jit_compile=False)
    model.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    return lambda: model.train_function(batches)


def matrix_products(with_pytorch: bool) -> list[Contender]:
    """Returns a float32 matrix product, whose rate is what this machine can do at the time.

    Args:
        with_pytorch: whether to add the same product by PyTorch, whose matrix library may be much
            slower than TensorFlow's on some processors (or faster).
    """
    products = [Contender(PRODUCTS, _prepare_matrix_products)]
    if with_pytorch:
        products.append(Contender(f"PyTorch {PRODUCTS}", _prepare_torch_products))
    return products


def _prepare_matrix_products() -> Prepared:
    import tensorflow as tf

    matrix = tf.random.normal((_PRODUCT_SIZE, _PRODUCT_SIZE))
    return Prepared(lambda: tf.matmul(matrix, matrix), lambda: _PRODUCT_SIZE**3)


def _prepare_torch_products() -> Prepared:
    import torch

    matrix = torch.randn(_PRODUCT_SIZE, _PRODUCT_SIZE)
    return Prepared(lambda: matrix @ matrix, lambda: _PRODUCT_SIZE**3)
