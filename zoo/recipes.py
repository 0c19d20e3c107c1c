"""Training recipes: every setting of a training run, as data.

This module loads neither Keras nor TensorFlow; `zoo.optimizers` builds what a recipe says.
"""

import dataclasses
import math
from dataclasses import dataclass

from zoo.augment import Augmentation
from zoo.errors import ZooError
from zoo.names import nearest

OPTIMIZERS = ("adamw", "lamb", "adam", "muon", "sgd")
SCHEDULES = ("constant", "cosine", "flat_cosine", "steps")


@dataclass(frozen=True)
class Recipe:
    """Says how a model is trained; change a copy with `recipe.replace(epochs=3)`.

    Args:
        epochs: int > 0, passes over the training split.
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
        augmentation: `zoo.augment.Augmentation`, applied to training batches.
        source: str, where the settings are from.

    Raises:
        ZooError: If a setting is out of its range.
    """

    epochs: int
    batch_size: int
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


RECIPES = {
    "digits": Recipe(
        epochs=160,
        batch_size=64,
        optimizer="adamw",
        learning_rate=2e-3,
        schedule="cosine",
        warmup_share=0.02,
        weight_decay=0.1,
        clip_global_norm=1.0,
        label_smoothing=0.1,
        augmentation=Augmentation(max_shift=0.125, max_rotation=10.0, max_zoom=0.1, mix_up=0.2),
        source="chosen for the 8 x 8 digits; MixUp is worth about half a point",
    ),
    "mnist": Recipe(
        epochs=24,
        batch_size=128,
        optimizer="adamw",
        learning_rate=4e-3,
        schedule="cosine",
        warmup_share=0.05,
        weight_decay=0.05,
        clip_global_norm=1.0,
        label_smoothing=0.05,
        augmentation=Augmentation(max_shift=0.04, max_rotation=6.0, max_zoom=0.06),
        source="chosen for MNIST on 5,000 of its training images, its pixels permuted",
    ),
    "cifar10": Recipe(
        epochs=20,
        batch_size=64,
        optimizer="adamw",
        learning_rate=1e-3,
        schedule="cosine",
        warmup_share=0.05,
        weight_decay=0.05,
        clip_global_norm=1.0,
        label_smoothing=0.1,
        augmentation=Augmentation(max_shift=0.125, flip=True),
        source="chosen for a subset of CIFAR-10",
    ),
    "imagenet_perceiver": Recipe(
        epochs=120,
        batch_size=512,
        optimizer="lamb",
        learning_rate=4e-3,
        schedule="steps",
        step_boundaries=(84, 102, 114),
        epsilon=1e-6,
        augmentation=Augmentation((0.08, 1.0), flip=True, rand_augment=(4, 5.0)),
        source="arXiv:2103.03206, section 4.1: LAMB, rate, epochs, boundaries, RandAugment. "
        "Not printed there and chosen here: batch 512 (its ModelNet40 runs'), no decay, no "
        "clipping, the numbers of RandAugment (Perceiver IO's)",
    ),
    "imagenet_perceiver_io": Recipe(
        epochs=110,
        batch_size=1024,
        optimizer="lamb",
        learning_rate=5e-4,
        learning_rate_batch_size=256,
        schedule="flat_cosine",
        constant_fraction=0.5,
        weight_decay=0.1,
        clip_global_norm=10.0,
        epsilon=1e-6,
        label_smoothing=0.1,
        augmentation=Augmentation(
            random_resized_crop=(0.08, 1.0),
            flip=True,
            rand_augment=(4, 5.0),
            mix_up=0.2,
            cut_mix=1.0,
        ),
        source="arXiv:2107.14795 and its released ImageNet training code (batch 1024 of the paper)",
    ),
    "language": Recipe(
        epochs=1,
        batch_size=2048,
        optimizer="lamb",
        learning_rate=1.25e-3,
        schedule="cosine",
        warmup_share=0.002,
        weight_decay=0.01,
        epsilon=1e-6,
        source="arXiv:2107.14795, masked language modelling: LAMB, rate, 1,000 of 500,000 steps of "
        "warm-up, cosine, decay, batch 2048. Set the epochs so that they make 500,000 steps",
    ),
    "language_classifier": Recipe(
        epochs=10,
        batch_size=32,
        optimizer="adamw",
        learning_rate=5e-5,
        schedule="cosine",
        warmup_share=0.02,
        weight_decay=0.01,
        clip_global_norm=1.0,
        source="arXiv:2107.14795, GLUE: 10 epochs, batches of 16 to 64, rates of 1e-5 to 1e-4. "
        "Chosen here: AdamW, decay, warm-up by share instead of 200 steps",
    ),
    "language_tiny": Recipe(
        epochs=20,
        batch_size=32,
        optimizer="adamw",
        learning_rate=2e-3,
        schedule="cosine",
        warmup_share=0.05,
        weight_decay=0.01,
        clip_global_norm=1.0,
        beta_2=0.98,
        source="chosen for tiny Shakespeare",
    ),
    "optical_flow": Recipe(
        epochs=480,
        batch_size=512,
        optimizer="lamb",
        learning_rate=4e-4,
        schedule="cosine",
        epsilon=1e-6,
        source="arXiv:2107.14795, optical flow: AutoFlow, LAMB, rate, cosine, epochs, batch. Not "
        "released: its data, here FlyingChairs; chosen here: no decay, no clipping",
    ),
    "optical_flow_tiny": Recipe(
        epochs=32,
        batch_size=16,
        optimizer="adamw",
        learning_rate=1.5e-3,
        schedule="cosine",
        warmup_share=0.04,
        weight_decay=0.01,
        clip_global_norm=1.0,
        source="chosen for twelve pairs of FlyingChairs and warps of their frames",
    ),
    "multimodal": Recipe(
        epochs=30,
        batch_size=1024,
        optimizer="adamw",
        learning_rate=1e-3,
        schedule="cosine",
        warmup_share=0.02,
        clip_global_norm=1.0,
        source="arXiv:2107.14795, multimodal autoencoding: rate and batch. Not printed there and "
        "chosen here: AdamW without decay, cosine, warm-up, clipping, epochs",
    ),
    "multimodal_tiny": Recipe(
        epochs=2,
        batch_size=16,
        optimizer="adamw",
        learning_rate=4e-3,
        schedule="cosine",
        warmup_share=0.05,
        clip_global_norm=1.0,
        source="chosen for bouncing digits with their names spoken",
    ),
    "modelnet40": Recipe(
        epochs=2500,
        batch_size=512,
        optimizer="lamb",
        learning_rate=1e-3,
        schedule="constant",
        epsilon=1e-6,
        source="arXiv:2103.03206 section 4.3: LAMB, constant rate, batch 512, less than 50,000 "
        "steps, which are 2,500 epochs. Not printed there and chosen here: no decay, no clipping",
    ),
    "modelnet10_small": Recipe(
        epochs=60,
        batch_size=32,
        optimizer="adamw",
        learning_rate=1e-3,
        schedule="cosine",
        warmup_share=0.05,
        weight_decay=0.05,
        clip_global_norm=1.0,
        label_smoothing=0.1,
        source="chosen for a voxelised ModelNet10, on a quarter of its 727 training clouds",
    ),
    "audioset": Recipe(
        epochs=100,
        batch_size=512,
        optimizer="lamb",
        learning_rate=1e-3,
        schedule="constant",
        epsilon=1e-6,
        source="arXiv:2103.03206, section 4.2: 100 epochs. Not printed there and chosen here: LAMB "
        "at a constant rate and batches of 512 (as its ModelNet40 runs), no decay, no clipping",
    ),
    "spoken_digits_mel": Recipe(
        epochs=30,
        batch_size=64,
        optimizer="adamw",
        learning_rate=3e-3,
        schedule="cosine",
        warmup_share=0.05,
        weight_decay=0.05,
        clip_global_norm=1.0,
        label_smoothing=0.1,
        source="chosen on training recordings of FSDD",
    ),
    "spoken_digits_raw": Recipe(
        epochs=30,
        batch_size=64,
        optimizer="adamw",
        learning_rate=3e-3,
        schedule="cosine",
        warmup_share=0.05,
        weight_decay=0.05,
        clip_global_norm=1.0,
        label_smoothing=0.1,
        source="chosen on training recordings of FSDD",
    ),
}
