"""Losses and metrics of optical flow.

Flow is float `(b, height, width, 2)` in pixels. A pixel whose true flow is unknown (not a number,
infinite, or beyond 1e9 as Middlebury's files mark it) counts in none of them. Sample weights are
`(b,)`; those of end-point error and Fl-all may also be `(b, height, width)`.
"""

import keras
from keras import ops

from zoo.optical_flow.files import UNKNOWN_FLOW


@keras.saving.register_keras_serializable(package="perceiver_zoo")
class EndPointErrorLoss(keras.losses.Loss):
    """The mean distance in pixels between the ends of true and predicted flow vectors.

    Args:
        epsilon: float, added under the root so that the gradient is finite where the error is
            0; the loss of an error e is `sqrt(e^2 + epsilon^2) - epsilon`.
        reduction, name, dtype: see `keras.losses.Loss`.

    Call arguments:
        y_true, y_pred: float `(b, height, width, 2)`.
    """

    def __init__(self, epsilon=1e-3, name="end_point_error", **kwargs):
        super().__init__(name=name, **kwargs)
        self.epsilon = epsilon

    def call(self, y_true, y_pred):
        difference, known = _difference(y_true, y_pred)
        squares = ops.sum(ops.square(difference), axis=-1)
        distance = ops.sqrt(squares + self.epsilon**2) - self.epsilon
        return distance * _factors(known, distance.dtype)

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="perceiver_zoo")
class MultiScaleL1Loss(keras.losses.Loss):
    """L1 distance of true and predicted flow, summed over ever coarser averages of both.

    Scale k compares means over squares of 2^k pixels a side, in pixels of the full resolution:
    the first scales see the borders of motions, the last ones the motion of large areas. The
    squares at the right and lower border that are not full are left out.

    Args:
        weights: sequence of floats, one per scale, the full resolution first.
        reduction, name, dtype: see `keras.losses.Loss`.

    Call arguments:
        y_true, y_pred: float `(b, height, width, 2)`, sides of at least
            `2 ** (len(weights) - 1)` pixels.
    """

    def __init__(self, weights=(1.0, 0.5, 0.25, 0.125), name="multi_scale_l1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.weights = tuple(weights)

    def call(self, y_true, y_pred):
        difference, known = _difference(y_true, y_pred)
        known = ops.cast(known, difference.dtype)[..., None]
        total = 0.0
        for scale, weight in enumerate(self.weights):
            if scale:
                difference, known = _halved(difference), _halved(known)
            share = ops.mean(known, axis=(1, 2, 3))
            error = ops.mean(ops.abs(difference), axis=(1, 2)) / _positive(share)[:, None]
            total = total + weight * ops.sum(error, axis=-1)
        return total

    def get_config(self):
        return {**super().get_config(), "weights": self.weights}


@keras.saving.register_keras_serializable(package="perceiver_zoo")
class EndPointError(keras.metrics.Metric):
    """The mean distance in pixels between the ends of true and predicted flow vectors (EPE)."""

    def __init__(self, name="end_point_error", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_weight(initializer="zeros", dtype=self.dtype, name="total")
        self.count = self.add_weight(initializer="zeros", dtype=self.dtype, name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        error, known, _ = _errors(y_true, y_pred, self.dtype)
        self._add(error, _pixel_weights(known, sample_weight, error.dtype))

    def _add(self, values, weights):
        self.total.assign_add(ops.sum(ops.cast(values, self.dtype) * weights))
        self.count.assign_add(ops.sum(weights))

    def result(self):
        return ops.divide_no_nan(self.total, self.count)


@keras.saving.register_keras_serializable(package="perceiver_zoo")
class FlAll(EndPointError):
    """The share of pixels, 0-1, that KITTI counts as wrong (Fl-all).

    A pixel is wrong if its end-point error is above 3 pixels and above 5 % of the true motion.
    """

    def __init__(self, name="fl_all", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        error, known, motion = _errors(y_true, y_pred, self.dtype)
        wrong = ops.logical_and(error > 3.0, error > 0.05 * motion)
        self._add(wrong, _pixel_weights(known, sample_weight, error.dtype))


def _difference(y_true, y_pred):
    """Return the error vectors, 0 where the truth is unknown, and where it is known."""
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    known = ops.all(ops.abs(y_true) < UNKNOWN_FLOW, axis=-1)
    y_true = ops.where(known[..., None], y_true, ops.zeros_like(y_true))
    return ops.where(known[..., None], y_pred - y_true, ops.zeros_like(y_true)), known


def _errors(y_true, y_pred, dtype):
    """Return `(b, h, w)`: end-point errors, where they count, lengths of the true vectors."""
    y_pred = ops.cast(y_pred, dtype)
    difference, known = _difference(y_true, y_pred)
    y_true = ops.where(known[..., None], ops.cast(y_true, dtype), ops.zeros_like(difference))
    return _length(difference), known, _length(y_true)


def _length(vectors):
    return ops.sqrt(ops.sum(ops.square(vectors), axis=-1))


def _pixel_weights(known, sample_weight, dtype):
    weights = ops.cast(known, dtype)
    if sample_weight is None:
        return weights
    sample_weight = ops.cast(sample_weight, dtype)
    missing = len(weights.shape) - len(sample_weight.shape)
    return weights * ops.reshape(sample_weight, (*ops.shape(sample_weight), *[1] * missing))


def _factors(known, dtype):
    """Return `(b, h, w)` whose product with errors has the mean over the known pixels as mean."""
    known = ops.cast(known, dtype)
    return known / _positive(ops.mean(known, axis=(1, 2), keepdims=True))


def _positive(share):
    return ops.maximum(share, keras.config.epsilon())


def _halved(grid):
    return ops.average_pool(grid, 2, 2, "valid")


def compiled(config, recipe):
    """Returns loss and metrics of an optical-flow model, for `keras.Model.compile`.

    Args:
        config: `zoo.optical_flow.configs.OpticalFlowConfig`.
        recipe: `zoo.recipes.recipe.Recipe`, of which nothing is read.
    """
    return {"loss": EndPointErrorLoss(), "metrics": [EndPointError(), FlAll()]}
