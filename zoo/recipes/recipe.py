"""What a training recipe is: every setting of a training run, as data.

This module loads neither Keras nor TensorFlow; `zoo.recipes.optimizers` builds what a recipe says.
"""

import dataclasses
import math
from dataclasses import dataclass

from zoo.errors import ZooError
from zoo.names import nearest
from zoo.recipes.augmentation import Augmentation

OPTIMIZERS = ("adamw", "lamb", "adam", "muon", "sgd")
SCHEDULES = ("constant", "cosine", "flat_cosine", "steps")


@dataclass(frozen=True)
class Recipe:
    """Says how a model is trained; change a copy with `recipe.replace(epochs=3)`.

    Args:
        epochs: int > 0, after each of which the weights are measured and kept.
        passes_per_epoch: int > 0, passes over the training split in an epoch. With few examples
            more than one keeps measuring and writing from taking longer than the training.
        batch_size: int > 0, examples per optimiser step, over all devices together.
        optimizer: one of `OPTIMIZERS`.
        learning_rate: float > 0, the rate before warm-up and decay are applied.
        learning_rate_batch_size: int or None. If given, `learning_rate` is the rate for a
            batch of this size and grows in proportion to `batch_size`.
        schedule: one of `SCHEDULES`.
        warmup_share: float in [0, 1), share of all steps spent in a linear warm-up.
        constant_fraction: float in [0, 1], for "flat_cosine": the share of all steps after
            which the rate starts to fall.
        step_boundaries: tuple of floats, for "steps": epochs after which the rate falls.
        step_factor: float, for "steps": what the rate is multiplied by at each boundary.
        weight_decay: float >= 0, decoupled decay, multiplied by the learning rate.
        weight_decay_exclusions: tuple of variable names that are not decayed, such as
            "bias" or a normalisation's "gamma" and "beta".
        clip_global_norm: float > 0 or None, the largest norm of all gradients together.
        beta_1, beta_2, epsilon, momentum: floats, of the Adam family and of "sgd".
        label_smoothing: float in [0, 1).
        ema: float in (0, 1) or None, momentum of an exponential moving average of the
            weights; with it the average is what is evaluated and saved.
        augmentation: `zoo.recipes.augmentation.Augmentation`, applied to training batches.
        source: str, where the settings are from.

    Raises:
        ZooError: If a setting is out of its range.
    """

    epochs: int
    batch_size: int
    passes_per_epoch: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    learning_rate_batch_size: int | None = None
    schedule: str = "cosine"
    warmup_share: float = 0.0
    constant_fraction: float = 0.0
    step_boundaries: tuple[float, ...] = ()
    step_factor: float = 0.1
    weight_decay: float = 0.0
    weight_decay_exclusions: tuple[str, ...] = ("bias", "gamma", "beta")
    clip_global_norm: float | None = None
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    momentum: float = 0.9
    label_smoothing: float = 0.0
    ema: float | None = None
    augmentation: Augmentation = Augmentation()
    source: str = ""

    def __post_init__(self):
        for name, requirement, holds in (
            ("epochs", "an int > 0", _is_count(self.epochs)),
            ("batch_size", "an int > 0", _is_count(self.batch_size)),
            ("passes_per_epoch", "an int > 0", _is_count(self.passes_per_epoch)),
            ("optimizer", f"one of {', '.join(OPTIMIZERS)}", self.optimizer in OPTIMIZERS),
            ("schedule", f"one of {', '.join(SCHEDULES)}", self.schedule in SCHEDULES),
            ("learning_rate", "a finite number > 0", 0 < self.learning_rate < math.inf),
            ("warmup_share", "in [0, 1)", 0 <= self.warmup_share < 1),
            ("constant_fraction", "in [0, 1]", 0 <= self.constant_fraction <= 1),
            ("weight_decay", "a number >= 0", 0 <= self.weight_decay < math.inf),
            ("beta_1", "in [0, 1)", 0 <= self.beta_1 < 1),
            ("beta_2", "in [0, 1)", 0 <= self.beta_2 < 1),
            ("epsilon", "a number > 0", 0 < self.epsilon < math.inf),
            ("momentum", "in [0, 1)", 0 <= self.momentum < 1),
            ("step_factor", "a number > 0", 0 < self.step_factor < math.inf),
            ("label_smoothing", "in [0, 1)", 0 <= self.label_smoothing < 1),
            ("ema", "None or in (0, 1)", self.ema is None or 0 < self.ema < 1),
            (
                "augmentation",
                "an Augmentation, or in `replace` a dict of its fields",
                isinstance(self.augmentation, Augmentation),
            ),
            (
                "clip_global_norm",
                "None or a number > 0",
                self.clip_global_norm is None or self.clip_global_norm > 0,
            ),
        ):
            if not holds:
                value = getattr(self, name)
                raise ZooError(f"`{name}` must be {requirement}. Received: {name}={value!r}.")

    def replace(self, **settings) -> "Recipe":
        """Returns a copy with the named fields changed.

        Args:
            **settings: fields of `Recipe`; `augmentation` may also be a dict of those of its
                fields that change.

        Raises:
            ZooError: If a name is not a field (the nearest one is named) or a value is out
                of its range.
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name in settings:
            if name not in names:
                raise ZooError(f"{name!r} is not a setting of a recipe.{nearest(name, names)}")
        try:
            if isinstance(settings.get("augmentation"), dict):
                changes = _with_tuples(settings["augmentation"])
                settings["augmentation"] = dataclasses.replace(self.augmentation, **changes)
            return dataclasses.replace(self, **_with_tuples(settings))
        except ZooError:
            raise
        except (TypeError, ValueError) as error:
            raise ZooError(
                f"A setting of the recipe is wrong: {error}. Received: {settings}."
            ) from error

    def to_dict(self) -> dict:
        """Returns the settings as plain data that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: dict) -> "Recipe":
        """Restores a recipe from `to_dict()`, also after a way through JSON."""
        settings = dict(settings)
        augmentation = Augmentation(**_with_tuples(settings.pop("augmentation", {})))
        return cls(**_with_tuples(settings), augmentation=augmentation)


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _with_tuples(settings):
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
