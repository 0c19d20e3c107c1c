"""Images: the one preprocessing of training and serving, and the pipeline around it."""

import dataclasses

import tensorflow as tf

from zoo.data.pipeline import Pipeline
from zoo.images.folder import decode_image
from zoo.images.sources import open_source

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PHOTO_SIDE = 128
PHOTO_CROP = 224 / 256
GREY_WEIGHTS = (0.299, 0.587, 0.114)


class ImagePreprocess:
    """Turns raw images of any size into what an image model takes.

    The same object works in the training pipeline and inside the served graph, so that both
    compute the same numbers. It has no state and uses TensorFlow's own operations only.

    An image that has the model's size already stays as it is. Another one is cut to the largest
    centred window of the model's aspect ratio, of which `crop_fraction` is kept, and resized by
    an antialiased bicubic filter. Colour becomes grey by the weights of Rec. 601, grey becomes
    colour by repetition, an alpha channel is dropped.

    Args:
        image_shape: (height, width, channels) of the model's input, channels 1 or 3.
        mean: float or one per channel, on the scale of 0 to 1.
        std: float or one per channel, on the scale of 0 to 1.
        crop_fraction: share of the window's sides that is kept, in (0, 1].

    Raises:
        ValueError: If an argument is outside its range.

    Example:

    >>> preprocess = ImagePreprocess((8, 8, 1), mean=0.5, std=0.5)
    >>> preprocess(tf.zeros((2, 30, 40, 3), tf.uint8)).shape
    TensorShape([2, 8, 8, 1])
    """

    def __init__(self, image_shape, mean, std, crop_fraction=1.0):
        self.image_shape = tuple(int(size) for size in image_shape)
        if len(self.image_shape) != 3 or self.image_shape[2] not in (1, 3):
            raise ValueError(
                "`image_shape` must be (height, width, channels) with 1 or 3 channels. "
                f"Received: image_shape={image_shape}."
            )
        if not 0 < crop_fraction <= 1:
            raise ValueError(
                f"`crop_fraction` must be in (0, 1]. Received: crop_fraction={crop_fraction}."
            )
        num_channels = self.image_shape[2]
        self.mean = _per_channel("mean", mean, num_channels)
        self.std = _per_channel("std", std, num_channels)
        if min(self.std) <= 0:
            raise ValueError(f"`std` must be greater than 0. Received: std={std}.")
        self.crop_fraction = float(crop_fraction)

    def __call__(self, images):
        """Returns `normalise(resize(images))` for raw images (b, h, w, 1 to 4 channels)."""
        return self.normalise(self.resize(images))

    def decode(self, encoded):
        """Returns the resized image of an encoded one.

        Args:
            encoded: scalar string: the bytes of a JPEG, PNG, BMP or GIF file. 16-bit PNGs keep
                their upper 8 bits, of an animated GIF the first frame counts.

        Returns:
            float32 0-255 of shape `image_shape`.
        """
        return self.resize(decode_image(encoded))

    def resize(self, images):
        """Returns images at the model's size and number of channels.

        Args:
            images: uint8 or float 0-255, (h, w, channels) or (b, h, w, channels) with 1 (grey),
                2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels.

        Returns:
            float32 0-255, (..., height, width, channels) of `image_shape`.
        """
        images = self.with_channels(tf.cast(images, tf.float32))
        side = images.shape[-3:-1]
        if side.is_fully_defined():
            if tuple(side) == self.image_shape[:2]:
                return images
            return self._cropped_and_resized(images)
        height, width, _ = self.image_shape
        has_size = tf.reduce_all(tf.shape(images)[-3:-1] == (height, width))
        images = tf.cond(has_size, lambda: images, lambda: self._cropped_and_resized(images))
        return self._ensure_shape(images)

    def stretch(self, images):
        """Returns whole images at the model's size, whatever their aspect ratio; as `resize`."""
        return self._resized(self.with_channels(tf.cast(images, tf.float32)))

    def normalise(self, images):
        """Returns `(images / 255 - mean) / std`.

        Args:
            images: float 0-255 (..., height, width, channels).

        Returns:
            float32 of the same shape.
        """
        # A product and a difference: graph optimisers turn divisions into products in one place
        # and not in another, which would make training and serving differ in the last bit.
        scale = [1 / (255 * std) for std in self.std]
        shift = [mean / std for mean, std in zip(self.mean, self.std, strict=True)]
        return tf.cast(images, tf.float32) * tf.constant(scale) - tf.constant(shift)

    def with_channels(self, images):
        """Returns images with the model's number of channels; theirs may be known only later.

        Args:
            images: float32 0-255 (..., h, w, 1 to 4 channels).

        Returns:
            float32 0-255 (..., h, w, 1 or 3).
        """
        num_channels = images.shape[-1]
        wanted = self.image_shape[2]
        if num_channels is None:
            is_colour = tf.shape(images)[-1] >= 3
            colour = tf.gather(images, tf.where(is_colour, (0, 1, 2), (0, 0, 0)), axis=-1)
            return colour if wanted == 3 else tf.where(is_colour, _grey(colour), colour[..., :1])
        if num_channels not in (1, 2, 3, 4):
            raise ValueError(
                "`images` must have 1, 2, 3 or 4 channels. "
                f"Received: images of shape {tuple(images.shape)}."
            )
        if wanted == 3:
            colour = images[..., :3] if num_channels >= 3 else images[..., :1]
            return colour if num_channels >= 3 else tf.repeat(colour, 3, axis=-1)
        return _grey(images[..., :3]) if num_channels >= 3 else images[..., :1]

    def _cropped_and_resized(self, images):
        height, width, _ = self.image_shape
        shape = tf.shape(images)
        sides = tf.cast(shape[-3:-1], tf.float32)
        # Pixels of the image per pixel of the model, in the largest window that fits.
        scale = tf.minimum(sides[0] / height, sides[1] / width) * self.crop_fraction
        # The epsilon keeps 255.99998 from becoming 255.
        crop = tf.cast(tf.floor(scale * (height, width) + 1e-3), tf.int32)
        crop = tf.maximum(crop, 1)
        begin = (shape[-3:-1] - crop + 1) // 2
        images = images[..., begin[0] : begin[0] + crop[0], begin[1] : begin[1] + crop[1], :]
        return self._resized(images)

    def _resized(self, images):
        images = tf.image.resize(images, self.image_shape[:2], method="bicubic", antialias=True)
        return self._ensure_shape(tf.clip_by_value(images, 0.0, 255.0))

    def _ensure_shape(self, images):
        return tf.ensure_shape(images, (*images.shape[:-3], *self.image_shape))


def image_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the pipeline of an image classifier on the given data.

    Images are normalised by ImageNet's mean and deviation if they have three channels, to
    [-1, 1] if they have one. Photographs (models of 128 pixels a side and more) are centrally
    cropped to 224/256 of their shorter side; smaller models see the whole image.

    Args:
        config: has `image_shape` (height, width, channels) and `num_classes`.
        source_spec: where the images are, see `zoo.images.sources.open_source`.
        skip_corrupt: bool. Leave out, and count, images that cannot be decoded, instead of
            stopping at the first one.

    Returns:
        `zoo.data.pipeline.Pipeline`.

    Raises:
        ZooError: If there is no such data, or it has no usable images.
    """
    height, width, num_channels = config.image_shape
    is_colour = num_channels == 3
    preprocess = ImagePreprocess(
        config.image_shape,
        mean=IMAGENET_MEAN if is_colour else 0.5,
        std=IMAGENET_STD if is_colour else 0.5,
        crop_fraction=PHOTO_CROP if min(height, width) >= PHOTO_SIDE else 1.0,
    )
    source = open_source(source_spec, skip_corrupt=skip_corrupt)
    return Pipeline(source, preprocess, config.num_classes)


def with_classes_of_the_data(config, pipeline):
    """Returns the configuration and the pipeline for as many classes as the data has."""
    config = dataclasses.replace(config, num_classes=pipeline.source.num_classes)
    return config, Pipeline(pipeline.source, pipeline.preprocess, config.num_classes)


def _grey(colour):
    return tf.reduce_sum(colour * tf.constant(GREY_WEIGHTS), axis=-1, keepdims=True)


def _per_channel(name, value, num_channels):
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * num_channels
    if len(values) != num_channels:
        raise ValueError(
            f"`{name}` must be a number or one per channel. "
            f"Received: {name}={value} for {num_channels} channels."
        )
    return tuple(float(number) for number in values)
