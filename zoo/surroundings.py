"""What a model has around its blocks, of which its costs are predicted.

Neither Keras nor TensorFlow is loaded.
"""

import dataclasses
from dataclasses import dataclass

from perceiver_tf.layers.reading import Rows
from perceiver_tf.models.memory import GELU_KEPT


@dataclass(frozen=True)
class Surroundings:
    """What a model has around its blocks; numbers are for one example.

    Attributes:
        rows: `Rows` that the latents read; a tuple of them for several modalities.
        queries: the decoder's queries, see `model_blocks`.
        multiply_adds: int, of the adapter and of the head.
        num_weights: int, trained weights outside of the blocks.
        held: int, numbers of the model's inputs, and of what the adapter makes of them, held
            through the forward pass.
        forward: int, peak of the adapter or of the head by itself.
        kept: int, what the two keep for the backward pass, inputs included.
        rows_have_gradients: bool, whether rows are made from trained weights.
    """

    rows: Rows | tuple[Rows, ...]
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
    architecture = config.architecture
    channels, factor = architecture.latent_channels, config.patch_widening_factor
    patches = patches_of(grid, config.num_frequency_bands, num_inputs, factor)
    return dataclasses.replace(
        patches,
        multiply_adds=patches.multiply_adds + channels * config.num_classes,
        num_weights=patches.num_weights
        + architecture.num_latents * channels
        + (channels + 1) * config.num_classes,
    )


def patches_of(grid, num_frequency_bands, num_inputs, widening_factor, constant_channels=0):
    """Returns what makes the rows of one stream that is cut into patches, without latents and head.

    Args:
        grid, num_inputs: see `around_patches`.
        num_frequency_bands: int, of each axis.
        widening_factor: int, of an MLP on every patch; 0: none.
        constant_channels: int, width of the embedding that tells the stream from others.

    Returns:
        `Surroundings`.
    """
    *sizes, patch = grid
    first, *others = (2 * num_frequency_bands + 1,) * len(sizes)
    axes = (first + constant_channels, *others)
    rows = Rows(tuple(sizes), patch, axes, masked=True)
    content, hidden = rows.length * patch, patch * widening_factor
    mlp_weights = (patch + 1) * hidden + (hidden + 1) * patch if hidden else 0
    gelu = GELU_KEPT["tanh"] * rows.length * hidden
    return Surroundings(
        rows=rows,
        queries=(1, None),
        multiply_adds=2 * content * hidden,
        num_weights=mlp_weights + constant_channels,
        held=num_inputs + content,
        forward=num_inputs + 2 * content + rows.length * hidden,
        kept=num_inputs + content + (content + gelu if hidden else 0),
        rows_have_gradients=hidden + constant_channels > 0,
    )


def around_modalities(parts, architecture, num_outputs):
    """Returns what a Perceiver of several modalities has around its blocks, latents and head too.

    Args:
        parts: list of `Surroundings`, one for each modality.
        architecture: `PerceiverConfig`.
        num_outputs: int, width of the logits.
    """
    channels = architecture.latent_channels
    held = sum(part.held for part in parts)
    return Surroundings(
        rows=tuple(part.rows for part in parts),
        queries=(1, None),
        multiply_adds=sum(part.multiply_adds for part in parts) + channels * num_outputs,
        num_weights=sum(part.num_weights for part in parts)
        + architecture.num_latents * channels
        + (channels + 1) * num_outputs,
        held=held,
        forward=held + max(part.forward - part.held for part in parts),
        kept=sum(part.kept for part in parts),
        rows_have_gradients=any(part.rows_have_gradients for part in parts),
    )
