"""Architectures as frozen dataclasses; the defaults are the papers' ImageNet models.

This module does not import Keras, so that configurations can be listed without loading Keras.
"""

from dataclasses import dataclass

from perceiver_tf.choices import GELUS, IMPLEMENTATIONS, SHARING_SCHEMES, STEMS


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_positive(config, *names):
    for name in names:
        value = getattr(config, name)
        if not _is_count(value):
            raise ValueError(
                f"`{name}` must be an integer of at least 1. Received: {name}={value!r}."
            )


def _check_rates(config, *names):
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(
                f"`{name}` must be in [0, 1). Received: {name}={getattr(config, name)}."
            )


def _check_choice(config, name, choices):
    if getattr(config, name) not in choices:
        raise ValueError(
            f"`{name}` must be one of {choices}. Received: {name}={getattr(config, name)!r}."
        )


def _check_divisible(config, channels_name, heads_name):
    channels, heads = getattr(config, channels_name), getattr(config, heads_name)
    if channels is None:
        return
    _check_positive(config, channels_name)
    if channels % heads:
        raise ValueError(
            f"`{channels_name}` must be divisible by `{heads_name}`. "
            f"Received: {channels_name}={channels}, {heads_name}={heads}."
        )


@dataclass(frozen=True)
class EncoderConfig:
    """What the Perceiver and Perceiver IO have in common: latents, cross-attends, transformer.

    Attributes:
        num_latents: rows of the latent array (N).
        latent_channels: their width (D).
        num_self_attends_per_block: layers of the latent transformer.
        num_blocks: passes through the latent transformer after each cross-attend.
        num_cross_attention_heads, num_self_attention_heads: heads.
        cross_attention_qk_channels, cross_attention_v_channels: widths over all heads; None:
            the smaller of the widths of latents and inputs, and the same as qk.
        self_attention_qk_channels, self_attention_v_channels: None: `latent_channels`.
        cross_attention_widening_factor, self_attention_widening_factor: of the MLPs.
        use_query_residual: whether the encoder's cross-attends add to the latents.
        dropout: rate on the result of each attention and MLP.
        attention_dropout: rate on attention weights.
        latent_init_scale: standard deviation of the latents' initialiser.
        gelu: "tanh" (DeepMind's code) or "erf" (Hugging Face's).
        cross_attention_implementation: "auto", "dense", "folded" or "separable"; the same
            numbers at different speed, see `perceiver_tf.CrossAttention`.
        rematerialise: whether a training step computes the latent transformer's blocks, and the
            original Perceiver's cross-attends, again in the backward pass instead of keeping what
            they made: the same numbers for less memory and more time, see
            `perceiver_tf.layers.rematerialised`.
    """

    num_latents: int = 512
    latent_channels: int = 1024
    num_self_attends_per_block: int = 6
    num_blocks: int = 1
    num_cross_attention_heads: int = 1
    num_self_attention_heads: int = 8
    cross_attention_qk_channels: int | None = None
    cross_attention_v_channels: int | None = None
    self_attention_qk_channels: int | None = None
    self_attention_v_channels: int | None = None
    cross_attention_widening_factor: int = 1
    self_attention_widening_factor: int = 1
    use_query_residual: bool = True
    dropout: float = 0.0
    attention_dropout: float = 0.0
    latent_init_scale: float = 0.02
    gelu: str = "tanh"
    cross_attention_implementation: str = "auto"
    rematerialise: bool = False

    def __post_init__(self):
        _check_positive(
            self,
            "num_latents",
            "latent_channels",
            "num_self_attends_per_block",
            "num_blocks",
            "num_cross_attention_heads",
            "num_self_attention_heads",
            "cross_attention_widening_factor",
            "self_attention_widening_factor",
        )
        _check_rates(self, "dropout", "attention_dropout")
        _check_divisible(self, "latent_channels", "num_self_attention_heads")
        _check_divisible(self, "self_attention_qk_channels", "num_self_attention_heads")
        _check_divisible(self, "self_attention_v_channels", "num_self_attention_heads")
        _check_divisible(self, "cross_attention_qk_channels", "num_cross_attention_heads")
        _check_divisible(self, "cross_attention_v_channels", "num_cross_attention_heads")
        _check_choice(self, "gelu", GELUS)
        _check_choice(self, "rematerialise", (False, True))
        _check_choice(self, "cross_attention_implementation", IMPLEMENTATIONS)
        if not self.latent_init_scale > 0:
            raise ValueError(
                "`latent_init_scale` must be greater than 0. "
                f"Received: latent_init_scale={self.latent_init_scale}."
            )


@dataclass(frozen=True)
class PerceiverConfig(EncoderConfig):
    """The original Perceiver, arXiv:2103.03206; defaults: its ImageNet model (table 1).

    Attributes:
        num_cross_attends: how often the latents read the inputs.
        sharing: which weights the iterations share. "all_but_first_cross_attend" (the
            paper's: the first cross-attend has its own, the others share one, and all latent
            transformers are one), "all", or "none".
    """

    num_cross_attends: int = 8
    sharing: str = "all_but_first_cross_attend"

    def __post_init__(self):
        super().__post_init__()
        _check_positive(self, "num_cross_attends")
        _check_choice(self, "sharing", SHARING_SCHEMES)


@dataclass(frozen=True)
class PerceiverIOConfig(EncoderConfig):
    """Perceiver IO, arXiv:2107.14795; defaults: its ImageNet models (released code).

    Attributes:
        num_blocks: passes through the latent transformer, 8 with shared weights.
        num_decoder_heads: heads of the decoder's cross-attend.
        decoder_qk_channels, decoder_v_channels: None: the smaller of the widths of queries
            and latents, and the same as qk.
        decoder_widening_factor: of the decoder's MLP.
        use_decoder_query_residual: whether the decoder adds to its queries.
    """

    num_blocks: int = 8
    num_decoder_heads: int = 1
    decoder_qk_channels: int | None = None
    decoder_v_channels: int | None = None
    decoder_widening_factor: int = 1
    use_decoder_query_residual: bool = True

    def __post_init__(self):
        super().__post_init__()
        _check_positive(self, "num_decoder_heads", "decoder_widening_factor")
        _check_divisible(self, "decoder_qk_channels", "num_decoder_heads")
        _check_divisible(self, "decoder_v_channels", "num_decoder_heads")


@dataclass(frozen=True)
class BoTNetBlock:
    """A residual block of a `BoTNetConfig`: 1 x 1, then 3 x 3 or attention, then 1 x 1.

    Attributes:
        name: str.
        bottleneck_channels: int, width of the middle.
        channels: int, width of the result.
        strides: int, 2 where it halves the grid.
        attends: bool, whether the middle is a self-attention.
        has_projection: bool, whether the shortcut is a convolution.
    """

    name: str
    bottleneck_channels: int
    channels: int
    strides: int
    attends: bool
    has_projection: bool


@dataclass(frozen=True)
class BoTNetConfig:
    """A Bottleneck Transformer, arXiv:2101.11605; defaults: BoTNet-50 (table 1).

    Attributes:
        stem: "imagenet" (7 x 7 and max pooling, a quarter of each side) or "small_images" (3 x 3
            on every pixel).
        stem_channels: width of the stem.
        bottleneck_channels: tuple, width of the middle of a block, for each stage.
        num_blocks_per_stage: tuple of as many; each stage but the first halves the grid.
        expansion: width of a block's result, as a multiple of its middle.
        num_attention_stages: how many of the last stages attend instead of convolving: 1 in the
            paper; with 0 and the defaults it is ResNet-50.
        num_heads: heads of the attention; divide the widths of the stages that attend.
        last_strides: 2, or 1: the last stage keeps its grid (the paper's BoTNet-S1).
        attention_dropout: rate on attention weights.
        dropout: rate on the averaged features.
    """

    stem: str = "imagenet"
    stem_channels: int = 64
    bottleneck_channels: tuple[int, ...] = (64, 128, 256, 512)
    num_blocks_per_stage: tuple[int, ...] = (3, 4, 6, 3)
    expansion: int = 4
    num_attention_stages: int = 1
    num_heads: int = 4
    last_strides: int = 2
    attention_dropout: float = 0.0
    dropout: float = 0.0

    def __post_init__(self):
        _check_choice(self, "stem", STEMS)
        _check_positive(self, "stem_channels", "expansion", "num_heads")
        for name in ("bottleneck_channels", "num_blocks_per_stage"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values or not all(map(_is_count, values)):
                raise ValueError(
                    f"`{name}` must be a tuple of integers of at least 1. "
                    f"Received: {name}={values!r}."
                )
        num_stages = len(self.bottleneck_channels)
        if len(self.num_blocks_per_stage) != num_stages:
            raise ValueError(
                "`num_blocks_per_stage` must have one entry per stage. Received: "
                f"num_blocks_per_stage={self.num_blocks_per_stage}, "
                f"bottleneck_channels={self.bottleneck_channels}."
            )
        _check_choice(self, "num_attention_stages", tuple(range(num_stages + 1)))
        _check_choice(self, "last_strides", (1, 2))
        _check_rates(self, "dropout", "attention_dropout")
        for channels in self.bottleneck_channels[num_stages - self.num_attention_stages :]:
            if channels % self.num_heads:
                raise ValueError(
                    "`bottleneck_channels` of stages that attend must be divisible by `num_heads`. "
                    f"Received: bottleneck_channels={self.bottleneck_channels}, "
                    f"num_heads={self.num_heads}."
                )

    @property
    def blocks(self) -> tuple[BoTNetBlock, ...]:
        """The residual blocks in their order."""
        blocks, width = [], self.stem_channels
        num_stages = len(self.bottleneck_channels)
        for stage, middle in enumerate(self.bottleneck_channels):
            is_last = stage == num_stages - 1
            for index in range(self.num_blocks_per_stage[stage]):
                strides = 1
                if stage and not index:
                    strides = self.last_strides if is_last else 2
                block = BoTNetBlock(
                    name=f"stage_{stage}_block_{index}",
                    bottleneck_channels=middle,
                    channels=self.expansion * middle,
                    strides=strides,
                    attends=stage >= num_stages - self.num_attention_stages,
                    has_projection=strides > 1 or width != self.expansion * middle,
                )
                blocks.append(block)
                width = block.channels
        return tuple(blocks)
