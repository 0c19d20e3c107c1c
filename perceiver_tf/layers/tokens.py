"""Text: embedded tokens, their learned positions, queries per position, and logits by the same
table (arXiv:2107.14795 section 4.1 and appendix, and the released code).
"""

import math

import keras
import numpy as np
from keras import ops

from perceiver_tf.choices import POSITION_INITS


@keras.saving.register_keras_serializable("perceiver_tf")
class TokenEmbedding(keras.layers.Layer):
    """Holds one trained vector per token, read in both directions.

    Forwards it embeds token ids; in reverse it scores decoded rows against every token's vector,
    so that embedding and output share one table.

    Args:
        vocabulary_size: int, number of tokens.
        channels: int, width of a vector.
        init_scale: float, standard deviation of the truncated normal initialiser.

    Call arguments:
        inputs: int `(b, length)`, token ids from 0 to `vocabulary_size - 1`; in reverse
            `(b, length, channels)`.
        reverse: bool.

    Returns:
        `(b, length, channels)` in the compute dtype; in reverse float32
        `(b, length, vocabulary_size)`, inputs times the table transposed, computed in float32
        under every dtype policy.
    """

    def __init__(self, vocabulary_size, channels, init_scale=0.02, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.vocabulary_size = vocabulary_size
        self.channels = channels
        self.init_scale = init_scale

    def build(self, inputs_shape):
        self.embeddings = self.add_weight(
            shape=(self.vocabulary_size, self.channels),
            initializer=keras.initializers.TruncatedNormal(stddev=self.init_scale),
            name="embeddings",
        )

    def call(self, inputs, reverse=False):
        if reverse:
            table = ops.cast(self.embeddings, "float32")
            rows = ops.reshape(ops.cast(inputs, "float32"), (-1, self.channels))
            scores = ops.matmul(rows, ops.transpose(table))
            return ops.reshape(scores, (*ops.shape(inputs)[:-1], self.vocabulary_size))
        table = ops.cast(self.embeddings, self.compute_dtype)
        return ops.take(table, ops.cast(inputs, "int32"), axis=0)

    def compute_output_spec(self, inputs, reverse=False):
        if reverse:
            return keras.KerasTensor((*inputs.shape[:-1], self.vocabulary_size), dtype="float32")
        return keras.KerasTensor((*inputs.shape, self.channels), dtype=self.compute_dtype)


@keras.saving.register_keras_serializable("perceiver_tf")
class TokenInputs(keras.layers.Layer):
    """Describes embedded tokens as a byte array: to each is added its learned position.

    Added, not put beside, as in the released language model. Position i is the same vector in a
    text of any length, so padding at the end changes nothing for the rows before it.

    Args:
        max_length: int, number of positions; texts may be shorter.
        init_scale: float, standard deviation of the initial positions.
        position_init: "normal" (truncated, as in DeepMind's code) or "sinusoidal", see
            `initial_positions`.

    Call arguments:
        inputs: `(b, length, channels)`, or a dict of `content` (the same) and, optionally,
            `mask` bool `(b, length)`, False for padding.

    Returns:
        byte array with `content` `(b, length, channels)` in the compute dtype and, if it was
        given, `mask`.

    Raises:
        ValueError: if the inputs are longer than `max_length`.
    """

    def __init__(self, max_length, init_scale=0.02, position_init="normal", **kwargs):
        super().__init__(autocast=False, **kwargs)
        _check_position_init(position_init)
        self.max_length = max_length
        self.init_scale = init_scale
        self.position_init = position_init

    def build(self, inputs_shape):
        shape = inputs_shape["content"] if isinstance(inputs_shape, dict) else inputs_shape
        self.positions = self.add_weight(
            shape=(self.max_length, shape[-1]),
            initializer=initial_positions(self.position_init, self.init_scale),
            name="positions",
        )

    def call(self, inputs):
        parts = inputs if isinstance(inputs, dict) else {"content": inputs}
        positions = first_rows(self.positions, parts["content"])
        content = ops.cast(parts["content"], positions.dtype) + positions
        described = {"content": ops.cast(content, self.compute_dtype)}
        if "mask" in parts:
            described["mask"] = ops.cast(parts["mask"], "bool")
        return described

    def compute_output_spec(self, inputs):
        parts = inputs if isinstance(inputs, dict) else {"content": inputs}
        check_length(parts["content"].shape[1], self.max_length)
        described = {"content": keras.KerasTensor(parts["content"].shape, self.compute_dtype)}
        if "mask" in parts:
            described["mask"] = keras.KerasTensor(parts["mask"].shape, "bool")
        return described


@keras.saving.register_keras_serializable("perceiver_tf")
class TokenQueries(keras.layers.Layer):
    """Asks for one output per position of the inputs, by a trained vector per position.

    Args:
        max_length: int, number of positions.
        channels: int, width of a query.
        init_scale: float, standard deviation of the initial queries.
        position_init: see `TokenInputs`.

    Call arguments:
        inputs: `(b, length, ...)`; only batch size and length are read.

    Returns:
        `(b, length, channels)` in the compute dtype, equal for every example: the first `length`
        queries.

    Raises:
        ValueError: if the inputs are longer than `max_length`.
    """

    def __init__(self, max_length, channels, init_scale=0.02, position_init="normal", **kwargs):
        super().__init__(autocast=False, **kwargs)
        _check_position_init(position_init)
        self.max_length = max_length
        self.channels = channels
        self.init_scale = init_scale
        self.position_init = position_init

    def build(self, inputs_shape):
        self.queries = self.add_weight(
            shape=(self.max_length, self.channels),
            initializer=initial_positions(self.position_init, self.init_scale),
            name="queries",
        )

    def call(self, inputs):
        queries = ops.cast(first_rows(self.queries, inputs), self.compute_dtype)
        batch_size, length = ops.shape(inputs)[:2]
        return ops.broadcast_to(queries[None], (batch_size, length, self.channels))

    def compute_output_spec(self, inputs):
        check_length(inputs.shape[1], self.max_length)
        return keras.KerasTensor((*inputs.shape[:2], self.channels), dtype=self.compute_dtype)


@keras.saving.register_keras_serializable("perceiver_tf")
class OutputBias(keras.layers.Layer):
    """Adds a trained number to each channel: the bias of logits that an embedding's table gave.

    Call arguments:
        inputs: `(..., channels)`.

    Returns:
        the same shape, in float32 under every dtype policy.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def build(self, inputs_shape):
        self.bias = self.add_weight(shape=(inputs_shape[-1],), initializer="zeros", name="bias")

    def call(self, inputs):
        return ops.cast(inputs, "float32") + ops.cast(self.bias, "float32")

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, dtype="float32")


def initial_positions(position_init, scale):
    """Return the initialiser of a table of positions `(max_length, channels)`.

    Sinusoidal positions are sines and cosines of wavelengths from 2 positions to twice the length,
    in geometric steps: neighbours are alike from the start, so that a small model need not spend
    its first thousands of steps to learn from random vectors which positions are near each other.

    Args:
        position_init: "normal", truncated at two deviations, or "sinusoidal".
        scale: float, standard deviation.
    """
    if position_init == "normal":
        return keras.initializers.TruncatedNormal(stddev=scale)

    def sinusoids(shape, dtype=None):
        length, channels = shape
        frequencies = np.geomspace(1 / (2 * length), 0.5, math.ceil(channels / 2))
        phases = 2 * np.pi * np.arange(length)[:, None] * frequencies
        table = np.concatenate([np.sin(phases), np.cos(phases)], axis=1)[:, :channels]
        return ops.convert_to_tensor(scale * math.sqrt(2) * table, dtype=dtype)

    return sinusoids


def _check_position_init(position_init):
    if position_init not in POSITION_INITS:
        raise ValueError(
            f"`position_init` must be one of {POSITION_INITS}. "
            f"Received: position_init={position_init!r}."
        )


def first_rows(table, inputs):
    """Return as many rows of a table `(max_length, channels)` as `inputs` `(b, length, ...)` has.

    Raises:
        ValueError: if there are not that many and the length of the inputs is known.
    """
    check_length(inputs.shape[1], table.shape[0])
    return ops.convert_to_tensor(table)[: ops.shape(inputs)[1]]


def check_length(length, max_length):
    """Raise a ValueError if a length is known and larger than `max_length`."""
    if length is not None and length > max_length:
        raise ValueError(
            "The inputs must not be longer than `max_length`. "
            f"Received: length={length}, max_length={max_length}."
        )
