"""The named models of text: one row each, with its source and its pinned number of parameters.

This module loads neither Keras nor TensorFlow.
"""

from dataclasses import dataclass, field

from perceiver_tf.choices import POSITION_INITS
from perceiver_tf.models.configs import PerceiverIOConfig
from zoo.numerics import check_numerics

TOKENIZERS = ("bytes", "sentencepiece")
BYTES_VOCABULARY = 262  # 256 bytes and 6 special tokens


def language_architecture(**changes):
    """Returns the `PerceiverIOConfig` of the released language model, with fields changed."""
    settings = {
        "num_latents": 256,
        "latent_channels": 1280,
        "num_self_attends_per_block": 26,
        "num_blocks": 1,
        "num_cross_attention_heads": 8,
        "num_self_attention_heads": 8,
        "cross_attention_qk_channels": 256,
        "cross_attention_v_channels": 1280,
        "self_attention_qk_channels": 256,
        "self_attention_v_channels": 1280,
        "num_decoder_heads": 8,
        "decoder_qk_channels": 256,
        "decoder_v_channels": 768,
        "use_decoder_query_residual": False,
    }
    return PerceiverIOConfig(**{**settings, **changes})


@dataclass(frozen=True)
class TextConfig:
    """What all models of text have: how a text is read, and by which encoder.

    Attributes:
        summary: one line for the list of models.
        source: paper and table, or why the configuration was chosen.
        parameters: number of trainable parameters as configured here.
        architecture: `PerceiverIOConfig`.
        tokenizer: "bytes" (UTF-8), or "sentencepiece": a vocabulary that was not released, so
            that the model takes token ids only.
        vocabulary_size: number of tokens; 262 for bytes.
        token_channels: width of an embedded token.
        max_length: the longest text in tokens, special ones included; the number of positions.
        window: tokens of an example that the pipeline delivers; None: `max_length`.
        init_scale: standard deviation of the initial token vectors, positions and queries.
        position_init: how positions and queries start: "normal", as published, or "sinusoidal",
            from which small models learn sooner.
        ngram_sizes: lengths of the n-grams whose vectors are added to the last token of each, see
            `perceiver_tf.NgramEmbedding`; (): none, as published.
        num_ngram_buckets: rows of the table of each length.
        ngram_dropout: rate at which training leaves out the vector of an n-gram.
        dataset: where the pipeline reads by default.
        recipe: name of the default training recipe.
        numerics: "deepmind" or "huggingface", see `zoo.numerics`. Under "huggingface" texts are
            put between [CLS] and [SEP], and queries at padding are decoded like others.
    """

    summary: str
    source: str
    parameters: int
    architecture: PerceiverIOConfig = field(default_factory=language_architecture)
    tokenizer: str = "bytes"
    vocabulary_size: int = BYTES_VOCABULARY
    token_channels: int = 768
    max_length: int = 2048
    window: int | None = None
    init_scale: float = 0.02
    position_init: str = "normal"
    ngram_sizes: tuple[int, ...] = ()
    num_ngram_buckets: int = 4096
    ngram_dropout: float = 0.0
    dataset: str = "corpus.txt"
    recipe: str = "language"
    numerics: str = "deepmind"

    def __post_init__(self):
        check_numerics(self.numerics)
        if self.tokenizer not in TOKENIZERS:
            raise ValueError(
                f"`tokenizer` must be one of {TOKENIZERS}. Received: tokenizer={self.tokenizer!r}."
            )
        for name in ("vocabulary_size", "token_channels", "max_length"):
            _check_count(name, getattr(self, name))
        if self.tokenizer == "bytes" and self.vocabulary_size != BYTES_VOCABULARY:
            raise ValueError(
                f"`vocabulary_size` must be {BYTES_VOCABULARY} for the tokenizer of bytes. "
                f"Received: vocabulary_size={self.vocabulary_size}."
            )
        if self.window is not None:
            _check_count("window", self.window)
            if self.window > self.max_length:
                raise ValueError(
                    "`window` must not be larger than `max_length`. "
                    f"Received: window={self.window}, max_length={self.max_length}."
                )
        if self.position_init not in POSITION_INITS:
            raise ValueError(
                f"`position_init` must be one of {POSITION_INITS}. "
                f"Received: position_init={self.position_init!r}."
            )
        if not self.init_scale > 0:
            raise ValueError(
                f"`init_scale` must be greater than 0. Received: init_scale={self.init_scale}."
            )
        for size in self.ngram_sizes:
            _check_count("ngram_sizes", size)
        _check_count("num_ngram_buckets", self.num_ngram_buckets)
        if not 0 <= self.ngram_dropout < 1:
            raise ValueError(
                f"`ngram_dropout` must be in [0, 1). Received: ngram_dropout={self.ngram_dropout}."
            )

    @property
    def reads(self) -> str:
        """What an example is, for the list of models."""
        return f"{self.max_length} {'bytes' if self.tokenizer == 'bytes' else 'tokens'}"

    @property
    def example_length(self) -> int:
        """Tokens of an example that the pipeline delivers."""
        return self.window or self.max_length


@dataclass(frozen=True)
class MaskedLanguageConfig(TextConfig):
    """A masked language model: it tells the tokens that are hidden in a text.

    One query per position is decoded, and scored against the table that embeds the tokens.
    """


@dataclass(frozen=True)
class TextClassifierConfig(TextConfig):
    """A classifier of texts: one trained query of the latents' width, and a dense layer.

    Attributes:
        num_classes: width of the logits.
    """

    num_classes: int = 2

    def __post_init__(self):
        super().__post_init__()
        _check_count("num_classes", self.num_classes)


def _check_count(name, value):
    if type(value) is not int or value < 1:
        raise ValueError(f"`{name}` must be at least 1, an integer. Received: {name}={value!r}.")


TEXT_MODELS = {
    "perceiver_io_language": MaskedLanguageConfig(
        summary="Masked language model over UTF-8 bytes",
        source="arXiv:2107.14795 table 11 (base, UTF-8 bytes), released code",
        parameters=201_108_230,
    ),
    "perceiver_io_language_sentencepiece": MaskedLanguageConfig(
        summary="Masked language model over SentencePiece tokens (vocabulary not released)",
        source="arXiv:2107.14795 table 11 (base, SentencePiece)",
        parameters=223_155_456,
        tokenizer="sentencepiece",
        vocabulary_size=32_000,
        max_length=512,
    ),
    "perceiver_io_language_large": MaskedLanguageConfig(
        summary="Masked language model over UTF-8 bytes, 40 layers",
        source="arXiv:2107.14795 table 11 (++, UTF-8 bytes); qk width from its count",
        parameters=425_607_430,
        architecture=language_architecture(
            latent_channels=1536,
            num_self_attends_per_block=40,
            cross_attention_v_channels=1536,
            self_attention_v_channels=1536,
        ),
    ),
    "perceiver_io_language_classifier": TextClassifierConfig(
        summary="Classifier of texts on the encoder of the masked language model",
        source="the head that transformers puts on the released language model",
        parameters=206_098_690,
        architecture=language_architecture(
            num_decoder_heads=1,
            decoder_qk_channels=None,
            decoder_v_channels=None,
            use_decoder_query_residual=True,
        ),
        dataset="sst2",
        recipe="language_classifier",
    ),
    "perceiver_io_language_tiny": MaskedLanguageConfig(
        summary="Masked bytes in windows of 64, trains in minutes on two cores",
        source="sized for tiny Shakespeare",
        parameters=409_638,
        architecture=PerceiverIOConfig(
            num_latents=32,
            latent_channels=128,
            num_self_attends_per_block=2,
            num_blocks=1,
            num_cross_attention_heads=8,
            num_self_attention_heads=4,
            cross_attention_qk_channels=128,
            cross_attention_v_channels=128,
            num_decoder_heads=8,
            decoder_qk_channels=128,
            decoder_v_channels=128,
            use_decoder_query_residual=False,
            latent_init_scale=0.1,
        ),
        token_channels=96,
        max_length=64,
        init_scale=0.1,
        position_init="sinusoidal",
        dataset="tinyshakespeare/input.txt",
        recipe="language_tiny",
    ),
    "perceiver_sst2_small": TextClassifierConfig(
        summary="Sentences as bytes with hashed n-grams, trains in minutes on two cores",
        source="sized for SST-2's 6,920 sentences; n-grams as in arXiv:2412.09871",
        parameters=6_402_242,
        architecture=PerceiverIOConfig(
            num_latents=8,
            latent_channels=64,
            num_self_attends_per_block=1,
            num_blocks=1,
            num_cross_attention_heads=4,
            num_self_attention_heads=4,
            cross_attention_qk_channels=64,
            cross_attention_v_channels=64,
            dropout=0.4,
            attention_dropout=0.3,
            latent_init_scale=0.1,
        ),
        token_channels=64,
        max_length=272,
        init_scale=0.02,
        position_init="sinusoidal",
        ngram_sizes=(3, 4, 5, 6, 7, 8),
        num_ngram_buckets=16_384,
        ngram_dropout=0.7,
        dataset="sst2",
        recipe="sst2",
    ),
}
