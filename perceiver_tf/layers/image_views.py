"""Predictions averaged over an image, its mirror image and both moved by a few pixels."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("perceiver_tf")
class ImageViews(keras.layers.Layer):
    """Adds other views of every image to the batch, except in training.

    `MeanOfViews` later takes the mean of what all of them gave. A model that was trained on
    randomly mirrored and moved images predicts better that way, at the cost of as many
    predictions.

    Args:
        mirrored: bool, whether every view is also mirrored left to right.
        shift: int >= 0. Above 0, the image is also seen moved by so many pixels up, down, left
            and right; the pixels at the edge it leaves are repeated.

    Call arguments:
        images: `(b, height, width, channels)`; to be moved, of known height and width, both greater
            than `shift`.
        training: bool.

    Returns:
        `(b * num_views, height, width, channels)`, all images, then all of the next view, and so
        on; in training the images themselves. The dtype stays.

    Raises:
        ValueError: If `shift` is negative, not an int, or no move within the images.
    """

    def __init__(self, mirrored=False, shift=0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if type(shift) is not int or shift < 0:
            raise ValueError(f"`shift` must be an int of at least 0. Received: shift={shift!r}.")
        self.mirrored, self.shift = mirrored, shift

    @property
    def num_views(self):
        """Views of every image, itself included: 1, 2, 5 or 10."""
        return (2 if self.mirrored else 1) * (5 if self.shift else 1)

    def call(self, images, training=None):
        if training:
            return images
        views = [images]
        if self.shift:
            for axis in (1, 2):
                views += [_moved(images, by, axis) for by in (-self.shift, self.shift)]
        if self.mirrored:
            views += [ops.flip(view, axis=2) for view in views]
        return ops.concatenate(views)


@keras.saving.register_keras_serializable("perceiver_tf")
class MeanOfViews(keras.layers.Layer):
    """Takes the mean over the views that `ImageViews` made, except in training.

    Args:
        num_views: int >= 1, that of the `ImageViews`.

    Call arguments:
        values: float `(b * num_views, ...)`, in training `(b, ...)`.
        training: bool.

    Returns:
        `(b, ...)` of the same dtype.
    """

    def __init__(self, num_views, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.num_views = num_views

    def call(self, values, training=None):
        if training:
            return values
        return sum(ops.split(values, self.num_views)) / self.num_views

    def compute_output_spec(self, values, training=None):
        num_views = 1 if training else self.num_views
        batch_size = values.shape[0] and values.shape[0] // num_views
        return keras.KerasTensor((batch_size, *values.shape[1:]), values.dtype)


def _moved(images, by, axis):
    """Returns the images moved along an axis by a number of pixels, the edge repeated."""
    size = images.shape[axis]
    if size is None or size <= abs(by):
        raise ValueError(
            f"Images that are moved by {abs(by)} pixels must be of known height and width, greater "
            f"than that. Received: images of shape {tuple(images.shape)}."
        )
    last = size - 1
    return ops.take(images, [min(max(row - by, 0), last) for row in range(last + 1)], axis=axis)
