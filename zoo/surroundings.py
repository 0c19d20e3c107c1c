"""What a model has around its blocks, of which its costs are predicted.

Neither Keras nor TensorFlow is loaded.
"""

from dataclasses import dataclass

from perceiver_tf.layers.reading import Rows
from perceiver_tf.models.memory import GELU_KEPT


@dataclass(frozen=True)
class Surroundings:
    """What a model has around its blocks; numbers are for one example.

    Attributes:
        rows: `Rows` that the latents read.
        queries: the decoder's queries, see `model_blocks`.
        multiply_adds: int, of the adapter and of the head.
        num_weights: int, trained weights outside of the blocks.
        held: int, numbers of the model's inputs, and of what the adapter makes of them, held
            through the forward pass.
        forward: int, peak of the adapter or of the head by itself.
        kept: int, what the two keep for the backward pass, inputs included.
        rows_have_gradients: bool, whether rows are made from trained weights.
    """

    rows: Rows
    queries: Rows | tuple[int, int | None]
    multiply_adds: int
    num_weights: int
    held: int
    forward: int
    kept: int
    rows_have_gradients: bool


def around_patches(config, grid, num_inputs):
    """Returns what classifiers of patches have around their blocks: of sounds, and of videos.

    Args:
        config: what has `architecture`, `num_classes`, `num_frequency_bands` and
            `patch_widening_factor`, that of an MLP on every patch; 0: none.
        grid: (size_1, ..., size_d, channels) of the patches.
        num_inputs: int, numbers of a window before it is cut into patches.

    Returns:
        `Surroundings` of one window.
    """
    architecture, (*sizes, patch) = config.architecture, grid
    rows = Rows(tuple(sizes), patch, (2 * config.num_frequency_bands + 1,) * len(sizes))
    channels, content = architecture.latent_channels, rows.length * patch
    hidden = patch * config.patch_widening_factor
    mlp_weights = (patch + 1) * hidden + (hidden + 1) * patch if hidden else 0
    gelu = GELU_KEPT["tanh"] * rows.length * hidden
    return Surroundings(
        rows=rows,
        queries=(1, None),
        multiply_adds=2 * content * hidden + channels * config.num_classes,
        num_weights=architecture.num_latents * channels
        + (channels + 1) * config.num_classes
        + mlp_weights,
        held=num_inputs + content,
        forward=num_inputs + 2 * content + rows.length * hidden,
        kept=num_inputs + content + (content + gelu if hidden else 0),
        rows_have_gradients=hidden > 0,
    )
