"""Layer normalisation over the last axis, with its own gradient."""

import keras
from keras import ops

EPSILON = 1e-5  # of every layer normalisation of the Perceiver, as in DeepMind's code


@keras.saving.register_keras_serializable("perceiver_tf")
class LayerNorm(keras.layers.LayerNormalization):
    """Normalises rows as `keras.layers.LayerNormalization` does, in fewer passes over memory.

    Same arguments, weights and results (arXiv:1607.06450), computed in float32 or better; the
    last axis only, always with gamma and beta. For the gradient it keeps the normalised rows and
    one number per row, nothing else.

    Call arguments:
        inputs: `(..., channels)`.

    Returns:
        `(..., channels)`, in the policy's compute dtype.
    """

    def call(self, inputs):
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        gamma, beta = (ops.reshape(ops.cast(x, dtype), (1, -1)) for x in (self.gamma, self.beta))
        normalised = _normalise(ops.cast(inputs, dtype), gamma, beta, self.epsilon)
        return ops.cast(normalised, self.compute_dtype)


def _normalise(inputs, gamma, beta, epsilon):
    """Return `gamma * (inputs - mean) / sqrt(variance + epsilon) + beta`, row by row.

    Args:
        inputs: float32 or float64 `(..., channels)`.
        gamma, beta: `(1, channels)`, of the same dtype, as everything below.
        epsilon: float.
    """

    @ops.custom_gradient
    def normalise(inputs, gamma, beta):
        centred = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        scale = ops.rsqrt(variance + epsilon)
        normalised = centred * scale

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return _gradients(upstream, normalised, scale, gamma)

        return normalised * gamma + beta, gradient

    return normalise(inputs, gamma, beta)


def _gradients(upstream, normalised, scale, gamma):
    """Return the gradients of inputs, gamma and beta, their sums by matrix products.

    With n the normalised rows, s = 1 / sigma and g = upstream * gamma, that of the inputs is
    s * (g - mean(g) - n * mean(g * n)). A product with a vector sums faster than a reduction.

    Args:
        upstream: `(..., channels)`, gradient of the result.
        normalised: `(..., channels)`.
        scale: `(..., 1)`.
        gamma: `(1, channels)`.
    """
    by_normalised = upstream * normalised
    mean_weights = ops.transpose(gamma) / gamma.shape[1]
    mean = ops.matmul(upstream, mean_weights)
    mean_by_normalised = ops.matmul(by_normalised, mean_weights)
    inputs = scale * (upstream * gamma - mean - normalised * mean_by_normalised)
    return inputs, _sum_of_rows(by_normalised), _sum_of_rows(upstream)


def _sum_of_rows(x):
    """`(..., channels)` to `(1, channels)`."""
    rows = ops.reshape(x, (-1, x.shape[-1]))
    return ops.matmul(ops.ones((1, ops.shape(rows)[0]), rows.dtype), rows)
