"""The rows of a byte array, put together, in their own or in a fixed random order."""

import keras
import numpy as np
from keras import ops

from perceiver_tf.layers import byte_array


@keras.saving.register_keras_serializable("perceiver_tf")
class AssembledRows(keras.layers.Layer):
    """Puts the rows of a byte array together and may move all of them by one permutation.

    With a seed, position features move with what they belong to, so that an attention, which
    has no order of its own, gathers the same: the permuted inputs of arXiv:2103.03206 section
    4.1, table 2. The permutation is the same for every example.

    Args:
        permutation_seed: int that decides where rows go; None: they stay.

    Call arguments:
        inputs: a byte array of static size without mask, see `perceiver_tf.layers.byte_array`; a
            tensor `(b, size_1, ..., size_d, channels)` is one of content alone.

    Returns:
        `(b, m, channels)`, float32 if there are positions.

    Raises:
        ValueError: if the size is unknown or a part has a mask.
    """

    def __init__(self, permutation_seed=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.permutation_seed = permutation_seed

    def call(self, inputs):
        rows = byte_array.assemble(inputs)
        if self.permutation_seed is None:
            return rows
        order = np.random.default_rng(self.permutation_seed).permutation(rows.shape[1])
        return ops.take(rows, order, axis=1)

    def compute_output_spec(self, inputs):
        parts = byte_array.as_parts(inputs)
        lengths = [byte_array.num_rows(part) for part in parts]
        if None in lengths or any(part.get("mask") is not None for part in parts):
            raise ValueError(
                "The byte array must have a static size and no mask. Received: parts "
                f"{[sorted(part) for part in parts]} of {lengths} rows."
            )
        content = parts[0]["content"]
        shape = (content.shape[0], sum(lengths), byte_array.row_width(parts[0]))
        is_plain = len(parts) == 1 and set(parts[0]) == {"content"}
        return keras.KerasTensor(shape, content.dtype if is_plain else "float32")
