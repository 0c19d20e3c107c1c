"""A plain PyTorch Perceiver, the peer that a model of this project is measured against.

The same layers, widths and sharing as `perceiver_tf.models`, written as one writes them in
PyTorch, with its fused attention where asked for. Raw pixels with Fourier positions only.
"""

import math

import torch
from torch import nn
from torch.nn import functional

ATTENTIONS = ("fused", "explicit")
_EPSILON = 1e-5


class FourierRows(nn.Module):
    """Puts pixels `(b, height, width, c)` beside their position features: `(b, m, channels)`.

    The features are computed once, at the start.
    """

    def __init__(self, sizes, num_frequency_bands, max_resolution):
        super().__init__()
        axes = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in sizes), indexing="ij")
        bands = [torch.linspace(1, top / 2, num_frequency_bands) for top in max_resolution]
        phases = [x[..., None] * math.pi * b for x, b in zip(axes, bands, strict=True)]
        phases = torch.cat(phases, dim=-1)
        positions = torch.cat([torch.stack(axes, dim=-1), phases.sin(), phases.cos()], dim=-1)
        self.register_buffer("positions", positions.flatten(0, -2), persistent=False)

    def forward(self, images):
        pixels = images.flatten(1, -2)
        positions = self.positions.to(pixels.dtype).expand(len(pixels), -1, -1)
        return torch.cat([pixels, positions], dim=-1)


def attend(queries, keys, values, num_heads, attention):
    """Returns what the queries gather, `(b, n, v_channels)`, in one kernel or step by step."""
    queries, keys, values = (
        x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (queries, keys, values)
    )
    if attention == "fused":
        gathered = functional.scaled_dot_product_attention(queries, keys, values)
    else:
        scores = queries * queries.shape[-1] ** -0.5 @ keys.transpose(-1, -2)
        gathered = scores.softmax(dim=-1) @ values
    return gathered.transpose(1, 2).flatten(2)


class CrossAttention(nn.Module):
    """Queries gather from layer-normalised rows."""

    def __init__(self, query_channels, input_channels, num_heads, qk_channels, v_channels, form):
        super().__init__()
        self.num_heads, self.form = num_heads, form
        self.inputs_norm = nn.LayerNorm(input_channels, eps=_EPSILON)
        self.query = nn.Linear(query_channels, qk_channels)
        self.key = nn.Linear(input_channels, qk_channels)
        self.value = nn.Linear(input_channels, v_channels)
        self.output = nn.Linear(v_channels, query_channels)

    def keys_and_values(self, rows):
        normalised = self.inputs_norm(rows)
        return self.key(normalised), self.value(normalised)

    def forward(self, queries, rows, keys_and_values=None):
        keys, values = keys_and_values or self.keys_and_values(rows)
        return self.output(attend(self.query(queries), keys, values, self.num_heads, self.form))


class SelfAttention(nn.Module):
    """Latents gather from latents; one product projects queries, keys and values."""

    def __init__(self, channels, num_heads, qk_channels, v_channels, form):
        super().__init__()
        self.num_heads, self.form = num_heads, form
        self.widths = [qk_channels, qk_channels, v_channels]
        self.projections = nn.Linear(channels, sum(self.widths))
        self.output = nn.Linear(v_channels, channels)

    def forward(self, latents):
        parts = self.projections(latents).split(self.widths, dim=-1)
        return self.output(attend(*parts, self.num_heads, self.form))


class Block(nn.Module):
    """Pre-norm attention and MLP, both residual."""

    def __init__(self, attention, channels, widening_factor, gelu, residual=True):
        super().__init__()
        self.attention, self.residual = attention, residual
        self.queries_norm = nn.LayerNorm(channels, eps=_EPSILON)
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels, eps=_EPSILON),
            nn.Linear(channels, widening_factor * channels),
            nn.GELU("tanh" if gelu == "tanh" else "none"),
            nn.Linear(widening_factor * channels, channels),
        )

    def forward(self, queries, *inputs):
        attended = self.attention(self.queries_norm(queries), *inputs)
        x = queries + attended if self.residual else attended
        return x + self.mlp(x)


class Perceiver(nn.Module):
    """The model of an `ImageClassifierConfig` with Fourier positions, of either kind.

    Args:
        config: `zoo.images.configs.ImageClassifierConfig`.
        attention: "fused" (`scaled_dot_product_attention`) or "explicit".
        share_projections: whether cross-attends with the same weights, which read the same
            inputs, project them once; no published implementation does.
    """

    def __init__(self, config, attention="fused", share_projections=False):
        super().__init__()
        encoder = config.architecture
        height, width, content_channels = config.image_shape
        self.rows = FourierRows(
            (height, width), config.num_frequency_bands, config.max_resolution or (height, width)
        )
        row_channels = content_channels + self.rows.positions.shape[-1]
        self.latents = nn.Parameter(
            encoder.latent_init_scale * torch.randn(encoder.num_latents, encoder.latent_channels)
        )
        self.share_projections = share_projections
        iterations = getattr(encoder, "num_cross_attends", 1)
        sharing = getattr(encoder, "sharing", "all")
        own_cross_attends = {"all": 1, "all_but_first_cross_attend": 2, "none": iterations}[sharing]
        self.cross_attends = nn.ModuleList(
            _cross_attend(encoder, row_channels, attention)
            for _ in range(min(own_cross_attends, iterations))
        )
        own_stacks = iterations * encoder.num_blocks if sharing == "none" else 1
        self.stacks = nn.ModuleList(
            nn.Sequential(
                *(
                    _self_attend(encoder, attention)
                    for _ in range(encoder.num_self_attends_per_block)
                )
            )
            for _ in range(own_stacks)
        )
        self.iterations, self.num_blocks = iterations, encoder.num_blocks
        self.decoder = _decoder(encoder, attention)
        if self.decoder is not None:
            self.query = nn.Parameter(0.02 * torch.randn(1, encoder.latent_channels))
        self.logits = nn.Linear(encoder.latent_channels, config.num_classes)

    def forward(self, images):
        rows = self.rows(images)
        latents = self.latents.expand(len(images), -1, -1)
        projected = {}
        for index in range(self.iterations):
            which = min(index, len(self.cross_attends) - 1)
            block = self.cross_attends[which]
            if self.share_projections and which not in projected:
                projected[which] = block.attention.keys_and_values(rows)
            latents = block(latents, rows, projected.get(which))
            for passes in range(self.num_blocks):
                step = index * self.num_blocks + passes
                latents = self.stacks[min(step, len(self.stacks) - 1)](latents)
        if self.decoder is None:
            return self.logits(latents.mean(dim=1))
        return self.logits(self.decoder(self.query.expand(len(images), -1, -1), latents)[:, 0])


def _cross_attend(encoder, row_channels, form):
    channels = encoder.latent_channels
    qk_channels = encoder.cross_attention_qk_channels or min(channels, row_channels)
    v_channels = encoder.cross_attention_v_channels or qk_channels
    heads = encoder.num_cross_attention_heads
    attention = CrossAttention(channels, row_channels, heads, qk_channels, v_channels, form)
    widening = encoder.cross_attention_widening_factor
    return Block(attention, channels, widening, encoder.gelu, encoder.use_query_residual)


def _stack(encoder, form):
    layers = range(encoder.num_self_attends_per_block)
    return nn.Sequential(*(_self_attend(encoder, form) for _ in layers))


def _self_attend(encoder, form):
    channels = encoder.latent_channels
    qk_channels = encoder.self_attention_qk_channels or channels
    v_channels = encoder.self_attention_v_channels or qk_channels
    heads = encoder.num_self_attention_heads
    attention = SelfAttention(channels, heads, qk_channels, v_channels, form)
    return Block(attention, channels, encoder.self_attention_widening_factor, encoder.gelu)


def _decoder(encoder, form):
    """Returns the block in which one query reads the latents, None for the original Perceiver."""
    if not hasattr(encoder, "num_decoder_heads"):
        return None
    channels = encoder.latent_channels
    qk_channels = encoder.decoder_qk_channels or channels
    v_channels = encoder.decoder_v_channels or qk_channels
    heads = encoder.num_decoder_heads
    attention = CrossAttention(channels, channels, heads, qk_channels, v_channels, form)
    residual = encoder.use_decoder_query_residual
    return Block(attention, channels, encoder.decoder_widening_factor, encoder.gelu, residual)
