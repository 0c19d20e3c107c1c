"""Position features: Fourier features of grids or of given coordinates, and learned positions.

arXiv:2103.03206 section 3.2 and appendix D; the order of the features and the fixed
`max_resolution` are those of DeepMind's released code.
"""

import math

import keras
import numpy as np
from keras import ops


def axis_positions(size):
    """Return the positions of the `size` samples of one axis.

    Args:
        size: int, or scalar integer tensor when the axis is unknown until call time.

    Returns:
        float32 `(size,)`, evenly spaced in [-1, 1], both ends included.
    """
    if isinstance(size, int):
        return ops.convert_to_tensor(np.linspace(-1.0, 1.0, size, dtype="float32"))
    last = ops.cast(ops.maximum(size - 1, 1), "float32")
    return ops.cast(ops.arange(size), "float32") * (2.0 / last) - 1.0


def fourier_features(coordinates, num_frequency_bands, max_resolution, include_coordinates=True):
    """Return sine and cosine features of coordinates.

    Each axis has `num_frequency_bands` frequencies, evenly spaced from 1 to
    `max_resolution / 2` (the Nyquist frequency), both included; a feature is the sine or
    cosine of pi * frequency * coordinate. `max_resolution` is a property of the model, not
    of the input at hand, so that a trained model keeps its frequencies on another size.

    Args:
        coordinates: float `(..., num_axes)`, in [-1, 1]. Computed in float32 whatever its
            dtype: lower precision loses the phase of the high frequencies.
        num_frequency_bands: int, at least 1.
        max_resolution: tuple of one number per axis.
        include_coordinates: bool, whether the coordinates themselves come first.

    Returns:
        float32 `(..., fourier_channels(num_axes, ...))`, in the order [coordinates]
        [sines of axis 1, of axis 2, ...] [cosines of axis 1, of axis 2, ...].

    Raises:
        ValueError: if the number of axes and of `max_resolution` entries differ.
    """
    num_axes = coordinates.shape[-1]
    if num_axes != len(max_resolution):
        raise ValueError(
            "`max_resolution` must have one entry per axis of the coordinates. "
            f"Received: max_resolution={max_resolution}, coordinates of {num_axes} axes."
        )
    coordinates = ops.cast(coordinates, "float32")
    phases = []
    for axis, resolution in enumerate(max_resolution):
        frequencies = np.linspace(1.0, resolution / 2, num_frequency_bands, dtype="float32")
        phases.append(coordinates[..., axis : axis + 1] * frequencies)
    # In this order, as in the released code: of phases of thousands, float32 rounds visibly.
    phases = ops.concatenate(phases, axis=-1) * np.float32(math.pi)
    features = [coordinates] if include_coordinates else []
    return ops.concatenate([*features, ops.sin(phases), ops.cos(phases)], axis=-1)


def fourier_channels(num_axes, num_frequency_bands, include_coordinates=True):
    """Return the width of `fourier_features`: 2 per axis and band, and the coordinates."""
    return num_axes * (2 * num_frequency_bands + bool(include_coordinates))


@keras.saving.register_keras_serializable("perceiver_tf")
class FourierPositions(keras.layers.Layer):
    """Computes the Fourier features of a grid, one table per axis.

    The features of a grid point are the features of its axes side by side, so an image of
    224 x 224 needs two tables of 224 rows, not one of 50,176. See `byte_array.assemble` for
    the full rows.

    Args:
        num_frequency_bands: int, at least 1.
        max_resolution: tuple of one number per axis; the highest frequency is half of it.
        include_coordinates: bool, whether each table starts with the coordinate itself.

    Call arguments:
        grid: tensor `(b, size_1, ..., size_d, channels)`; only its sizes are read. Any sizes,
            also such that are unknown until call time.

    Returns:
        list of d float32 tensors `(size_a, 2 * num_frequency_bands + include_coordinates)`.

    Raises:
        ValueError: if `num_frequency_bands` is below 1, or the grid has another number of
            axes than `max_resolution`.
    """

    def __init__(self, num_frequency_bands, max_resolution, include_coordinates=True, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if num_frequency_bands < 1:
            raise ValueError(
                "`num_frequency_bands` must be at least 1. "
                f"Received: num_frequency_bands={num_frequency_bands}."
            )
        self.num_frequency_bands = num_frequency_bands
        self.max_resolution = tuple(max_resolution)
        self.include_coordinates = include_coordinates

    def call(self, grid):
        self._check_axes(grid)
        return [
            fourier_features(
                axis_positions(size)[:, None],
                self.num_frequency_bands,
                (resolution,),
                self.include_coordinates,
            )
            for size, resolution in zip(ops.shape(grid)[1:-1], self.max_resolution, strict=True)
        ]

    def compute_output_spec(self, grid):
        self._check_axes(grid)
        channels = fourier_channels(1, self.num_frequency_bands, self.include_coordinates)
        return [keras.KerasTensor((size, channels), dtype="float32") for size in grid.shape[1:-1]]

    def _check_axes(self, grid):
        num_axes = len(grid.shape) - 2
        if num_axes != len(self.max_resolution):
            raise ValueError(
                "The grid must have one axis per entry of `max_resolution`. "
                f"Received: a grid of {num_axes} axes, max_resolution={self.max_resolution}."
            )


@keras.saving.register_keras_serializable("perceiver_tf")
class LearnedPositions(keras.layers.Layer):
    """Holds one trainable vector per position, in the order of the flattened inputs.

    Args:
        channels: int, width of a position.
        init_scale: float, standard deviation of the truncated normal initialiser
            (0.02 in Perceiver IO; the original paper's learned ImageNet model used 1.0).

    Call arguments:
        inputs: tensor `(b, size_1, ..., size_d, channels)`; only its sizes are read and
            they must be known when the layer is built.

    Returns:
        `(size_1 * ... * size_d, channels)` without a batch axis, in the variables' dtype
        (float32 but under a pure bfloat16 policy).

    Raises:
        ValueError: if a size is unknown.
    """

    def __init__(self, channels, init_scale=0.02, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.channels = channels
        self.init_scale = init_scale

    def build(self, inputs_shape):
        sizes = inputs_shape[1:-1]
        if any(size is None for size in sizes):
            raise ValueError(
                "Learned positions need inputs of a fixed size; Fourier positions take any. "
                f"Received: inputs of shape {tuple(inputs_shape)}."
            )
        self.positions = self.add_weight(
            shape=(math.prod(sizes), self.channels),
            initializer=keras.initializers.TruncatedNormal(stddev=self.init_scale),
            autocast=False,
            name="positions",
        )

    def call(self, inputs):
        return ops.copy(self.positions)

    def compute_output_spec(self, inputs):
        shape = (math.prod(inputs.shape[1:-1]), self.channels)
        return keras.KerasTensor(shape, dtype=self.variable_dtype)
