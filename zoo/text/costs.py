"""What models of text have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

from perceiver_tf.layers.reading import Rows
from zoo.surroundings import Surroundings
from zoo.text.configs import MaskedLanguageConfig


def around_text(config) -> Surroundings:
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
    return Surroundings(
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
