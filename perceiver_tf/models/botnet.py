"""Bottleneck Transformers (arXiv:2101.11605): a ResNet whose last blocks attend.

A block is 1 x 1, the middle, 1 x 1, each followed by batch normalisation, the first two by a ReLU;
the last normalisation starts at zero, so that a new block is its shortcut. The middle is a 3 x 3
convolution, or self-attention over all places; attention that halves the grid does so by 2 x 2
average pooling of its result, before the normalisation.
"""

from keras import Model, layers

from perceiver_tf.layers.relative_self_attention import RelativeSelfAttention
from perceiver_tf.models.configs import BoTNetConfig
from perceiver_tf.models.encoder import configured


def botnet(inputs, num_outputs=None, config=None, adapter=None, name="botnet", **overrides):
    """Return a BoTNet as a functional `keras.Model`.

    Args:
        inputs: `keras.Input` of a fixed size, `(height, width, channels)`.
        num_outputs: int, width of the output; None returns the averaged features.
        config: `BoTNetConfig`; None: the defaults, BoTNet-50.
        adapter: layer (or function of layers) from `inputs` to the grid that the stem reads,
            `(b, height, width, channels)`; None: `inputs` are that grid.
        name: str, name of the model.
        **overrides: fields of `BoTNetConfig` to replace.

    Returns:
        `keras.Model` from `inputs` to float32 `(b, num_outputs)`, not normalised (logits).
        Its layer "mean" gives the features under the head.

    Raises:
        ValueError: if a field has an invalid value, or a size is unknown.
        TypeError: if there is no such field, or `config` is of another class.

    Example:

    >>> images = keras.Input((32, 32, 3), name="images")
    >>> model = botnet(images, num_outputs=10, stem="small_images",
    ...                bottleneck_channels=(16, 32, 64), num_blocks_per_stage=(1, 1, 1))
    """
    config = configured(BoTNetConfig, config, overrides)
    x = _stem(inputs if adapter is None else adapter(inputs), config)
    for block in config.blocks:
        x = _residual_block(x, block, config)
    x = layers.GlobalAveragePooling2D(name="mean", dtype="float32")(x)
    if config.dropout:
        x = layers.Dropout(config.dropout, name="dropout", dtype="float32")(x)
    if num_outputs is not None:
        x = layers.Dense(num_outputs, name="logits", dtype="float32")(x)
    return Model(inputs, x, name=name)


def _stem(x, config):
    if config.stem == "small_images":
        return _convolution(x, config.stem_channels, 3, 1, "stem")
    x = _convolution(x, config.stem_channels, 7, 2, "stem")
    return layers.MaxPooling2D(3, 2, padding="same", name="stem_pooling")(x)


def _residual_block(x, block, config):
    name, middle = block.name, block.bottleneck_channels
    shortcut = x
    if block.has_projection:
        shortcut = _convolution(
            x, block.channels, 1, block.strides, f"{name}_shortcut", activation=None
        )
    x = _convolution(x, middle, 1, 1, f"{name}_first")
    if block.attends:
        x = RelativeSelfAttention(
            config.num_heads, dropout=config.attention_dropout, name=f"{name}_attention"
        )(x)
        if block.strides > 1:
            x = layers.AveragePooling2D(2, 2, padding="same", name=f"{name}_pooling")(x)
        x = _normalised(x, f"{name}_middle")
    else:
        x = _convolution(x, middle, 3, block.strides, f"{name}_middle")
    x = _convolution(
        x, block.channels, 1, 1, f"{name}_last", activation=None, gamma_initializer="zeros"
    )
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=name)([x, shortcut]))


def _convolution(x, channels, kernel_size, strides, name, **normalisation):
    """Return a convolution of `x` without bias, normalised, and activated unless told otherwise."""
    x = layers.Conv2D(
        channels,
        kernel_size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_convolution",
    )(x)
    return _normalised(x, name, **normalisation)


def _normalised(x, name, activation="relu", gamma_initializer="ones"):
    x = layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=gamma_initializer, name=f"{name}_norm"
    )(x)
    return x if activation is None else layers.Activation(activation, name=f"{name}_relu")(x)
