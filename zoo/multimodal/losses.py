"""Losses and metrics of the autoencoder of clips (arXiv:2107.14795 section 4.3)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="perceiver_zoo")
class PeakSignalToNoiseRatio(keras.metrics.Mean):
    """The mean over clips of 10 log10(peak^2 / mean squared error), in dB; more is better.

    Of predictions outside of [0, peak] only what can be shown counts: they are clipped. A clip
    without any error counts as 100 dB at a peak of 1.

    Args:
        peak: float, difference of the lightest and the darkest value.
        name, dtype: see `keras.metrics.Metric`.

    Call arguments:
        y_true, y_pred: float `(b, ...)`, in [0, peak], of equal shape.
        sample_weight: optional float `(b,)`.
    """

    def __init__(self, peak=1.0, name="psnr", **kwargs):
        super().__init__(name=name, **kwargs)
        self.peak = peak

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = (ops.cast(y, "float32") for y in (y_true, y_pred))
        errors = ops.square(ops.clip(y_pred, 0.0, self.peak) - y_true)
        errors = ops.mean(errors, axis=tuple(range(1, len(errors.shape))))
        errors = ops.maximum(errors / self.peak**2, 1e-10)
        return super().update_state(-10.0 * ops.log10(errors), sample_weight)

    def get_config(self):
        return {**super().get_config(), "peak": self.peak}


def compiled(config, recipe):
    """Returns losses, their weights and metrics, as `keras.Model.compile` takes them.

    L1 of the video (or L2, as the configuration says), L1 of the sound and cross-entropy of the
    label, added with the weights of the configuration (0.03, 1 and 1e-4 in the published model).
    A label of nothing but zeros is an unknown one and costs nothing.

    Args:
        config: `MultimodalAutoencoderConfig`.
        recipe: `zoo.recipes.recipe.Recipe`; its `label_smoothing` acts on the label.
    """
    image_losses = {
        "l1": keras.losses.MeanAbsoluteError(name="image_l1"),
        "l2": keras.losses.MeanSquaredError(name="image_l2"),
    }
    return {
        "loss": {
            "audio": keras.losses.MeanAbsoluteError(name="audio_l1"),
            "image": image_losses[config.image_loss],
            "label": keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=recipe.label_smoothing, name="label"
            ),
        },
        "loss_weights": {
            "audio": config.audio_loss_weight,
            "image": config.image_loss_weight,
            "label": config.label_loss_weight,
        },
        "metrics": {
            "audio": [keras.metrics.MeanAbsoluteError(name="l1")],
            "image": [PeakSignalToNoiseRatio(), keras.metrics.MeanAbsoluteError(name="l1")],
            "label": [keras.metrics.CategoricalAccuracy(name="accuracy")],
        },
    }
