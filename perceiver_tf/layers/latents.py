"""The learned latent array (arXiv:2103.03206 section 3.1)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("perceiver_tf")
class LatentArray(keras.layers.Layer):
    """Holds the learned array that the latent transformer starts from.

    The same layer holds the trained queries of a Perceiver IO decoder (arXiv:2107.14795
    section 3.2), which are a learned array in the same sense.

    Args:
        num_latents: int, rows.
        latent_channels: int, width of a row.
        init_scale: float, standard deviation of the initialiser, a normal truncated at two
            standard deviations as in DeepMind's code (0.02; 0.1 was seen to diverge,
            arXiv:2103.03206 figure 6).

    Call arguments:
        inputs: any tensor `(b, ...)`, or a dict or list of such; only the batch size is read.

    Returns:
        `(b, num_latents, latent_channels)` in the compute dtype, equal for every example.
    """

    def __init__(self, num_latents, latent_channels, init_scale=0.02, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.num_latents = num_latents
        self.latent_channels = latent_channels
        self.init_scale = init_scale

    def build(self, inputs_shape):
        self.latents = self.add_weight(
            shape=(self.num_latents, self.latent_channels),
            initializer=keras.initializers.TruncatedNormal(stddev=self.init_scale),
            name="latents",
        )

    def call(self, inputs):
        latents = ops.cast(self.latents, self.compute_dtype)
        batch_size = ops.shape(keras.tree.flatten(inputs)[0])[0]
        shape = (batch_size, self.num_latents, self.latent_channels)
        return ops.broadcast_to(latents[None], shape)

    def compute_output_spec(self, inputs):
        batch_size = keras.tree.flatten(inputs)[0].shape[0]
        shape = (batch_size, self.num_latents, self.latent_channels)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)
