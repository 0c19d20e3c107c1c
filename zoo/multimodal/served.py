"""What is served of an autoencoder of clips: frames and sound in, their reconstruction out."""

import tensorflow as tf

from zoo.multimodal.models import reconstructor
from zoo.predictions.labels import checked_class_names, with_best_label


class ServedAutoencoder:
    """The functions that are served; exported graph and in-process prediction both run them.

    Args:
        model: what `multimodal_models.multimodal_autoencoder` returns. One that decodes points
            decodes whole clips here.
        preprocess: `zoo.multimodal.preprocess.ClipPreprocess`.
        class_names: names of the labels in the order of the logits, or None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """

    def __init__(self, model, preprocess, class_names=None):
        num_classes = model.output["label"].shape[-1]
        self.model = reconstructor(model)
        self.preprocess = preprocess
        self.class_names = checked_class_names(class_names, num_classes)
        # What `reconstruct` takes, in this order.
        self._seen = [name for name in ("image", "audio", "label") if name in self.model.input]

    def endpoints(self):
        """Returns the functions that are served, by signature, with what they take.

        `serving_default` and `reconstruct` are `reconstruct`; `clip_format` is `clip_format`;
        `class_names`, if they are known, takes nothing and returns them, string (k,).
        """
        all_specs = {
            "image": tf.TensorSpec((None, None, None, None, 3), tf.uint8, name="video"),
            "audio": tf.TensorSpec((None, None), tf.float32, name="audio"),
            "label": tf.TensorSpec((None,), tf.int32, name="label"),
        }
        specs = [all_specs[name] for name in self._seen]
        endpoints = {
            "serving_default": (self.reconstruct, specs),
            "reconstruct": (self.reconstruct, specs),
            "clip_format": (self.clip_format, []),
        }
        if self.class_names is not None:
            endpoints["class_names"] = (self.names, [])
        return endpoints

    def reconstruct(self, *tensors):
        """Returns clips as the latents hold them.

        Args:
            *tensors: what the model sees: `video` uint8 (b, frames, any height, any width, 3), RGB
                0-255, and `audio` float32 (b, samples) in [-1, 1], as many frames and samples as
                `clip_format` says; for a model that sees the label, `label` int32 (b,).

        Returns:
            dict of `video`, uint8 (b, frames, height, width, channels) at the model's size;
            `audio`, float32 (b, samples); `scores`, float32 (b, k), softmax over the classes; and
            `label`, string (b,), the name of the best class, if the names are known.
        """
        given = dict(zip(self._seen, tensors, strict=True))
        make = {
            "image": self.preprocess.image,
            "audio": self.preprocess.audio,
            "label": lambda label: tf.one_hot(label, self.model.output["label"].shape[-1]),
        }
        inputs = {name: make[name](tensor) for name, tensor in given.items()}
        outputs = self.model(inputs, training=False)
        scores = tf.nn.softmax(outputs["label"])
        served = {
            "video": self.preprocess.video(outputs["image"]),
            "audio": self.preprocess.sound(outputs["audio"]),
            "scores": scores,
        }
        return with_best_label(served, self.class_names)

    def clip_format(self):
        """Returns what clips must be like.

        Returns:
            dict of scalars `num_frames`, `height`, `width`, `num_audio_samples` and `sample_rate`
            (int32), `frame_rate` (float32), `sees_video` and `sees_audio` (bool).
        """
        num_frames, height, width, _ = self.preprocess.image_shape
        return {
            "num_frames": tf.constant(num_frames),
            "height": tf.constant(height),
            "width": tf.constant(width),
            "num_audio_samples": tf.constant(self.preprocess.num_audio_samples),
            "sample_rate": tf.constant(self.preprocess.sample_rate),
            "frame_rate": tf.constant(self.preprocess.frame_rate, tf.float32),
            "sees_video": tf.constant("image" in self.model.input),
            "sees_audio": tf.constant("audio" in self.model.input),
        }

    def names(self):
        """Returns `class_names`, string (k,), in the order of the scores."""
        return {"class_names": tf.constant(self.class_names)}
