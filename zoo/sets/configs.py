"""The named classifiers of sets: one row each, with its source and pinned parameters.

This module loads neither Keras nor TensorFlow, so that listing the models is instant.
"""

from dataclasses import dataclass, field

from perceiver_tf.models.configs import PerceiverIOConfig
from zoo.config_checks import is_count, require
from zoo.numerics import check_numerics


def _starcraft():
    return PerceiverIOConfig(
        num_latents=32,
        latent_channels=128,
        num_self_attends_per_block=3,
        num_blocks=1,
        num_self_attention_heads=2,
        num_cross_attention_heads=2,
        num_decoder_heads=2,
    )


@dataclass(frozen=True)
class SetClassifierConfig:
    """A classifier of sets of entities: what it reads, how it is built, what it is trained on.

    The defaults are those of arXiv:2107.14795 (StarCraft II): 3 layers, 32 latents, 512
    entities of width 128. Not printed there and chosen by us: 128 latent channels, 2 heads, the
    fields, and the classifier on top.

    Attributes:
        summary: one line for the list of models.
        source: paper and table, or why the configuration was chosen.
        parameters: number of trainable parameters as configured here.
        architecture: `PerceiverIOConfig`.
        category_sizes: how many categories each field of categories has.
        num_numbers: numeric fields of an entity, of about unit scale.
        num_entities: entities of an example that the pipeline delivers; the model itself takes any
            number.
        entity_channels: width of an embedded entity, which is what the latents read.
        num_classes: width of the logits.
        dataset: where the pipeline reads by default, see `zoo.sets.pipeline`.
        recipe: name of the default training recipe.
        numerics: whose gelu the model computes, see `zoo.numerics`.
    """

    summary: str
    source: str
    parameters: int
    architecture: PerceiverIOConfig = field(default_factory=_starcraft)
    category_sizes: tuple[int, ...] = (256, 16)
    num_numbers: int = 16
    num_entities: int = 512
    entity_channels: int = 128
    num_classes: int = 2
    dataset: str = "sets.npz"
    recipe: str = "sets"
    numerics: str = "deepmind"

    def __post_init__(self):
        check_numerics(self.numerics)
        for name in ("num_entities", "entity_channels", "num_classes"):
            require(self, name, "an integer of at least 1", is_count(getattr(self, name), 1))
        require(self, "num_numbers", "an integer of at least 0", is_count(self.num_numbers, 0))
        are_sizes = isinstance(self.category_sizes, tuple) and all(
            is_count(size, 1) for size in self.category_sizes
        )
        require(self, "category_sizes", "a tuple of integers of at least 1", are_sizes)
        has_fields = bool(self.category_sizes) or self.num_numbers > 0
        require(self, "num_numbers", "at least 1 without categories", has_fields)

    @property
    def reads(self):
        """What an example is, for the list of models."""
        return f"{self.num_entities} entities"


SET_MODELS = {
    "perceiver_io_starcraft_entities": SetClassifierConfig(
        summary="Perceiver IO in place of the Transformer of AlphaStar's entity encoder",
        source="arXiv:2107.14795, StarCraft II; chosen: latent channels, heads, fields, classifier",
        parameters=556_290,
    ),
}
