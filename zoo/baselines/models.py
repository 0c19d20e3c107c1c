"""From the configuration of a baseline to its model."""

import keras
from keras import layers

from perceiver_tf.layers.assembled_rows import AssembledRows
from perceiver_tf.layers.inputs import FourierInputs
from perceiver_tf.layers.positions import LearnedPositions
from perceiver_tf.models.botnet import botnet
from perceiver_tf.models.configs import BoTNetConfig
from zoo.baselines.configs import ResNetConfig


def baseline_classifier(config, name="baseline"):
    """Return the model of a `BaselineConfig`.

    Args:
        config: `BaselineConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from float32 `images` `(b, height, width, channels)`,
        normalised as the pipeline's `preprocess` does, to float32 logits `(b, num_classes)`.
    """
    images = keras.Input(config.image_shape, name="images")
    if isinstance(config.architecture, BoTNetConfig):
        return botnet(
            images,
            config.num_classes,
            config.architecture,
            adapter=lambda images: _with_positions(images, config),
            name=name,
        )
    is_resnet = isinstance(config.architecture, ResNetConfig)
    features = (_resnet if is_resnet else _vit)(_with_positions(images, config), config)
    logits = layers.Dense(config.num_classes, name="logits", dtype="float32")(features)
    return keras.Model(images, logits, name=name)


def _with_positions(images, config):
    """Return the images, Fourier features of the positions beside the colours, permuted or not."""
    if not config.num_frequency_bands and config.permutation == "none":
        return images
    grid = config.image_shape[:2]
    pixels = images
    if config.num_frequency_bands:
        pixels = FourierInputs(config.num_frequency_bands, grid, name="positions")(images)
    seed = None if config.permutation == "none" else config.permutation_seed
    rows = AssembledRows(seed, name="rows")(pixels)
    return layers.Reshape((*grid, rows.shape[-1]), name="grid")(rows)


def _resnet(x, config):
    x = _convolution(x, config.architecture.stage_channels[0], 1, "stem")
    for stage, channels in enumerate(config.architecture.stage_channels):
        for block in range(config.architecture.num_blocks_per_stage):
            stride = 2 if stage and not block else 1
            x = _residual_block(x, channels, stride, f"stage_{stage}_block_{block}")
    return layers.GlobalAveragePooling2D(name="mean")(x)


def _residual_block(x, channels, stride, name):
    residual = _convolution(x, channels, stride, f"{name}_first")
    residual = _convolution(residual, channels, 1, f"{name}_second", activation=None)
    if stride > 1 or x.shape[-1] != channels:
        x = _convolution(x, channels, stride, f"{name}_shortcut", kernel_size=1, activation=None)
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=name)([x, residual]))


def _convolution(x, channels, stride, name, kernel_size=3, activation="relu"):
    x = layers.Conv2D(
        channels,
        kernel_size,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_convolution",
    )(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return x if activation is None else layers.Activation(activation, name=f"{name}_relu")(x)


def _vit(x, config):
    architecture = config.architecture
    channels, side = architecture.channels, architecture.patch_size
    x = layers.Conv2D(channels, side, side, name="patches")(x)
    x = layers.Reshape((config.num_patches, channels), name="tokens")(x)
    x = x + LearnedPositions(channels, name="token_positions")(x)
    for layer in range(architecture.num_layers):
        x = _transformer_layer(x, architecture, f"layer_{layer}")
    x = layers.LayerNormalization(epsilon=1e-6, name="final_norm")(x)
    return layers.GlobalAveragePooling1D(name="mean")(x)


def _transformer_layer(x, architecture, name):
    channels, heads = architecture.channels, architecture.num_heads
    h = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_attention_norm")(x)
    h = layers.MultiHeadAttention(heads, channels // heads, name=f"{name}_attention")(h, h)
    x = x + layers.Dropout(architecture.dropout, name=f"{name}_attention_dropout")(h)
    h = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_mlp_norm")(x)
    h = layers.Dense(
        channels * architecture.widening_factor, activation="gelu", name=f"{name}_hidden"
    )(h)
    h = layers.Dense(channels, name=f"{name}_output")(h)
    return x + layers.Dropout(architecture.dropout, name=f"{name}_mlp_dropout")(h)
