"""LAMB as the published ImageNet models were trained with it."""

import keras
from keras import ops

from perceiver_tf.layers.streaming import wait


@keras.saving.register_keras_serializable(package="perceiver_zoo")
class DecayingLamb(keras.optimizers.Lamb):
    """LAMB (arXiv:1904.00962, algorithm 2) with the weight decay inside the trust ratio.

    The decay term is added to Adam's direction and the sum is scaled by |w| / |sum|, as in the
    paper and in Perceiver IO's released training code. `keras.optimizers.Lamb` decays the
    weights beforehand, outside the ratio, which takes other steps; without decay they agree.

    Args:
        decay: float >= 0, weight decay.
        decay_exclusions: names of variables that are not decayed, such as "bias".
        **kwargs: of `keras.optimizers.Lamb`, but `weight_decay`.

    Raises:
        ValueError: if `decay` is negative or `weight_decay` is given.
    """

    def __init__(self, learning_rate=0.001, decay=0.0, decay_exclusions=(), **kwargs):
        if kwargs.pop("weight_decay", None) is not None or decay < 0:
            raise ValueError(
                "`decay` must be at least 0 and `weight_decay` must not be given. "
                f"Received: decay={decay}."
            )
        super().__init__(learning_rate, **kwargs)
        self.decay = decay
        self.decay_exclusions = tuple(decay_exclusions)

    def build(self, variables):
        # By index: on the TensorFlow backend, update steps get variables under other names.
        self._is_decayed = [variable.name not in self.decay_exclusions for variable in variables]
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        gradient, learning_rate = ops.cast(gradient, dtype), ops.cast(learning_rate, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index], self._velocities[index]
        self.assign_add(momentum, (gradient - momentum) * (1 - self.beta_1))
        self.assign_add(velocity, (ops.square(gradient) - velocity) * (1 - self.beta_2))
        corrected_momentum = momentum / (1 - ops.power(ops.cast(self.beta_1, dtype), step))
        corrected_velocity = velocity / (1 - ops.power(ops.cast(self.beta_2, dtype), step))
        update = corrected_momentum / (ops.sqrt(corrected_velocity) + self.epsilon)
        if self.decay and self._is_decayed[index]:
            # Without waiting, a graph forms this product of every weight when a step begins.
            decay = wait(ops.cast(self.decay, dtype), update)
            update = update + decay * variable
        self.assign_sub(variable, learning_rate * _trust_ratio(variable, update) * update)

    def get_config(self):
        own = {"decay": self.decay, "decay_exclusions": self.decay_exclusions}
        return {**super().get_config(), **own}


def _trust_ratio(variable, update):
    """Return |variable| / |update|, or 1 where one of them is 0."""
    weight_norm, update_norm = (ops.sqrt(ops.sum(ops.square(x))) for x in (variable, update))
    usable = ops.logical_and(weight_norm > 0, update_norm > 0)
    return ops.where(usable, weight_norm / ops.where(usable, update_norm, 1.0), 1.0)
