"""What is built from a recipe: learning rate, optimiser and the loss of a classifier."""

import keras

from zoo.recipes.lamb import DecayingLamb
from zoo.recipes.recipe import Recipe
from zoo.recipes.schedules import FlatCosine, StepDecay

# What is no matrix between two widths, or ends in the outputs: Muon leaves it to AdamW.
_NO_MATRICES = ("latents", "query", "queries", "positions", "embedding", "logits")


def build_schedule(recipe: Recipe, steps_per_epoch: int):
    """Builds the learning rate of a recipe.

    Args:
        recipe: a `Recipe`.
        steps_per_epoch: int > 0, optimiser steps in one epoch.

    Returns:
        A serialisable `keras.optimizers.schedules.LearningRateSchedule`.
    """
    learning_rate = recipe.learning_rate
    if recipe.learning_rate_batch_size is not None:
        learning_rate *= recipe.batch_size / recipe.learning_rate_batch_size
    total_steps = recipe.epochs * steps_per_epoch
    warmup_steps = int(recipe.warmup_share * total_steps)
    if recipe.schedule == "steps":
        boundaries = tuple(round(epoch * steps_per_epoch) for epoch in recipe.step_boundaries)
        return StepDecay(learning_rate, boundaries, recipe.step_factor, total_steps, warmup_steps)
    constant_fraction = {"constant": 1.0, "cosine": 0.0, "flat_cosine": recipe.constant_fraction}
    return FlatCosine(learning_rate, total_steps, warmup_steps, constant_fraction[recipe.schedule])


def build_optimizer(recipe: Recipe, variables, steps_per_epoch: int, num_replicas: int = 1):
    """Builds the optimiser of a recipe; call it inside `strategy.scope()`.

    These are Keras's own optimisers, but for LAMB's weight decay, see `zoo.recipes.lamb`.

    Keras clips the gradients of each device before it adds them up. The limit is divided by
    `num_replicas`, so the sum never exceeds `recipe.clip_global_norm`; where clipping acts
    and the devices' gradients differ, several devices can take a smaller step than one.

    Args:
        recipe: a `Recipe`.
        variables: list of `keras.Variable`, the model's trainable variables.
        steps_per_epoch: int > 0, optimiser steps in one epoch.
        num_replicas: int > 0, devices that share each batch.

    Returns:
        A `keras.optimizers.Optimizer`, with the excluded variables exempt from decay.
    """
    settings = {"learning_rate": build_schedule(recipe, steps_per_epoch)}
    if recipe.clip_global_norm is not None:
        settings["global_clipnorm"] = recipe.clip_global_norm / num_replicas
    if recipe.ema is not None:
        settings |= {"use_ema": True, "ema_momentum": recipe.ema}
    if recipe.optimizer == "sgd":
        settings["momentum"] = recipe.momentum
    elif recipe.optimizer == "muon":
        settings |= {
            "adam_beta_1": recipe.beta_1,
            "adam_beta_2": recipe.beta_2,
            "epsilon": recipe.epsilon,
            "adam_weight_decay": recipe.weight_decay,
            "exclude_layers": list(_NO_MATRICES),
        }
    else:
        settings |= {name: getattr(recipe, name) for name in ("beta_1", "beta_2", "epsilon")}
    if recipe.optimizer == "lamb":
        decay = {"decay": recipe.weight_decay, "decay_exclusions": recipe.weight_decay_exclusions}
        return DecayingLamb(**settings, **decay)
    settings["weight_decay"] = recipe.weight_decay
    classes = {
        "adamw": keras.optimizers.AdamW,
        "adam": keras.optimizers.Adam,
        "muon": keras.optimizers.Muon,
        "sgd": keras.optimizers.SGD,
    }
    optimizer = classes[recipe.optimizer](**settings)
    optimizer.exclude_from_weight_decay(
        var_list=[v for v in variables if v.name in recipe.weight_decay_exclusions]
    )
    return optimizer


def build_loss(recipe: Recipe):
    """Builds the loss of a recipe: cross-entropy of logits against one-hot or mixed labels."""
    return keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.label_smoothing
    )
