"""What is served of an image classifier: raw images in, named scores out."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from zoo.predictions.served_scores import ServedScores


class ServedClassifier(ServedScores):
    """The functions that are served: raw pixels or encoded files in, named scores out.

    The exported graph and in-process prediction both run these, so they cannot differ.

    Args:
        model: functional `keras.Model` from float32 images (b, h, w, c) to logits (b, k).
        preprocess: callable from raw images (b, any height, any width, c) to what the model
            takes, with a method `decode` from the bytes of one file to one raw image of the
            model's size (float32 (h, w, c), 0-255) and a method `normalise` from a batch of
            these to what the model takes. `zoo.images.pipeline.ImagePreprocess` is one.
        class_names: the k labels in the order of the logits, or None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """

    def __init__(
        self,
        model: keras.Model,
        preprocess: Callable[[tf.Tensor], tf.Tensor],
        class_names: Sequence[str] | None = None,
    ):
        super().__init__(model, preprocess, class_names)
        self.image_shape = tuple(model.input_shape[1:])

    def endpoints(self) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
        """Returns the functions that are served, by signature, with what they take."""
        channels = self.image_shape[-1]
        images = tf.TensorSpec((None, None, None, channels), tf.uint8, name="images")
        image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
        return {
            "serving_default": (self.images, [images]),
            "image_bytes": (self.image_bytes, [image_bytes]),
        } | self._names_endpoint()

    def images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores a batch of raw images.

        Args:
            images: uint8 (b, any height, any width, c), pixels 0-255.

        Returns:
            `scores`, float32 (b, k), softmax over the classes; and `label`, string (b,), the
            name of the best class, if the names are known.
        """
        return self._outputs(self.preprocess(images))

    def image_bytes(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores a batch of encoded images (JPEG, PNG, BMP or GIF files of any size).

        Args:
            image_bytes: string (b,), the content of one file in each element.

        Returns:
            The same outputs as `images`.
        """
        decoded = tf.map_fn(
            self.preprocess.decode,
            image_bytes,
            fn_output_signature=tf.TensorSpec(self.image_shape, tf.float32),
        )
        return self._outputs(self.preprocess.normalise(decoded))

    def _outputs(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._scores(tf.ensure_shape(inputs, (None, *self.image_shape)))
