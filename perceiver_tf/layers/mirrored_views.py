"""Predictions averaged over an image and its mirror image."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("perceiver_tf")
class MirroredViews(keras.layers.Layer):
    """Adds the mirror image of every image to the batch, except in training.

    `MeanOfViews` later takes the mean of what both of them gave. A model that was trained on
    randomly mirrored images predicts better that way, at twice the cost of a prediction.

    Call arguments:
        images: `(b, height, width, channels)`.
        training: bool.

    Returns:
        `(2b, height, width, channels)`, all images and then all mirror images; in training the
        images themselves. The dtype stays.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, images, training=None):
        if training:
            return images
        return ops.concatenate([images, ops.flip(images, axis=2)])


@keras.saving.register_keras_serializable("perceiver_tf")
class MeanOfViews(keras.layers.Layer):
    """Takes the mean over the two views that `MirroredViews` made, except in training.

    Call arguments:
        values: float `(2b, ...)`, in training `(b, ...)`.
        training: bool.

    Returns:
        `(b, ...)` of the same dtype.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, values, training=None):
        if training:
            return values
        image, mirror_image = ops.split(values, 2)
        return (image + mirror_image) / 2

    def compute_output_spec(self, values, training=None):
        num_views = 1 if training else 2
        batch_size = values.shape[0] and values.shape[0] // num_views
        return keras.KerasTensor((batch_size, *values.shape[1:]), values.dtype)
