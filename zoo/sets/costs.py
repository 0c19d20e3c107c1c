"""What models of sets have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

from perceiver_tf.layers.reading import Rows
from zoo.surroundings import Surroundings


def around_entities(config) -> Surroundings:
    """Returns what embeds as many entities as the pipeline delivers, which also ask, and the head.

    The mean over the entities is projected before the logits, see
    `perceiver_tf.models.set_encoder`.
    """
    architecture, length, width = config.architecture, config.num_entities, config.entity_channels
    fields = sum(config.category_sizes) + config.num_numbers
    embedded = length * width
    inputs = length * (config.num_numbers + len(config.category_sizes) + 1)
    return Surroundings(
        rows=Rows((length,), width),
        queries=(length, width),
        multiply_adds=length * fields * width + width * width + width * config.num_classes,
        num_weights=architecture.num_latents * architecture.latent_channels
        + (fields + 1) * width
        + (width + 1) * width
        + (width + 1) * config.num_classes,
        held=inputs + embedded,
        forward=inputs + 2 * length * fields,
        kept=inputs + length * fields + embedded,
        rows_have_gradients=True,
    )
