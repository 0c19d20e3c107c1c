"""What every search space may change of how a model is trained.

This module loads neither Keras nor TensorFlow.
"""

import dataclasses

from tuning.draws import choice, logarithmic, scaled
from zoo.recipes.augmentation import Augmentation

_STRENGTHS = (0.0, 0.5, 1.0, 1.5)


def recipe_settings(hp, recipe, has_labels=True):
    """Returns how to train: optimiser, rate and its schedule, decay, batch, smoothing.

    Where the recipe's optimiser is gradient descent, the only one drawn is that: its rates and
    decays are of another scale than those of all others. Labels are smoothed where there are any.
    """
    is_descent = recipe.optimizer == "sgd"
    optimizers = () if is_descent else ("adamw", "lamb", "muon")
    decays = (0.0, 0.01, 0.05, 0.1, 0.2)
    if is_descent:
        decays = tuple(factor * recipe.weight_decay for factor in (0, 0.5, 1, 2))
    schedule = choice(hp, "schedule", ("cosine", "flat_cosine", "constant"), recipe.schedule)
    settings = {
        "optimizer": choice(hp, "optimizer", optimizers, recipe.optimizer),
        "learning_rate": logarithmic(hp, "learning_rate", recipe.learning_rate, 5.0),
        "schedule": schedule,
        "warmup_share": choice(hp, "warmup_share", (0.0, 0.02, 0.05, 0.1), recipe.warmup_share),
        "weight_decay": choice(hp, "weight_decay", decays, recipe.weight_decay),
        "batch_size": scaled(hp, "batch_size", recipe.batch_size, (0.5, 1, 2)),
    }
    if has_labels:
        settings["label_smoothing"] = choice(
            hp, "label_smoothing", (0.0, 0.05, 0.1), recipe.label_smoothing
        )
    if schedule == "flat_cosine" and not recipe.constant_fraction:
        settings["constant_fraction"] = 0.5
    return settings


def image_recipe_settings(hp, recipe):
    """Returns how to train on images, with augmentation of another strength."""
    strength = choice(hp, "augmentation_strength", _STRENGTHS, 1.0)
    return recipe_settings(hp, recipe) | {
        "augmentation": strengthened(recipe.augmentation, strength)
    }


def strengthened(augmentation: Augmentation, strength: float) -> dict:
    """Returns an augmentation whose changes are `strength` times as large, each up to its limit.

    Args:
        augmentation: `zoo.recipes.augmentation.Augmentation`.
        strength: float >= 0; 0 turns everything off, 1 changes nothing. What can only be on or
            off (mirroring) is on for any other strength.

    Returns:
        dict of the fields of `Augmentation`.
    """
    if strength == 1:
        return dataclasses.asdict(augmentation)
    if strength == 0:
        return dataclasses.asdict(Augmentation(fill=augmentation.fill))
    limits = {"max_shift": 1.0, "max_rotation": 180.0, "max_zoom": 0.9, "mix_up": 1.0}
    limits |= {"cut_mix": 1.0, "erase": 1.0}
    settings = dataclasses.asdict(augmentation)
    for name, limit in limits.items():
        settings[name] = min(strength * settings[name], limit)
    if augmentation.rand_augment is not None:
        num_layers, magnitude = augmentation.rand_augment
        settings["rand_augment"] = (num_layers, min(strength * magnitude, 10.0))
    if augmentation.random_resized_crop is not None:
        least, most = augmentation.random_resized_crop
        settings["random_resized_crop"] = (max(most - strength * (most - least), 0.01), most)
    return settings
