"""The blocks of a model and their multiply-adds, from its configuration alone.

Nothing is built and Keras is not loaded. One multiply-add is one multiplication and one addition
of a matrix product; the elementwise work between the products is not counted.
"""

import dataclasses
import math
from dataclasses import dataclass

from perceiver_tf.layers.joint_reading import joint_reading, joint_rows
from perceiver_tf.layers.reading import TYPICAL_QUERIES, Reading, Rows, decoded_length
from perceiver_tf.models.configs import PerceiverIOConfig


@dataclass(frozen=True)
class Block:
    """A cross-attend or a self-attend, each an attention and an MLP.

    Attributes:
        name: str, of its weights: blocks of one name share them.
        reading: `Reading`, or `JointReading` of several modalities; that of a self-attend reads
            the queries themselves, densely.
        query_channels: int, width of the queries and of the result.
        widening_factor: int, of the MLP.
        is_self_attend: bool.
        rematerialised: bool, whether a training step keeps nothing but its queries and computes it
            again, see `perceiver_tf.layers.rematerialised`.
        output_channels: tuple of ints, widths of the dense layers that make outputs of the result
            before the next block starts; then only the outputs remain. () for other blocks.
    """

    name: str
    reading: Reading
    query_channels: int
    widening_factor: int
    is_self_attend: bool = False
    rematerialised: bool = False
    output_channels: tuple[int, ...] = ()

    @property
    def hidden_channels(self):
        """Width of the MLP's hidden layer."""
        return self.query_channels * self.widening_factor

    @property
    def num_attention_weights(self):
        """Number of trainable weights of the attention, its layer norms included."""
        reading, channels = self.reading, self.query_channels
        qk, v, rows = reading.qk_channels, reading.v_channels, reading.rows.channels
        norms = 2 * channels + (0 if self.is_self_attend else 2 * rows)
        return (channels + 1) * qk + (rows + 1) * (qk + v) + (v + 1) * channels + norms

    @property
    def num_mlp_weights(self):
        """Number of trainable weights of the MLP, its layer norm included."""
        channels, hidden = self.query_channels, self.hidden_channels
        return (channels + 1) * hidden + (hidden + 1) * channels + 2 * channels

    @property
    def multiply_adds(self):
        """Multiply-adds for one example, as executed."""
        reading = self.reading
        queries = 0 if reading.reads_queries_by_axis else reading.qk_channels
        ends = self.query_channels * (queries + reading.v_channels)
        mlp = 2 * self.query_channels * self.hidden_channels
        return reading.multiply_adds + reading.num_queries * (ends + mlp)


@dataclass(frozen=True)
class ClipQueries:
    """The queries of one modality of a `perceiver_tf.ClipDecoder`.

    Attributes:
        rows: `Rows`.
        are_points: bool, whether they are given as points: the decoder then learns their number
            at call time only.
        output_channels: tuple of ints, see `Block`.
    """

    rows: Rows
    are_points: bool
    output_channels: tuple[int, ...]


def model_blocks(config, rows, queries=(1, None), drops=False):
    """Return the blocks of a model in the order they are executed.

    Args:
        config: `PerceiverConfig` or `PerceiverIOConfig`.
        rows: `Rows` of the inputs; a tuple of them for several modalities.
        queries: the decoder's, for a `PerceiverIOConfig`: `Rows` of a grid, or a tuple (number,
            width); a width of None is that of the latents; a list of `ClipQueries`.
        drops: bool, whether dropout acts: a `ClipDecoder` then decodes a modality at once.

    Returns:
        list of `Block`.
    """
    if isinstance(config, PerceiverIOConfig):
        encoder = [_cross_attend(config, rows, "cross_attend")]
        encoder += _latent_transformer(config, "latent_transformer")
        if isinstance(queries, list):
            return encoder + sum((_clip_decoder(config, part, drops) for part in queries), [])
        return [*encoder, _decoder(config, queries)]
    own_cross_attends = {"all": 1, "all_but_first_cross_attend": 2, "none": None}[config.sharing]
    blocks = []
    for index in range(config.num_cross_attends):
        own = index if own_cross_attends is None else min(index, own_cross_attends - 1)
        block = _cross_attend(config, rows, f"cross_attend_{own}")
        blocks.append(dataclasses.replace(block, rematerialised=config.rematerialise))
        transformer = index if config.sharing == "none" else 0
        blocks += _latent_transformer(
            config, f"latent_transformer_{transformer}", config.sharing != "none"
        )
    return blocks


def densely(blocks):
    """Return the same blocks with every attention computed densely."""
    return [
        dataclasses.replace(block, reading=block.reading.changed(implementation="dense"))
        for block in blocks
    ]


def _cross_attend(config, rows, name):
    channels = joint_rows(rows).channels
    qk_channels = config.cross_attention_qk_channels or min(config.latent_channels, channels)
    read = Reading if isinstance(rows, Rows) else joint_reading
    reading = read(
        rows=rows,
        num_queries=config.num_latents,
        num_heads=config.num_cross_attention_heads,
        qk_channels=qk_channels,
        v_channels=config.cross_attention_v_channels or qk_channels,
        implementation=config.cross_attention_implementation,
    )
    return Block(name, reading, config.latent_channels, config.cross_attention_widening_factor)


def _latent_transformer(config, name, share_blocks=True):
    """Return the self-attends of all passes."""
    qk_channels = config.self_attention_qk_channels or config.latent_channels
    reading = Reading(
        rows=Rows((config.num_latents,), config.latent_channels),
        num_queries=config.num_latents,
        num_heads=config.num_self_attention_heads,
        qk_channels=qk_channels,
        v_channels=config.self_attention_v_channels or qk_channels,
        implementation="dense",
        streams=False,
    )
    widening = config.self_attention_widening_factor
    layers = config.num_self_attends_per_block
    return [
        Block(
            f"{name}/self_attend_{index % layers if share_blocks else index}",
            reading,
            config.latent_channels,
            widening,
            is_self_attend=True,
            rematerialised=config.rematerialise,
        )
        for index in range(config.num_blocks * layers)
    ]


def _decoder(config, queries):
    if not isinstance(queries, Rows):
        num_queries, query_channels = queries
        queries = Rows((num_queries,), query_channels or config.latent_channels)
    reading = _decoder_reading(config, queries)
    return Block("decoder", reading, queries.channels, config.decoder_widening_factor)


def _clip_decoder(config, queries, drops):
    """Return the blocks that the queries of one modality go through, one after the other."""
    size, *others = queries.rows.sizes
    length = size
    if not (queries.are_points or drops):
        length = decoded_length(
            size,
            math.prod(others),
            queries.rows.channels,
            config.num_decoder_heads,
            config.num_latents,
        )
    lengths = [length] * (size // length) + [size % length] * (size % length > 0)
    blocks = []
    for length in lengths:
        rows = dataclasses.replace(queries.rows, sizes=(length, *others))
        reading = _decoder_reading(config, rows)
        if queries.are_points:
            typical = reading.changed(num_queries=TYPICAL_QUERIES)
            reading = reading.changed(implementation=typical.chosen, streams=False)
        block = Block("decoder", reading, rows.channels, config.decoder_widening_factor)
        rematerialised, outputs = len(lengths) > 1, queries.output_channels
        blocks.append(
            dataclasses.replace(block, rematerialised=rematerialised, output_channels=outputs)
        )
    return blocks


def _decoder_reading(config, queries):
    qk_channels = config.decoder_qk_channels or min(queries.channels, config.latent_channels)
    return Reading(
        rows=Rows((config.num_latents,), config.latent_channels),
        num_queries=queries.length,
        num_heads=config.num_decoder_heads,
        qk_channels=qk_channels,
        v_channels=config.decoder_v_channels or qk_channels,
        query_rows=queries,
    )
