"""Applies an `Augmentation` inside tf.data, the same way every time for the same key.

Keras's layers draw their random numbers from a generator with a state. In a parallel tf.data
map the order of the draws, and with it the result, would depend on timing. Here the layers
draw from `KeyedSeeds` instead: the numbers depend on the key of the image or batch alone.
"""

import math

import keras
import tensorflow as tf

CROP_ASPECT_RATIO = (3 / 4, 4 / 3)
ERASED_AREA = (0.02, 0.33)


class KeyedSeeds(keras.random.SeedGenerator):
    """Gives Keras's layers seeds that depend on a key only, not on earlier draws."""

    def __init__(self):
        super().__init__(seed=0)
        self._key = None
        self._num_draws = 0

    def start(self, key):
        """Begins the draws of `key`, an int32 tensor (2,)."""
        self._key = key
        self._num_draws = 0

    def next(self, ordered=True):
        """Returns the next seed of this key, an int32 tensor (2,)."""
        self._num_draws += 1
        return tf.random.fold_in(self._key, self._num_draws)


class Augmenter:
    """Changes training images as an `Augmentation` says.

    All methods are pure functions of their arguments, to be called in a tf.data map. A key is
    an int32 tensor (2,), as `tf.random.fold_in` returns it. Create the object outside of the
    map, because Keras's layers own variables.

    Args:
        augmentation: `zoo.recipes.augmentation.Augmentation`.
        preprocess: `zoo.images.pipeline.ImagePreprocess`; it gives the size and brings images to
            it.
    """

    def __init__(self, augmentation, preprocess):
        self.augmentation = augmentation
        self._preprocess = preprocess
        self._seeds = KeyedSeeds()
        self._layers = {}
        if augmentation.flip:
            self._add("flip", keras.layers.RandomFlip, mode="horizontal")
        if augmentation.erase:
            # Keras draws the probability itself from the pair: equal ends make it exact.
            self._add(
                "erase",
                keras.layers.RandomErasing,
                factor=(augmentation.erase, augmentation.erase),
                scale=ERASED_AREA,
                value_range=(0, 255),
            )
        if augmentation.mix_up:
            self._add("mix_up", keras.layers.MixUp, alpha=augmentation.mix_up)
        if augmentation.cut_mix:
            # As above: Keras draws alpha from the pair.
            alpha = (augmentation.cut_mix, augmentation.cut_mix)
            self._add("cut_mix", keras.layers.CutMix, factor=alpha)
        if augmentation.rand_augment is not None:
            self._add_rand_augment(augmentation.rand_augment[1], preprocess.image_shape[-1])

    def example(self, image, key):
        """Returns one image at the model's size, cropped and changed by itself.

        Args:
            image: uint8 or float 0-255 (h, w, channels), any size.
            key: int32 (2,).

        Returns:
            float32 0-255 of the preprocess's `image_shape`.
        """
        crop = self.augmentation.random_resized_crop
        if crop is not None:
            image = _random_crop(image, crop, tf.random.fold_in(key, 0))
            image = self._preprocess.stretch(image)
        else:
            image = self._preprocess.resize(image)
        if self.augmentation.rand_augment is not None:
            image = self._rand_augment(image[None], tf.random.fold_in(key, 1))[0]
        return image

    def batch(self, images, key):
        """Returns a batch with each image flipped, moved and erased by its own draws.

        Args:
            images: float32 0-255 (b, height, width, channels).
            key: int32 (2,).

        Returns:
            float32 0-255, same shape.
        """
        settings = self.augmentation
        shape = images.shape
        if settings.flip:
            images = self._apply("flip", images, tf.random.fold_in(key, 0))
        if settings.max_shift or settings.max_rotation or settings.max_zoom:
            images = self._move(images, tf.random.fold_in(key, 1))
        if settings.erase:
            images = self._apply("erase", images, tf.random.fold_in(key, 2))
        return tf.ensure_shape(images, shape)

    def mix(self, images, labels, key):
        """Returns a batch whose images and labels are mixtures of two examples each.

        Args:
            images: float32 0-255 (b, height, width, channels).
            labels: float32 (b, num_classes), one-hot.
            key: int32 (2,).

        Returns:
            `(images, labels)`, same shapes; each row of labels still adds up to 1.
        """
        names = [name for name in ("mix_up", "cut_mix") if name in self._layers]
        if not names:
            return images, labels
        shapes = images.shape, labels.shape
        half = tf.shape(images)[0] // 2
        parts = [slice(None)] if len(names) == 1 else [slice(None, half), slice(half, None)]
        mixed = [
            self._apply(
                name, {"images": images[part], "labels": labels[part]}, tf.random.fold_in(key, i)
            )
            for i, (name, part) in enumerate(zip(names, parts, strict=True))
        ]
        images = tf.concat([part["images"] for part in mixed], axis=0)
        labels = tf.concat([part["labels"] for part in mixed], axis=0)
        return tf.ensure_shape(images, shapes[0]), tf.ensure_shape(labels, shapes[1])

    def _add(self, name, layer_class, **settings):
        layer = layer_class(dtype="float32", data_format="channels_last", **settings)
        layer.generator = self._seeds
        self._layers[name] = layer

    def _apply(self, name, inputs, key):
        self._seeds.start(key)
        return self._layers[name](inputs, training=True)

    def _move(self, images, key):
        """Shifts, rotates and zooms in a single interpolation.

        Keras's three layers would interpolate three times, which blurs images of 8 or 28 pixels
        visibly and takes twice as long.
        """
        settings = self.augmentation
        height, width = images.shape[1:3]
        draws = tf.random.stateless_uniform((4, tf.shape(images)[0]), key, -1.0, 1.0)
        angle = draws[0] * math.radians(settings.max_rotation)
        scale = 1.0 + draws[1] * settings.max_zoom
        cos, sin = tf.cos(angle) * scale, tf.sin(angle) * scale
        x0, y0 = (width - 1) / 2, (height - 1) / 2
        dx, dy = draws[2] * settings.max_shift * width, draws[3] * settings.max_shift * height
        zeros = tf.zeros_like(cos)
        # From output to input pixels: turn and scale around the centre, then shift.
        rows = [cos, -sin, x0 - cos * x0 + sin * y0 - dx]
        rows += [sin, cos, y0 - sin * x0 - cos * y0 - dy, zeros, zeros]
        return keras.ops.image.affine_transform(
            images,
            tf.stack(rows, axis=1),
            interpolation="bilinear",
            fill_mode=settings.fill,
            fill_value=0.0,
            data_format="channels_last",
        )

    def _add_rand_augment(self, magnitude, num_channels):
        """Adds the operations of RandAugment, with ranges after arXiv:1909.13719.

        `keras.layers.RandAugment` itself computes all of its operations for every image and
        takes one number for all of them (magnitude 5 of 10 would rotate by up to 180 degrees).
        Deviation from arXiv:1909.13719, as in Keras: an operation draws its strength uniformly
        up to the magnitude instead of using exactly the magnitude.
        """
        layers, share = keras.layers, magnitude / 10
        colour = {"value_range": (0, 255)}
        self._add("rand_rotate", layers.RandomRotation, factor=share * 30 / 360)
        for axis in ("x", "y"):
            factors = {"x_factor": 0.0, "y_factor": 0.0, f"{axis}_factor": share * 0.3}
            self._add(f"rand_shear_{axis}", layers.RandomShear, **factors)
        shift = share * 0.45
        self._add("rand_shift_x", layers.RandomTranslation, height_factor=0.0, width_factor=shift)
        self._add("rand_shift_y", layers.RandomTranslation, height_factor=shift, width_factor=0.0)
        self._add("rand_brightness", layers.RandomBrightness, factor=share * 0.9, **colour)
        self._add("rand_contrast", layers.RandomContrast, factor=share * 0.9, **colour)
        self._add("rand_sharpness", layers.RandomSharpness, factor=share * 0.9, **colour)
        self._add(
            "rand_posterize", layers.RandomPosterization, factor=8 - round(4 * share), **colour
        )
        self._add(
            "rand_solarize",
            layers.Solarization,
            addition_factor=share * 110 / 255,
            threshold_factor=share,
            **colour,
        )
        self._add("rand_auto_contrast", layers.AutoContrast, **colour)
        self._add("rand_equalize", layers.Equalization, **colour)
        if num_channels == 3:
            self._add("rand_colour", layers.RandomColorDegeneration, factor=share * 0.9, **colour)

    def _rand_augment(self, images, key):
        """Applies randomly chosen operations one after the other; only the chosen ones run."""
        shape = images.shape
        names = [name for name in self._layers if name.startswith("rand_")]
        for i in range(int(self.augmentation.rand_augment[0])):
            step_key = tf.random.fold_in(key, i)
            chosen = tf.random.stateless_uniform((), step_key, 0, len(names), tf.int32)

            def branch(name, images=images, step_key=step_key):
                return lambda: tf.ensure_shape(self._apply(name, images, step_key), shape)

            images = tf.switch_case(chosen, [branch(name) for name in names])
        return images


def _random_crop(image, area_range, key):
    """Cuts a random rectangle of the given range of areas out of an image (h, w, channels)."""
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.zeros((1, 0, 4)),
        seed=key,
        min_object_covered=0.0,
        aspect_ratio_range=CROP_ASPECT_RATIO,
        area_range=area_range,
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    crop = tf.slice(image, begin, size)
    crop.set_shape((None, None, image.shape[-1]))
    return crop
