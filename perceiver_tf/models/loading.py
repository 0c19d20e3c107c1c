"""Loading saved models."""

import os

import keras

from perceiver_tf.layers import (  # noqa: F401
    clip_decoder,
    clip_inputs,
    frame_views,
    inputs,
    latent_transformer,
    latents,
    mask_token,
    patches,
    queries,
    space_to_depth,
    tokens,
)
from perceiver_tf.models import iterations  # noqa: F401


def load_model(path, **kwargs):
    """Return the model saved at `path` (`.keras`), with this package's layers known to Keras.

    `keras.saving.load_model` itself works too once a layer of this package was used. A model
    that was saved compiled by the zoo's own optimiser or schedule loads with `compile=False`,
    or after `import zoo.recipes.schedules, zoo.recipes.lamb`.

    Args:
        path: str or path of a `.keras` file.
        **kwargs: passed on to `keras.saving.load_model`.

    Returns:
        `keras.Model`.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    if "://" not in str(path) and not os.path.exists(path):  # Keras also loads from gs:// and hf://
        raise FileNotFoundError(f"There is no model file at {path}.")
    return keras.saving.load_model(path, **kwargs)
