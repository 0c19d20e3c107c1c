"""Learning-rate schedules of the recipes, as serialisable Keras schedules."""

import math

import keras
from keras import ops


def _warmed_up(learning_rate, step, warmup_steps):
    """Scales `learning_rate` linearly up over the first `warmup_steps` steps."""
    if warmup_steps == 0:
        return learning_rate
    return learning_rate * ops.minimum((step + 1.0) / warmup_steps, 1.0)


def _check_steps(total_steps, warmup_steps):
    if total_steps < 1:
        raise ValueError(f"`total_steps` must be at least 1. Received: total_steps={total_steps}.")
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError(
            "`warmup_steps` must be between 0 and `total_steps`. "
            f"Received: warmup_steps={warmup_steps}, total_steps={total_steps}."
        )


@keras.saving.register_keras_serializable(package="perceiver_zoo")
class FlatCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Warms up, stays flat for a share of the training, then falls to zero as a half cosine.

    `constant_fraction=0` gives the usual cosine schedule, `constant_fraction=1` a constant
    rate. With `constant_fraction=0.5` and no warm-up it is the schedule of Perceiver IO on
    ImageNet (arXiv:2107.14795, released training code): flat for 55 epochs, cosine for 55.

    Args:
        learning_rate: float > 0, the rate of the flat part.
        total_steps: int > 0, optimiser steps of the whole training.
        warmup_steps: int, steps of linear warm-up; step 0 already has
            `learning_rate / warmup_steps`, so that no step is lost.
        constant_fraction: float in [0, 1], share of `total_steps` after which the cosine
            begins (at the end of the warm-up if that is later).

    Call arguments:
        step: int or scalar int tensor, the number of steps already taken.

    Returns:
        Scalar float32 tensor, the learning rate of this step.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self, learning_rate, total_steps, warmup_steps=0, constant_fraction=0.0):
        super().__init__()
        _check_steps(total_steps, warmup_steps)
        if not 0.0 <= constant_fraction <= 1.0:
            raise ValueError(
                "`constant_fraction` must be between 0 and 1. "
                f"Received: constant_fraction={constant_fraction}."
            )
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.constant_fraction = constant_fraction

    def __call__(self, step):
        step = ops.cast(step, "float32")
        flat_steps = max(int(self.constant_fraction * self.total_steps), self.warmup_steps)
        cosine_steps = max(self.total_steps - flat_steps, 1)
        progress = ops.clip((step - flat_steps) / cosine_steps, 0.0, 1.0)
        decay = 0.5 * (1.0 + ops.cos(math.pi * progress))
        return _warmed_up(self.learning_rate * decay, step, self.warmup_steps)

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "constant_fraction": self.constant_fraction,
        }


@keras.saving.register_keras_serializable(package="perceiver_zoo")
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Warms up, then multiplies the rate by `factor` at each boundary.

    With `factor=0.1` and boundaries after 84, 102 and 114 epochs it is the schedule of the
    Perceiver on ImageNet (arXiv:2103.03206, section 4.1).

    Args:
        learning_rate: float > 0, the rate before the first boundary.
        boundaries: tuple of ints, steps in rising order; the step with this number is the
            first one at the lower rate.
        factor: float, what the rate is multiplied by at each boundary.
        total_steps: int > 0, optimiser steps of the whole training.
        warmup_steps: int, steps of linear warm-up.

    Call arguments:
        step: int or scalar int tensor, the number of steps already taken.

    Returns:
        Scalar float32 tensor, the learning rate of this step.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self, learning_rate, boundaries, factor, total_steps, warmup_steps=0):
        super().__init__()
        _check_steps(total_steps, warmup_steps)
        if list(boundaries) != sorted(boundaries):
            raise ValueError(f"`boundaries` must be rising. Received: boundaries={boundaries}.")
        self.learning_rate = learning_rate
        self.boundaries = tuple(boundaries)
        self.factor = factor
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(self.learning_rate, "float32")
        for boundary in self.boundaries:
            rate = ops.where(step >= boundary, rate * self.factor, rate)
        return _warmed_up(rate, step, self.warmup_steps)

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "boundaries": self.boundaries,
            "factor": self.factor,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
        }
