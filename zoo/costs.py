"""What a named model costs to run, from its configuration: multiply-adds and memory.

Neither Keras nor TensorFlow is loaded and nothing is built.
"""

import math
from dataclasses import dataclass

from perceiver_tf.layers.joint_reading import joint_rows
from perceiver_tf.layers.reading import Rows
from perceiver_tf.models import memory
from perceiver_tf.models.costs import densely, model_blocks
from perceiver_tf.models.memory import FLOAT_BYTES, Memory
from perceiver_tf.models.parts import parts_memory
from zoo.audio.configs import AudioConfig
from zoo.audio.costs import around_sounds
from zoo.audio_video.configs import AudioVideoConfig
from zoo.audio_video.costs import around_streams
from zoo.baselines.configs import BaselineConfig
from zoo.baselines.costs import baseline_parts, grid_of
from zoo.errors import ZooError
from zoo.graphs.configs import GraphClassifierConfig
from zoo.graphs.costs import around_graphs
from zoo.images.configs import ImageClassifierConfig
from zoo.images.costs import around_images
from zoo.multimodal.configs import MultimodalAutoencoderConfig
from zoo.multimodal.costs import around_clips
from zoo.numerics import architecture_of
from zoo.optical_flow.configs import OpticalFlowConfig
from zoo.optical_flow.costs import around_flow
from zoo.point_clouds.configs import PointCloudClassifierConfig
from zoo.point_clouds.costs import around_points
from zoo.recipes.named import RECIPES
from zoo.recipes.recipe import Recipe
from zoo.sets.configs import SetClassifierConfig
from zoo.sets.costs import around_entities
from zoo.text.configs import TextConfig
from zoo.text.costs import around_text
from zoo.video.configs import VideoConfig
from zoo.video.costs import around_videos

_AROUND = {
    AudioConfig: around_sounds,
    VideoConfig: around_videos,
    PointCloudClassifierConfig: around_points,
    TextConfig: around_text,
    OpticalFlowConfig: around_flow,
    GraphClassifierConfig: around_graphs,
    SetClassifierConfig: around_entities,
    AudioVideoConfig: around_streams,
    MultimodalAutoencoderConfig: around_clips,
}
_STATES = {"adamw": 2, "adam": 2, "lamb": 2, "muon": 1, "sgd": 1}


@dataclass(frozen=True)
class Costs:
    """What a model costs, in float32.

    Attributes:
        parameters: int, trained weights.
        multiply_adds: int, of a forward pass for one example, as executed; of sounds and videos
            for one window, of which a recording may have several.
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


def costs(config, batch_size=1, recipe: Recipe | None = None) -> Costs:
    """Returns what the model of a configuration costs.

    Args:
        config: of a model whose examples are as long as the pipeline's: of so many points, tokens,
            entities, nodes and edges, padding included. An example of sounds and videos is one
            window, of which a recording may have several.
        batch_size: int > 0, examples per forward pass or training step.
        recipe: how it is trained; the configuration's own by default.

    Raises:
        ZooError: if the batch size is below 1, or there is no prediction for this kind of model.
    """
    if batch_size < 1:
        raise ZooError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")
    recipe = recipe or RECIPES[config.recipe]
    if isinstance(config, BaselineConfig):
        return _costs_of_baseline(config, batch_size, recipe)
    views = getattr(config, "num_views", 1)
    around = _surroundings(config, batch_size * views)
    blocks = model_blocks(config.architecture, around.rows, around.queries)

    def predicting(blocks):
        return views * (around.multiply_adds + sum(block.multiply_adds for block in blocks))

    return Costs(
        parameters=_num_weights(blocks, around),
        multiply_adds=predicting(blocks),
        dense_multiply_adds=predicting(densely(blocks)),
        implementations=_implementations(blocks),
        memory=_memory(config, recipe, around, blocks, batch_size, views),
        optimizer_state=_optimizer_state(recipe, _num_weights(blocks, around)),
    )


def _implementations(blocks):
    """Returns what the cross-attends of each name run; of one name, of clips, several forms."""
    forms = {}
    for block in blocks:
        if not block.is_self_attend:
            forms.setdefault(block.name, {})[block.reading.chosen] = None
    return {name: " and ".join(of_name) for name, of_name in forms.items()}


def _costs_of_baseline(config, batch_size, recipe):
    parts = baseline_parts(config)
    num_weights = sum(part.num_weights for part in parts)
    multiply_adds = sum(part.multiply_adds for part in parts)
    return Costs(
        parameters=num_weights,
        multiply_adds=multiply_adds,
        dense_multiply_adds=multiply_adds,
        implementations={},
        memory=parts_memory(
            parts,
            math.prod(grid_of(config)),
            batch_size,
            has_momentum=recipe.optimizer == "sgd" and recipe.momentum > 0,
        ),
        optimizer_state=_optimizer_state(recipe, num_weights),
    )


def _optimizer_state(recipe, num_weights):
    states = _STATES[recipe.optimizer] + (recipe.ema is not None)
    return FLOAT_BYTES * states * num_weights


def assumed_length(config) -> str | None:
    """Returns how long examples are assumed to be, of models that take any number of rows.

    Returns:
        what the pipeline delivers, in words, for sets and graphs; None for other models.
    """
    if isinstance(config, SetClassifierConfig):
        return f"{config.num_entities} entities"
    if isinstance(config, GraphClassifierConfig):
        return f"{config.max_nodes} nodes and {config.max_edges} edges"
    return None


def rows_of(config) -> Rows:
    """Returns the rows of the byte array that the latents of a model read, see `joint_rows`.

    Raises:
        ZooError: if there is no prediction for this kind of model.
    """
    return joint_rows(_surroundings(config, 1).rows)


def num_weights(config) -> int:
    """Returns the number of trained weights of a configuration, without building it."""
    return costs(config).parameters


def _num_weights(blocks, around):
    of_blocks = {b.name: b.num_attention_weights + b.num_mlp_weights for b in blocks}
    return sum(of_blocks.values()) + around.num_weights


def _surroundings(config, batch_size):
    if isinstance(config, ImageClassifierConfig):
        return around_images(config, batch_size)
    for kind, around in _AROUND.items():
        if isinstance(config, kind):
            return around(config)
    raise ZooError(f"There is no prediction of costs for a {type(config).__name__}.")


def _memory(config, recipe, around, blocks, batch_size, views):
    shared = memory.shared_elements(blocks[0])
    forward = max(around.held + memory.forward_elements(blocks, shared), around.forward)
    architecture = architecture_of(config)
    drops = max(architecture.dropout, architecture.attention_dropout) > 0
    training = memory.Training(
        blocks=model_blocks(architecture, around.rows, around.queries, drops),
        config=architecture,
        shared=around.kept + (0 if blocks[0].rematerialised else shared),
        num_other_weights=around.num_weights,
        rows_have_gradients=around.rows_have_gradients,
        gradients_meet=recipe.clip_global_norm is not None,
        decays_first=recipe.weight_decay > 0 and recipe.optimizer != "lamb",
    )
    peak, kept = memory.training_bytes(training, batch_size)
    return Memory(
        forward=FLOAT_BYTES * batch_size * views * forward,
        kept=kept,
        gradients=FLOAT_BYTES * _num_weights(blocks, around),
        training=peak,
    )
