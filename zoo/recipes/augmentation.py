"""What may be done to training images; `zoo.data.augmenter` does it.

This module loads neither Keras nor TensorFlow, so that recipes can be read without them.
"""

import math
from dataclasses import dataclass

FILL_MODES = ("constant", "reflect", "nearest", "wrap")


@dataclass(frozen=True)
class Augmentation:
    """Random changes to training images; everything is off by default.

    They are made in this order: crop, RandAugment (each image by itself), then flip, shift with
    rotation and zoom, erasing, and at last the mixing of images (a whole batch at a time).

    Attributes:
        random_resized_crop: (least, most) share of the image's area that a crop covers, in
            (0, 1]; its aspect ratio is between 3/4 and 4/3. None: the whole image, or the
            central crop of `ImagePreprocess` if the image has another size.
        max_shift: largest translation along each axis, as a share of the side, in [0, 1].
        max_rotation: largest rotation in degrees, in [0, 180], to either side.
        max_zoom: largest relative change of size, in [0, 1), to either side.
        flip: whether half of the images are mirrored left to right.
        rand_augment: (number of layers, magnitude in [0, 10]) of RandAugment
            (arXiv:1909.13719). None: off.
        mix_up: alpha of MixUp's beta distribution (arXiv:1710.09412), in [0, 1]; 0: off.
        cut_mix: alpha of CutMix's beta distribution (arXiv:1905.04899), in [0, 1]; 0: off.
            With both, one half of each batch gets MixUp and the other CutMix.
        erase: probability that a rectangle of the image becomes noise, in [0, 1].
        fill: what a shift, rotation or zoom brings in from outside: "constant" (black),
            "reflect", "nearest" or "wrap".

    Raises:
        ValueError: If a value is outside its range.
    """

    random_resized_crop: tuple[float, float] | None = None
    max_shift: float = 0.0
    max_rotation: float = 0.0
    max_zoom: float = 0.0
    flip: bool = False
    rand_augment: tuple[int, float] | None = None
    mix_up: float = 0.0
    cut_mix: float = 0.0
    erase: float = 0.0
    fill: str = "constant"

    def __post_init__(self):
        for name in ("max_shift", "mix_up", "cut_mix", "erase"):
            self._require(name, 0 <= getattr(self, name) <= 1, "in [0, 1]")
        self._require("max_rotation", 0 <= self.max_rotation <= 180, "degrees in [0, 180]")
        self._require("max_zoom", 0 <= self.max_zoom < 1, "in [0, 1)")
        self._require("fill", self.fill in FILL_MODES, f"one of {FILL_MODES}")
        if self.random_resized_crop is not None:
            self._require(
                "random_resized_crop",
                len(self.random_resized_crop) == 2
                and 0 < self.random_resized_crop[0] <= self.random_resized_crop[1] <= 1,
                "(least, most) with 0 < least <= most <= 1",
            )
        if self.rand_augment is not None:
            self._require(
                "rand_augment",
                len(self.rand_augment) == 2
                and self.rand_augment[0] == math.floor(self.rand_augment[0]) >= 1
                and 0 <= self.rand_augment[1] <= 10,
                "(number of layers, at least 1; magnitude in [0, 10])",
            )

    def _require(self, name, holds, what):
        if not holds:
            raise ValueError(f"`{name}` must be {what}. Received: {name}={getattr(self, name)!r}.")

    @property
    def changes_single_images(self) -> bool:
        """Whether some step treats each image by itself, before they form a batch."""
        return self.random_resized_crop is not None or self.rand_augment is not None
