"""What a named model costs to run, from its configuration: multiply-adds and memory.

Neither Keras nor TensorFlow is loaded and nothing is built.
"""

import math
from dataclasses import dataclass

from perceiver_tf.layers.reading import Rows
from perceiver_tf.models import memory
from perceiver_tf.models.botnet_costs import botnet_memory, botnet_parts
from perceiver_tf.models.configs import BoTNetConfig, PerceiverIOConfig
from perceiver_tf.models.costs import densely, model_blocks
from perceiver_tf.models.memory import FLOAT_BYTES, Memory
from zoo.errors import ZooError
from zoo.images.configs import ImageClassifierConfig
from zoo.numerics import architecture_of
from zoo.point_clouds.configs import NUM_AXES, PointCloudClassifierConfig
from zoo.recipes.named import RECIPES
from zoo.recipes.recipe import Recipe
from zoo.text.configs import MaskedLanguageConfig, TextConfig

_LEARNED_CHANNELS = 256  # of content and of positions, before and after their projections
_STEM_CHANNELS, _STEM_KERNEL = 64, 7
PREDICTED = "Costs are predicted for BoTNets, and Perceivers of images, point clouds and text only."
_STATES = {"adamw": 2, "adam": 2, "lamb": 2, "muon": 1, "sgd": 1}


@dataclass(frozen=True)
class Costs:
    """What a model costs, in float32.

    Attributes:
        parameters: int, trained weights.
        multiply_adds: int, of a forward pass for one example, as executed.
        dense_multiply_adds: int, the same with every attention computed densely.
        implementations: dict from the name of a cross-attend (or decoder) to what runs there.
        memory: `Memory` of a batch.
        optimizer_state: int, bytes of what the recipe's optimiser remembers.
    """

    parameters: int
    multiply_adds: int
    dense_multiply_adds: int
    implementations: dict[str, str]
    memory: Memory
    optimizer_state: int


@dataclass(frozen=True)
class _Surroundings:
    """What a model has around its blocks; numbers are for one example.

    Attributes:
        rows: `Rows` that the latents read.
        queries: number and width of the decoder's queries, see `model_blocks`.
        multiply_adds: int, of the adapter and of the head.
        num_weights: int, trained weights outside of the blocks.
        held: int, numbers of the model's inputs, held through the forward pass.
        forward: int, peak of the adapter or of the head by itself.
        kept: int, what the two keep for the backward pass, inputs included.
        rows_have_gradients: bool, whether rows are made from trained weights.
    """

    rows: Rows
    queries: tuple[int, int | None]
    multiply_adds: int
    num_weights: int
    held: int
    forward: int
    kept: int
    rows_have_gradients: bool


def has_costs(config) -> bool:
    """Returns whether `costs` knows models of this kind: see `PREDICTED`."""
    kinds = ImageClassifierConfig | PointCloudClassifierConfig | TextConfig
    return isinstance(config, kinds) or isinstance(config.architecture, BoTNetConfig)


def costs(config, batch_size=1, recipe: Recipe | None = None) -> Costs:
    """Returns what the model of a configuration costs.

    Args:
        config: an `ImageClassifierConfig`, a `PointCloudClassifierConfig`, the configuration
            of a model of text, whose examples are as long as the pipeline's, or that of a BoTNet.
        batch_size: int > 0, examples per forward pass or training step.
        recipe: how it is trained; the configuration's own by default.

    Raises:
        ZooError: if the batch size is below 1, or there is no prediction for this kind of model.
    """
    if batch_size < 1:
        raise ZooError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")
    recipe = recipe or RECIPES[config.recipe]
    if isinstance(config.architecture, BoTNetConfig):
        return _costs_of_botnet(config, batch_size, recipe)
    views = getattr(config, "num_views", 1)
    around = _surroundings(config, batch_size * views)
    blocks = model_blocks(config.architecture, around.rows, around.queries)

    def predicting(blocks):
        return views * (around.multiply_adds + sum(block.multiply_adds for block in blocks))

    return Costs(
        parameters=_num_weights(blocks, around),
        multiply_adds=predicting(blocks),
        dense_multiply_adds=predicting(densely(blocks)),
        implementations={
            block.name: block.reading.chosen for block in blocks if not block.is_self_attend
        },
        memory=_memory(config, recipe, around, blocks, batch_size, views),
        optimizer_state=_optimizer_state(recipe, _num_weights(blocks, around)),
    )


def _costs_of_botnet(config, batch_size, recipe):
    height, width, channels = config.image_shape
    if config.num_frequency_bands:
        channels += 2 * (2 * config.num_frequency_bands + 1)
    grid = (height, width, channels)
    parts = botnet_parts(config.architecture, grid, config.num_classes)
    num_weights = sum(part.num_weights for part in parts)
    multiply_adds = sum(part.multiply_adds for part in parts)
    return Costs(
        parameters=num_weights,
        multiply_adds=multiply_adds,
        dense_multiply_adds=multiply_adds,
        implementations={},
        memory=botnet_memory(
            parts,
            math.prod(grid),
            batch_size,
            has_momentum=recipe.optimizer == "sgd" and recipe.momentum > 0,
            updates_meet=recipe.optimizer == "lamb",
        ),
        optimizer_state=_optimizer_state(recipe, num_weights),
    )


def _optimizer_state(recipe, num_weights):
    states = _STATES[recipe.optimizer] + (recipe.ema is not None)
    return FLOAT_BYTES * states * num_weights


def rows_of(config) -> Rows:
    """Returns the rows of the byte array that the latents of a model read.

    Raises:
        ZooError: if there is no prediction for this kind of model.
    """
    return _surroundings(config, 1).rows


def num_weights(config) -> int:
    """Returns the number of trained weights of a configuration, without building it."""
    return costs(config).parameters


def _num_weights(blocks, around):
    of_blocks = {b.name: b.num_attention_weights + b.num_mlp_weights for b in blocks}
    return sum(of_blocks.values()) + around.num_weights


def _surroundings(config, batch_size):
    if isinstance(config, ImageClassifierConfig):
        return _around_images(config, batch_size)
    if isinstance(config, PointCloudClassifierConfig):
        return _around_points(config)
    if isinstance(config, TextConfig):
        return _around_text(config)
    raise ZooError(
        f"{PREDICTED} Received: a {type(config).__name__} "
        f"with a {type(config.architecture).__name__}."
    )


def _around_images(config, batch_size):
    """Returns the adapter of images and the classifier's head."""
    architecture, pixels = config.architecture, math.prod(config.image_shape)
    is_decoded = isinstance(architecture, PerceiverIOConfig)
    channels = architecture.latent_channels
    adapter_weights, stem = _adapter_weights(config), 0
    if config.positions == "conv":
        stem = _stem_elements(config)
    return _Surroundings(
        rows=_image_rows(config),
        queries=(1, None),
        multiply_adds=_adapter_multiply_adds(config, batch_size) + channels * config.num_classes,
        num_weights=(architecture.num_latents + is_decoded) * channels
        + (channels + 1) * config.num_classes
        + adapter_weights,
        held=pixels,
        forward=2 * stem,
        kept=pixels + 3 * stem,
        rows_have_gradients=config.positions != "fourier",
    )


def _around_points(config):
    """Returns the points, which have no trained adapter, and the classifier's head."""
    channels, inputs = config.architecture.latent_channels, NUM_AXES * config.num_points
    return _Surroundings(
        rows=Rows((config.num_points,), config.row_channels),
        queries=(1, None),
        multiply_adds=channels * config.num_classes,
        num_weights=config.architecture.num_latents * channels
        + (channels + 1) * config.num_classes,
        held=inputs,
        forward=0,
        kept=inputs,
        rows_have_gradients=False,
    )


def _around_text(config):
    """Returns the embedding of tokens and the head: a classifier's, or the table once more."""
    architecture, length, width = config.architecture, config.example_length, config.token_channels
    is_masked = isinstance(config, MaskedLanguageConfig)
    table, positions = config.vocabulary_size * width, config.max_length * width
    rows = length * width
    ngrams = len(config.ngram_sizes) * width
    gathered = length * ngrams
    if is_masked:
        queries, logits = (length, width), length * config.vocabulary_size
        head_weights, head_multiply_adds = positions + config.vocabulary_size, length * table
    else:
        channels = architecture.latent_channels
        queries, logits = (1, None), config.num_classes
        head_weights = channels + (channels + 1) * config.num_classes
        head_multiply_adds = channels * config.num_classes
    return _Surroundings(
        rows=Rows((length,), width),
        queries=queries,
        multiply_adds=head_multiply_adds,
        num_weights=architecture.num_latents * architecture.latent_channels
        + table
        + ngrams * config.num_ngram_buckets
        + positions
        + head_weights,
        held=rows,
        forward=max(logits + (rows if is_masked else 0), gathered + 2 * rows if gathered else 0),
        kept=rows + 2 * logits + 3 * gathered,
        rows_have_gradients=True,
    )


def _image_rows(config):
    rows = _rows_of_grid(config)
    if config.permutation == "rows":  # no grid any more, see `AssembledRows`
        return Rows((math.prod(config.grid_shape),), rows.channels)
    return rows


def _rows_of_grid(config):
    content_channels = config.image_shape[-1]
    if config.positions == "learned":
        channels = {"content_channels": _LEARNED_CHANNELS, "position_channels": _LEARNED_CHANNELS}
        return Rows(config.grid_shape, **channels)
    if config.positions == "conv":
        content_channels = _STEM_CHANNELS
    return Rows(config.grid_shape, content_channels, (2 * config.num_frequency_bands + 1,) * 2)


def _adapter_multiply_adds(config, batch_size):
    """Returns the adapter's share for one example; positions are projected once for a batch."""
    height, width, channels = config.image_shape
    if config.positions == "learned":
        positions = -(-_LEARNED_CHANNELS // batch_size)
        return height * width * _LEARNED_CHANNELS * (channels + positions)
    if config.positions == "conv":
        return _stem_elements(config) * _STEM_KERNEL**2 * channels
    return 0


def _stem_elements(config):
    """Returns the size of the stem's convolution, before its pooling."""
    height, width, _ = config.image_shape
    return -(-height // 2) * -(-width // 2) * _STEM_CHANNELS


def _adapter_weights(config):
    """Returns the number of trained weights of the adapter; a normalisation has two per channel."""
    content_channels, num_rows = config.image_shape[-1], math.prod(config.grid_shape)
    if config.positions == "learned":
        projections = content_channels + 1 + _LEARNED_CHANNELS + 1
        return _LEARNED_CHANNELS * (num_rows + projections)
    if config.positions == "conv":
        return _STEM_CHANNELS * (_STEM_KERNEL**2 * content_channels + 2)
    return 0


def _memory(config, recipe, around, blocks, batch_size, views):
    shared = memory.shared_elements(blocks[0])
    forward = max(around.held + memory.forward_elements(blocks, shared), around.forward)
    training = memory.Training(
        blocks=blocks,
        config=architecture_of(config),
        shared=shared + around.kept,
        num_other_weights=around.num_weights,
        rows_have_gradients=around.rows_have_gradients,
        gradients_meet=recipe.clip_global_norm is not None,
        updates_meet=recipe.optimizer == "lamb",
    )
    peak, kept = memory.training_bytes(training, batch_size)
    return Memory(
        forward=FLOAT_BYTES * batch_size * views * forward,
        kept=kept,
        gradients=FLOAT_BYTES * _num_weights(blocks, around),
        training=peak,
    )
