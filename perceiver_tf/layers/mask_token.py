"""What stands for a modality that is not there (arXiv:2107.14795 section 4.3)."""

import keras
from keras import ops

from perceiver_tf.layers import byte_array


@keras.saving.register_keras_serializable("perceiver_tf")
class MaskToken(keras.layers.Layer):
    """Replaces every row of a modality by one trained vector.

    The latents then read as many rows as before, but nothing of what they held, nor where they
    were: neither content nor positions remain.

    Args:
        num_channels: int, width of the byte array's rows.
        init_scale: float, standard deviation of the vector's truncated normal initialiser.

    Call arguments:
        inputs: a byte array of one modality: a tensor `(b, m, channels)` or a dict.

    Returns:
        dict of a `content` without channels and a `constant` of `num_channels`; a grid keeps its
        axes, with tables without channels.
    """

    def __init__(self, num_channels, init_scale=0.02, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.num_channels = num_channels
        self.init_scale = init_scale

    def build(self, inputs_shape):
        self.token = self.add_weight(
            shape=(self.num_channels,),
            initializer=keras.initializers.TruncatedNormal(stddev=self.init_scale),
            autocast=False,
            name="token",
        )

    def call(self, inputs):
        (description,) = byte_array.as_parts(inputs)
        replaced = {
            "content": description["content"][..., :0],
            "constant": ops.copy(self.token),
        }
        if description.get("axes"):
            replaced["axes"] = [table[:, :0] for table in description["axes"]]
        return replaced

    def compute_output_spec(self, inputs):
        (description,) = byte_array.as_parts(inputs)
        content = description["content"]
        replaced = {
            "content": keras.KerasTensor((*content.shape[:-1], 0), dtype=content.dtype),
            "constant": keras.KerasTensor((self.num_channels,), dtype=self.variable_dtype),
        }
        if description.get("axes"):
            replaced["axes"] = [
                keras.KerasTensor((table.shape[0], 0), dtype=table.dtype)
                for table in description["axes"]
            ]
        return replaced
