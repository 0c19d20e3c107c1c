"""The members of a set by their fields: categories, and numbers."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("perceiver_tf")
class EntityInputs(keras.layers.Layer):
    """Describes the members of a set by categories and numbers, in one vector each.

    As AlphaStar embeds the units of a game (Vinyals et al. 2019, the entity encoder that
    arXiv:2107.14795, StarCraft II replaces): all categories one-hot, the numbers beside them, and
    one projection of all. Here a hidden layer with a gelu comes before it if wanted. Its bias
    tells the members of one set from those of another in the same byte array.

    Args:
        channels: int, width of the vectors.
        category_sizes: tuple of ints, how many categories each field has.
        hidden_channels: int, width of the hidden layer; None: none.

    Call arguments:
        inputs: dict of `categories` int `(b, m, fields)`, from 0, unless `category_sizes` is
            empty (a category outside of its range is none: zeros); `numbers` float `(b, m, f)`,
            of about unit scale, optional; and `mask` bool `(b, m)`, False for padding, optional.

    Returns:
        byte array with `content` `(b, m, channels)` and, if it was given, `mask`.

    Raises:
        ValueError: if there are no fields, or another number of categories than sizes.
    """

    def __init__(self, channels, category_sizes=(), hidden_channels=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.channels = channels
        self.category_sizes = tuple(category_sizes)
        self.hidden_channels = hidden_channels

    def build(self, inputs_shape):
        width = sum(self.category_sizes)
        num_fields = inputs_shape["categories"][-1] if "categories" in inputs_shape else 0
        if num_fields != len(self.category_sizes):
            raise ValueError(
                "`categories` must have a field for each of `category_sizes`. "
                f"Received: {num_fields} fields, category_sizes={self.category_sizes}."
            )
        if "numbers" in inputs_shape:
            width += inputs_shape["numbers"][-1]
        if width == 0:
            raise ValueError("Entities must have a field. Received: no categories, no numbers.")
        self.hidden = None
        if self.hidden_channels is not None:
            self.hidden = self._projection(self.hidden_channels, width, "hidden")
            width = self.hidden_channels
        self.projection = self._projection(self.channels, width, "projection")

    def _projection(self, channels, input_channels, name):
        initializer = keras.initializers.VarianceScaling(1.0, "fan_in", "truncated_normal")
        dense = keras.layers.Dense(
            channels, kernel_initializer=initializer, dtype=self.dtype_policy, name=name
        )
        dense.build((None, None, input_channels))
        return dense

    def call(self, inputs):
        fields = []
        for index, size in enumerate(self.category_sizes):
            categories = ops.cast(inputs["categories"][..., index], "int32")
            fields.append(ops.one_hot(categories, size, dtype=self.compute_dtype))
        if "numbers" in inputs:
            fields.append(ops.cast(inputs["numbers"], self.compute_dtype))
        content = fields[0] if len(fields) == 1 else ops.concatenate(fields, axis=-1)
        if self.hidden is not None:
            content = ops.gelu(self.hidden(content), approximate=True)
        described = {"content": self.projection(content)}
        if "mask" in inputs:
            described["mask"] = ops.cast(inputs["mask"], "bool")
        return described

    def compute_output_spec(self, inputs):
        one = inputs["categories" if self.category_sizes else "numbers"]
        shape = (*one.shape[:-1], self.channels)
        described = {"content": keras.KerasTensor(shape, dtype=self.compute_dtype)}
        if "mask" in inputs:
            described["mask"] = keras.KerasTensor(inputs["mask"].shape, dtype="bool")
        return described
