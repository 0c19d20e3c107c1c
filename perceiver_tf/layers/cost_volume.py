"""Where what is around a pixel of one frame lies in the other: the cost volume of optical flow."""

import keras
import numpy as np
from keras import ops

from perceiver_tf.choices import COST_VOLUME_PATCHES, PATCH_INITIALIZERS
from perceiver_tf.layers.cosines import cosines

UNMATCHED = 4.0  # the largest squared difference of pixels in [-1, 1]
_NOISE = 2e-3  # about the squared difference of pixels that are the same
_FIRST_SHARPNESS = 3.0


def cost_volume(first, second, max_displacement, patch_sizes):
    """Return how much the patch around each pixel differs from those of the second frame nearby.

    Args:
        first, second: `(b, height, width, channels)`.
        max_displacement: int D, pixels; patches up to D rows and columns away are compared.
        patch_sizes: sequence of odd ints, rows and columns of the patches.

    Returns:
        list of `(b, height, width, (2 D + 1)^2)`, one for each size: the mean squared difference
        of the patches' pixels for each displacement, row by row, those left out that lie outside
        of a frame; `UNMATCHED` where all do.
    """
    inside = ops.ones_like(first[:1, :, :, :1])
    squares = ops.concatenate(
        [
            ops.mean(ops.square(first - moved), axis=-1, keepdims=True) * is_inside
            for moved, is_inside in zip(
                _displaced(second, max_displacement),
                _displaced(inside, max_displacement),
                strict=True,
            )
        ],
        axis=-1,
    )
    inside = ops.concatenate(_displaced(inside, max_displacement), axis=-1)
    return [_means(squares, inside, size) for size in patch_sizes]


def _displaced(frame, max_displacement):
    """Return the frame moved by every displacement, zeros where it ends."""
    margin = (max_displacement, max_displacement)
    _, height, width, _ = ops.shape(frame)
    padded = ops.pad(frame, ((0, 0), margin, margin, (0, 0)))
    steps = range(2 * max_displacement + 1)
    return [
        padded[:, row : row + height, column : column + width] for row in steps for column in steps
    ]


def _means(squares, inside, size):
    share = ops.average_pool(inside, size, 1, "same")
    means = ops.average_pool(squares, size, 1, "same") / ops.maximum(share, 1e-6)
    return ops.where(share > 0, means, UNMATCHED)


class DisplacementInitializer(keras.initializers.Initializer):
    """Projects probabilities of displacements to their slow cosines over rows and columns.

    The columns of the kernel that belong to a volume see that one alone.

    Args:
        max_displacement: int.
        num_volumes: int.
    """

    def __init__(self, max_displacement, num_volumes):
        self.max_displacement = max_displacement
        self.num_volumes = num_volumes

    def __call__(self, shape, dtype=None):
        side = 2 * self.max_displacement + 1
        frequency = np.add.outer(np.arange(side), np.arange(side)).reshape(-1)
        order = np.argsort(frequency, kind="stable")[1:]  # the first one is the constant
        slow = side * np.kron(cosines(side), cosines(side))[order]
        kernel = np.zeros(shape)
        shares = np.array_split(np.arange(shape[1]), self.num_volumes)
        for rows, columns in zip(np.split(kernel, self.num_volumes), shares, strict=True):
            columns = columns[: len(slow)]
            rows[:, columns] = slow[: len(columns)].T
        return ops.convert_to_tensor(kernel, dtype=dtype)

    def get_config(self):
        return {"max_displacement": self.max_displacement, "num_volumes": self.num_volumes}


@keras.saving.register_keras_serializable("perceiver_tf")
class CostVolume(keras.layers.Layer):
    """Describes each pixel by how probable it is that it moved by each of many displacements.

    Not in the Perceiver's papers. Networks of optical flow read such volumes (FlowNet's
    correlation, arXiv:1504.06852 section 3); a small Perceiver that has to find out itself how to
    compare frames needs far more examples. A displacement's probability falls with a power of the
    patches' mean squared difference, learned for each size of patch; the probabilities of all
    displacements are projected.

    Args:
        max_displacement: int, pixels, see `cost_volume`.
        channels: int, width of the result.
        patch_sizes: sequence of odd ints, see `cost_volume`.
        initializer: of the projection, "random" or "spectral" (`DisplacementInitializer`).

    Call arguments:
        frames: float `(b, 2, height, width, colours)`, pixels in [-1, 1].

    Returns:
        `(b, height, width, channels)`.

    Raises:
        ValueError: if a size is not positive, a patch not odd, `initializer` another string, or the
            frames are not two.
    """

    def __init__(
        self,
        max_displacement,
        channels,
        patch_sizes=COST_VOLUME_PATCHES,
        initializer="random",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if min(max_displacement, channels) < 1:
            raise ValueError(
                "`max_displacement` and `channels` must be at least 1. "
                f"Received: max_displacement={max_displacement}, channels={channels}."
            )
        if not patch_sizes or any(size < 1 or size % 2 == 0 for size in patch_sizes):
            raise ValueError(
                f"`patch_sizes` must be odd and at least 1. Received: patch_sizes={patch_sizes}."
            )
        if initializer not in PATCH_INITIALIZERS:
            raise ValueError(
                f"`initializer` must be one of {PATCH_INITIALIZERS}. "
                f"Received: initializer={initializer!r}."
            )
        self.max_displacement = max_displacement
        self.channels = channels
        self.patch_sizes = tuple(patch_sizes)
        self.initializer = initializer

    def build(self, frames_shape):
        if frames_shape[1] != 2:
            raise ValueError(f"A cost volume is of two frames. Received: {frames_shape[1]}.")
        num_volumes = len(self.patch_sizes)
        self.log_sharpness = self.add_weight(
            shape=(num_volumes,),
            initializer=keras.initializers.Constant(np.log(_FIRST_SHARPNESS)),
            name="log_sharpness",
        )
        if self.initializer == "spectral":
            initializer = DisplacementInitializer(self.max_displacement, num_volumes)
        else:
            initializer = keras.initializers.VarianceScaling(1.0, "fan_in", "truncated_normal")
        self.projection = keras.layers.Dense(
            self.channels,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name="projection",
        )
        self.projection.build((None, num_volumes * (2 * self.max_displacement + 1) ** 2))

    def call(self, frames):
        frames = ops.cast(frames, "float32")
        volumes = cost_volume(frames[:, 0], frames[:, 1], self.max_displacement, self.patch_sizes)
        sharpness = ops.exp(ops.cast(self.log_sharpness, "float32"))
        probabilities = [
            ops.softmax(-sharpness[index] * ops.log(volume + _NOISE))
            for index, volume in enumerate(volumes)
        ]
        return self.projection(ops.concatenate(probabilities, axis=-1))

    def compute_output_shape(self, frames_shape):
        batch_size, _, height, width, _ = frames_shape
        return (batch_size, height, width, self.channels)
