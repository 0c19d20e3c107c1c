"""The numerics switch: what it changes, and that the default is DeepMind's."""

import keras
import numpy as np
import pytest

import zoo
from perceiver_tf import ConvStemInputs
from zoo.configs import MODELS
from zoo.costs import costs, rows_of
from zoo.numerics import architecture_of

SMALL = {
    "num_latents": 4,
    "latent_channels": 16,
    "num_blocks": 1,
    "num_self_attends_per_block": 1,
    "image_shape": (16, 24, 3),
    "num_frequency_bands": 3,
    "num_classes": 5,
}


def logits(config):
    model = zoo.build_model(config)
    for index, variable in enumerate(model.variables):
        values = np.random.default_rng(index).normal(size=variable.shape)
        variable.assign(np.abs(values) if "variance" in variable.path else values)
    return np.asarray(model(np.random.default_rng(0).normal(size=(2, *config.image_shape))))


@pytest.mark.parametrize("positions", ["fourier", "learned", "conv"])
def test_numerics_change_the_outputs_and_deepmind_is_the_default(positions):
    name = f"perceiver_io_imagenet_{positions}"
    default, deepmind, huggingface = (
        logits(zoo.configuration(name, **SMALL, **numerics))
        for numerics in ({}, {"numerics": "deepmind"}, {"numerics": "huggingface"})
    )
    np.testing.assert_array_equal(default, deepmind)
    # The exact gelu alone changes little, the decoder's residual and the stem's rows much.
    least = 1e-6 if positions == "fourier" else 1e-2
    assert np.abs(deepmind - huggingface).max() > least


def test_gelu_and_the_learned_decoder_follow_the_numerics():
    config = zoo.configuration("perceiver_io_imagenet_learned", numerics="huggingface")
    assert architecture_of(config).gelu == "erf"
    assert architecture_of(config).use_decoder_query_residual
    config = MODELS["perceiver_io_imagenet_learned"]
    assert architecture_of(config) == config.architecture
    config = zoo.configuration("perceiver_imagenet_learned", numerics="huggingface")
    assert architecture_of(config).gelu == "erf"


@pytest.mark.parametrize(
    ("image_shape", "rows"), [((224, 224, 3), (55, 55)), ((32, 47, 3), (7, 11))]
)
def test_symmetric_stem_has_the_rows_that_the_configuration_says(image_shape, rows):
    config = zoo.configuration(
        "perceiver_io_imagenet_conv", image_shape=image_shape, numerics="huggingface"
    )
    deepmind = zoo.configuration("perceiver_io_imagenet_conv", image_shape=image_shape)
    assert config.grid_shape == rows == rows_of(config).sizes
    assert config.resolution == deepmind.resolution == deepmind.grid_shape
    assert config.resolution == tuple(-(-size // 4) for size in image_shape[:2])
    described = ConvStemInputs(3, (8, 8), padding="symmetric")(keras.KerasTensor((2, *image_shape)))
    assert described["content"].shape == (2, *rows, 64)
    assert costs(config).dense_multiply_adds < costs(deepmind).dense_multiply_adds


def test_symmetric_stem_pads_three_zeros_and_pools_without_padding(random):
    images = random.normal(size=(1, 9, 12, 2)).astype("float32")
    stem = ConvStemInputs(3, (8, 8), content_channels=4, padding="symmetric")
    content = np.asarray(stem(images)["content"])
    kernel = np.asarray(stem.convolution.kernel)
    padded = np.pad(images[0], ((3, 3), (3, 3), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(0, 1))[::2, ::2]
    convolved = np.maximum(np.einsum("ijcxy,xycd->ijd", windows, kernel), 0) / np.sqrt(1 + 1e-5)
    windows = np.lib.stride_tricks.sliding_window_view(convolved, (3, 3), axis=(0, 1))[::2, ::2]
    np.testing.assert_allclose(content[0], windows.max(axis=(-2, -1)), atol=1e-5)


def test_unknown_numerics_and_padding_are_refused():
    with pytest.raises(zoo.ZooError, match=r"`numerics` must be one of .* numerics='torch'"):
        zoo.configuration("perceiver_io_imagenet_conv", numerics="torch")
    with pytest.raises(ValueError, match="`padding` must be one of .* padding='full'"):
        ConvStemInputs(3, (8, 8), padding="full")
