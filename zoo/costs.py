"""What a named model costs to run, from its configuration: multiply-adds and memory.

Neither Keras nor TensorFlow is loaded and nothing is built.
"""

import math
from dataclasses import dataclass

from perceiver_tf.layers.reading import Rows
from perceiver_tf.models import memory
from perceiver_tf.models.configs import PerceiverIOConfig
from perceiver_tf.models.costs import densely, model_blocks
from perceiver_tf.models.memory import FLOAT_BYTES, Memory
from zoo.errors import ZooError
from zoo.image_configs import ImageClassifierConfig
from zoo.numerics import architecture_of
from zoo.point_cloud_configs import NUM_AXES, PointCloudClassifierConfig
from zoo.recipes import RECIPES

_LEARNED_CHANNELS = 256  # of content and of positions, before and after their projections
_STEM_CHANNELS, _STEM_KERNEL = 64, 7
PREDICTED = (ImageClassifierConfig, PointCloudClassifierConfig)
_STATES = {"adamw": 2, "adam": 2, "lamb": 2, "sgd": 1}


@dataclass(frozen=True)
class Costs:
    """What a model costs, in float32.

    Attributes:
        multiply_adds: int, of a forward pass for one example, as executed.
        dense_multiply_adds: int, the same with every attention computed densely.
        implementations: dict from the name of a cross-attend (or decoder) to what runs there.
        memory: `Memory` of a batch.
        optimizer_state: int, bytes of what the recipe's optimiser remembers.
    """

    multiply_adds: int
    dense_multiply_adds: int
    implementations: dict[str, str]
    memory: Memory
    optimizer_state: int


def costs(config, batch_size=1) -> Costs:
    """Returns what the model of a configuration costs.

    Args:
        config: one of `PREDICTED`. Point clouds have as many points as the pipeline delivers.
        batch_size: int > 0, examples per forward pass or training step.

    Raises:
        ZooError: if the batch size is below 1.
    """
    if batch_size < 1:
        raise ZooError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")
    blocks = model_blocks(config.architecture, input_rows(config))
    around = _adapter_multiply_adds(config, batch_size)
    around += config.architecture.latent_channels * config.num_classes
    recipe = RECIPES[config.recipe]
    states = _STATES[recipe.optimizer] + (recipe.ema is not None)
    return Costs(
        multiply_adds=around + sum(block.multiply_adds for block in blocks),
        dense_multiply_adds=around + sum(block.multiply_adds for block in densely(blocks)),
        implementations={
            block.name: block.reading.chosen for block in blocks if not block.is_self_attend
        },
        memory=_memory(config, blocks, batch_size),
        optimizer_state=FLOAT_BYTES * states * num_weights(config),
    )


def input_rows(config) -> Rows:
    """Returns the rows of the byte array that the model of a configuration reads."""
    if _reads_points(config):
        return Rows((config.num_points,), config.row_channels)
    content_channels = config.image_shape[-1]
    if config.positions == "learned":
        channels = {"content_channels": _LEARNED_CHANNELS, "position_channels": _LEARNED_CHANNELS}
        return Rows(config.grid_shape, **channels)
    if config.positions == "conv":
        content_channels = _STEM_CHANNELS
    return Rows(config.grid_shape, content_channels, (2 * config.num_frequency_bands + 1,) * 2)


def _adapter_multiply_adds(config, batch_size):
    """Returns the adapter's share for one example; positions are projected once for a batch."""
    if _reads_points(config):
        return 0
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


def _num_other_weights(config):
    """Returns the number of trained weights outside of the blocks: latents, query, adapter, head.

    The normalisation of the stem has two for each channel.
    """
    architecture, channels = config.architecture, config.architecture.latent_channels
    is_decoded = isinstance(architecture, PerceiverIOConfig)
    ends = (architecture.num_latents + is_decoded) * channels + (channels + 1) * config.num_classes
    if _reads_points(config):
        return ends
    num_rows, content_channels, adapter = math.prod(config.grid_shape), config.image_shape[-1], 0
    if config.positions == "learned":
        projections = content_channels + 1 + _LEARNED_CHANNELS + 1
        adapter = _LEARNED_CHANNELS * (num_rows + projections)
    elif config.positions == "conv":
        adapter = _STEM_CHANNELS * (_STEM_KERNEL**2 * content_channels + 2)
    return ends + adapter


def _memory(config, blocks, batch_size):
    recipe = RECIPES[config.recipe]
    is_grid = not _reads_points(config)
    inputs = math.prod(config.image_shape) if is_grid else config.num_points * NUM_AXES
    shared = memory.shared_elements(blocks[0])
    forward, adapter = inputs + memory.forward_elements(blocks, shared), inputs
    if is_grid and config.positions == "conv":
        forward = max(forward, 2 * _stem_elements(config))
        adapter += 3 * _stem_elements(config)
    training = memory.Training(
        blocks=blocks,
        config=architecture_of(config),
        shared=shared + adapter,
        num_other_weights=_num_other_weights(config),
        rows_have_gradients=is_grid and config.positions != "fourier",
        gradients_meet=recipe.clip_global_norm is not None,
        updates_meet=recipe.optimizer == "lamb",
    )
    peak, kept = memory.training_bytes(training, batch_size)
    return Memory(
        forward=FLOAT_BYTES * batch_size * forward,
        kept=kept,
        gradients=FLOAT_BYTES * num_weights(config),
        training=peak,
    )


def num_weights(config) -> int:
    """Returns the number of trained weights of a configuration, without building it."""
    blocks = model_blocks(config.architecture, input_rows(config))
    of_blocks = {b.name: b.num_attention_weights + b.num_mlp_weights for b in blocks}
    return sum(of_blocks.values()) + _num_other_weights(config)


def _reads_points(config):
    return isinstance(config, PointCloudClassifierConfig)
