"""Decoder queries on a grid (arXiv:2107.14795 section 3.2).

Trained queries, one row each, are a `LatentArray`.
"""

import keras
from keras import ops

from perceiver_tf.layers import byte_array
from perceiver_tf.layers.positions import FourierPositions


@keras.saving.register_keras_serializable("perceiver_tf")
class FourierQueries(keras.layers.Layer):
    """Asks for one output per point of a grid, by the point's Fourier features.

    Args:
        grid_shape: tuple of ints, the sizes of the output grid. None: the grid of the inputs.
        num_frequency_bands, max_resolution, include_coordinates: see `FourierPositions`.

    Call arguments:
        inputs: `(b, size_1, ..., size_d, channels)`; its batch size is read and, when
            `grid_shape` is None, its sizes.

    Returns:
        float32 `(b, size_1 * ... * size_d, channels)`, the last axis of the grid fastest.
    """

    def __init__(
        self,
        num_frequency_bands,
        max_resolution,
        grid_shape=None,
        include_coordinates=True,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.grid_shape = None if grid_shape is None else tuple(grid_shape)
        self.positions = FourierPositions(
            num_frequency_bands,
            max_resolution,
            include_coordinates,
            dtype=self.dtype_policy,
            name="positions",
        )

    def build(self, inputs_shape):
        self.positions.build(inputs_shape)

    def call(self, inputs):
        grid = inputs
        if self.grid_shape is not None:
            grid = ops.zeros((1, *self.grid_shape, 1))
        queries = byte_array.grid_positions(self.positions(grid))
        queries = ops.reshape(queries, (1, -1, queries.shape[-1]))
        shape = (ops.shape(inputs)[0], ops.shape(queries)[1], queries.shape[-1])
        return ops.broadcast_to(queries, shape)
