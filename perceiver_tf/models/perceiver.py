"""The original Perceiver (arXiv:2103.03206)."""

import keras

from perceiver_tf.layers.latents import LatentArray
from perceiver_tf.models import encoder
from perceiver_tf.models.configs import PerceiverConfig
from perceiver_tf.models.iterations import Iterations, iterations


def perceiver(
    inputs, adapter, num_outputs=None, config=None, name="perceiver", views=None, **overrides
):
    """Return a Perceiver as a functional `keras.Model`.

    The latents read the inputs `num_cross_attends` times, each time followed by the latent
    transformer (figure 1 of the paper); the head averages them and projects.

    Args:
        inputs: `keras.Input`, or a dict of them.
        adapter: layer (or function of layers) from `inputs` to a byte array, for instance
            `FourierInputs(64, max_resolution=(224, 224))`.
        num_outputs: int, width of the output; None returns the averaged latents.
        config: `PerceiverConfig`; None: the defaults, the paper's ImageNet model.
        name: str, name of the model.
        views: layer (or function of layers) from `inputs` to what is read in place of them, for
            instance `ImageViews(mirrored=True)`; outputs and features are then those of the views.
        **overrides: fields of `PerceiverConfig` to replace.

    Returns:
        `keras.Model` from `inputs` to float32 `(b, num_outputs)`, not normalised (logits).
        Its layer "mean_latents" gives the features under the head.

    Raises:
        ValueError: if a field has an invalid value.
        TypeError: if there is no such field, or `config` is of another class.

    Example:

    >>> images = keras.Input((None, None, 3), name="images")
    >>> adapter = FourierInputs(16, max_resolution=(32, 32))
    >>> model = perceiver(images, adapter, num_outputs=10, num_latents=64,
    ...                   latent_channels=128, num_cross_attends=2)
    """
    config = encoder.configured(PerceiverConfig, config, overrides)
    seen = inputs if views is None else views(inputs)
    byte_array = adapter(seen)
    latents = LatentArray(
        config.num_latents, config.latent_channels, config.latent_init_scale, name="latents"
    )(seen)
    if config.rematerialise:
        latents = Iterations(config, name="iterations")(latents, byte_array)
    else:
        for cross_attend, transformer in iterations(config):
            latents = transformer(cross_attend(latents, byte_array))
    outputs = keras.layers.GlobalAveragePooling1D(name="mean_latents", dtype="float32")(latents)
    if num_outputs is not None:
        outputs = keras.layers.Dense(num_outputs, name="logits", dtype="float32")(outputs)
    return keras.Model(inputs, outputs, name=name)
