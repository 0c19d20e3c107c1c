"""PyTorch contenders for whole models; imported in the child processes of a benchmark only."""

import contextlib
import functools

import torch
from torch.nn import functional
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.benchmarks.torch_perceiver import Perceiver
from zoo.benchmarks.worker import Prepared

_LEARNING_RATE = 1e-4
_FUSED = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_FUSED_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def plain(config, attention, share_projections, **options):
    """Prepares this project's own plain PyTorch model, see `zoo.benchmarks.torch_perceiver`."""
    model = Perceiver(config, attention, share_projections)
    return _prepared(model, model, config, **options)


def transformers(config, **options):
    """Prepares Hugging Face's Perceiver IO for images, with random weights."""
    import transformers as library

    encoder = config.architecture
    kind = {"fourier": "Fourier", "learned": "Learned", "conv": "ConvProcessing"}[config.positions]
    row_channels = {"fourier": 261, "learned": 512, "conv": 322}[config.positions]
    settings = library.PerceiverConfig(
        num_latents=encoder.num_latents,
        d_latents=encoder.latent_channels,
        d_model=row_channels,
        num_blocks=encoder.num_blocks,
        num_self_attends_per_block=encoder.num_self_attends_per_block,
        num_self_attention_heads=encoder.num_self_attention_heads,
        num_cross_attention_heads=encoder.num_cross_attention_heads,
        self_attention_widening_factor=encoder.self_attention_widening_factor,
        cross_attention_widening_factor=encoder.cross_attention_widening_factor,
        attention_probs_dropout_prob=0.0,
        image_size=config.image_shape[0],
        num_labels=config.num_classes,
    )
    model = getattr(library, f"PerceiverForImageClassification{kind}")(settings)

    def logits(images):
        return model(inputs=images.permute(0, 3, 1, 2)).logits

    return _prepared(model, logits, config, **options)


def lucidrains(config, **options):
    """Prepares the original Perceiver of perceiver-pytorch."""
    from perceiver_pytorch import Perceiver as LucidrainsPerceiver

    encoder = config.architecture
    row_channels = config.image_shape[2] + 2 * (2 * config.num_frequency_bands + 1)
    model = LucidrainsPerceiver(
        num_freq_bands=config.num_frequency_bands,
        depth=encoder.num_cross_attends,
        max_freq=(config.max_resolution or config.image_shape)[0],
        input_channels=config.image_shape[2],
        num_latents=encoder.num_latents,
        latent_dim=encoder.latent_channels,
        cross_heads=encoder.num_cross_attention_heads,
        latent_heads=encoder.num_self_attention_heads,
        cross_dim_head=row_channels // encoder.num_cross_attention_heads,
        latent_dim_head=encoder.latent_channels // encoder.num_self_attention_heads,
        num_classes=config.num_classes,
        weight_tie_layers=encoder.sharing != "none",
        self_per_cross_attn=encoder.num_self_attends_per_block,
    )
    return _prepared(model, model, config, **options)


def lucidrains_io(config, **options):
    """Prepares the Perceiver IO of perceiver-pytorch, on rows with precomputed positions."""
    from perceiver_pytorch import PerceiverIO

    from zoo.benchmarks.torch_perceiver import FourierRows

    encoder = config.architecture
    sizes = config.image_shape[:2]
    rows = FourierRows(sizes, config.num_frequency_bands, config.max_resolution or sizes)
    row_channels = config.image_shape[2] + rows.positions.shape[-1]
    model = PerceiverIO(
        depth=encoder.num_blocks * encoder.num_self_attends_per_block,
        dim=row_channels,
        queries_dim=encoder.latent_channels,
        logits_dim=config.num_classes,
        num_latents=encoder.num_latents,
        latent_dim=encoder.latent_channels,
        cross_heads=encoder.num_cross_attention_heads,
        latent_heads=encoder.num_self_attention_heads,
        cross_dim_head=row_channels // encoder.num_cross_attention_heads,
        latent_dim_head=encoder.latent_channels // encoder.num_self_attention_heads,
        weight_tie_layers=True,
        decoder_ff=True,
    )
    query = torch.nn.Parameter(0.02 * torch.randn(1, encoder.latent_channels))
    model.register_parameter("trained_query", query)

    def logits(images):
        return model(rows(images), queries=query.expand(len(images), -1, -1))[:, 0]

    return _prepared(model, logits, config, **options)


def krasserm(config, **options):
    """Prepares the image classifier of perceiver-io, which always has the decoder of Perceiver IO.

    The original Perceiver's repeated cross-attends are its `num_cross_attention_layers`.
    """
    from perceiver.model.core import ClassificationDecoderConfig, PerceiverConfig
    from perceiver.model.image.classifier import ImageClassifier, ImageEncoderConfig

    encoder = config.architecture
    cross_attends = getattr(encoder, "num_cross_attends", 1)
    model = ImageClassifier(
        PerceiverConfig(
            ImageEncoderConfig(
                image_shape=config.image_shape,
                num_frequency_bands=config.num_frequency_bands,
                num_cross_attention_heads=encoder.num_cross_attention_heads,
                num_cross_attention_layers=cross_attends,
                cross_attention_widening_factor=encoder.cross_attention_widening_factor,
                num_self_attention_heads=encoder.num_self_attention_heads,
                num_self_attention_layers_per_block=encoder.num_self_attends_per_block,
                num_self_attention_blocks=cross_attends * encoder.num_blocks,
                self_attention_widening_factor=encoder.self_attention_widening_factor,
            ),
            ClassificationDecoderConfig(
                num_cross_attention_heads=1,
                num_output_query_channels=encoder.latent_channels,
                num_classes=config.num_classes,
            ),
            num_latents=encoder.num_latents,
            num_latent_channels=encoder.latent_channels,
        )
    )
    return _prepared(
        model, lambda images: model(images).reshape(len(images), -1), config, **options
    )


def _prepared(model, logits, config, batch_size, training, dtype):
    """Returns the forward or the training step of a model, on random images.

    Args:
        model: `torch.nn.Module`, for its parameters.
        logits: function from images `(b, height, width, channels)` to `(b, num_classes)`.
        config: `ImageClassifierConfig`.
        batch_size: int.
        training: whether a step is a training step: forward, cross-entropy, backward and an
            update by plain gradient descent, which keeps no state.
        dtype: "float32" or "mixed_bfloat16" (autocast).
    """
    images = torch.randn(batch_size, *config.image_shape)
    labels = torch.arange(batch_size) % config.num_classes
    precision = functools.partial(_precision, dtype)
    model.train(training)
    if training:
        step = _training_step(model, lambda: _loss(logits, images, labels, precision))
        return Prepared(step, lambda: counted_multiply_adds(step))
    return inference(lambda: logits(images), precision)


def inference(forward, precision=contextlib.nullcontext):
    """Prepares a step that calls `forward` without recording for gradients."""

    def step(mode=torch.inference_mode):
        with mode(), precision():
            forward()

    # In inference mode the counter would see layers whole instead of their products.
    return Prepared(step, lambda: counted_multiply_adds(lambda: step(torch.no_grad)))


def _training_step(model, loss):
    optimizer = torch.optim.SGD(model.parameters(), lr=_LEARNING_RATE)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return step


def _loss(logits, images, labels, precision):
    with precision():
        return functional.cross_entropy(logits(images).float(), labels)


def _precision(dtype):
    if dtype == "mixed_bfloat16":
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def counted_multiply_adds(step):
    """Returns the multiply-adds of the matrix products that a step executes, backward included."""
    with _Counter() as counter:
        step()
    return counter.flops // 2


class _Counter(TorchDispatchMode):
    """Adds up PyTorch's own formulas of what is executed while it is active.

    PyTorch's `FlopCounterMode` does the same, but has no formula for the fused attention on a
    processor, and its hooks into modules fail where no gradients are recorded.
    """

    def __init__(self):
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        packet = function.overloadpacket
        if packet is _FUSED:
            self.flops += flop_counter.sdpa_flop_count(*_shapes(args[:3]))
        elif packet is _FUSED_BACKWARD:
            self.flops += flop_counter.sdpa_backward_flop_count(*_shapes(args[:4]))
        elif packet in flop_counter.flop_registry:
            formula = flop_counter.flop_registry[packet]
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result


def _shapes(tensors):
    return [tensor.shape for tensor in tensors]
