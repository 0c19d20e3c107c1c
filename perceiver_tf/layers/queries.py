"""Decoder queries on a grid (arXiv:2107.14795 section 3.2).

Trained queries, one row each, are a `LatentArray`.
"""

import keras
from keras import ops

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
        byte array of `axes` and a `content` without channels, `(b, size_1, ..., size_d, 0)`.
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
        batch_size, *sizes, _ = ops.shape(inputs)
        content = ops.zeros((batch_size, *(self.grid_shape or sizes), 0), dtype="float32")
        return {"content": content, "axes": self.positions(content)}

    def compute_output_spec(self, inputs):
        sizes = self.grid_shape or inputs.shape[1:-1]
        content = keras.KerasTensor((inputs.shape[0], *sizes, 0), dtype="float32")
        return {"content": content, "axes": self.positions.compute_output_spec(content)}
