"""The original Perceiver (arXiv:2103.03206)."""

import keras

from perceiver_tf.layers.latents import LatentArray
from perceiver_tf.models import encoder
from perceiver_tf.models.configs import PerceiverConfig


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
    for cross_attend, transformer in _iterations(config):
        latents = transformer(cross_attend(latents, byte_array))
    outputs = keras.layers.GlobalAveragePooling1D(name="mean_latents", dtype="float32")(latents)
    if num_outputs is not None:
        outputs = keras.layers.Dense(num_outputs, name="logits", dtype="float32")(outputs)
    return keras.Model(inputs, outputs, name=name)


def _iterations(config):
    """Return the (cross-attend, latent transformer) of each iteration, shared as configured."""
    unshared = config.sharing == "none"
    own_cross_attends = {"all": 1, "all_but_first_cross_attend": 2, "none": None}[config.sharing]
    cross_attends, transformers = [], []
    for index in range(config.num_cross_attends):
        if own_cross_attends is None or index < own_cross_attends:
            cross_attends.append(encoder.cross_attend(config, f"cross_attend_{index}"))
        if unshared or index == 0:
            transformers.append(
                encoder.latent_transformer(
                    config, f"latent_transformer_{index}", share_blocks=not unshared
                )
            )
    return [
        (
            cross_attends[min(index, len(cross_attends) - 1)],
            transformers[min(index, len(transformers) - 1)],
        )
        for index in range(config.num_cross_attends)
    ]
