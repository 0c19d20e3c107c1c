"""The preprocessing of images: sizes, channels, formats, and sameness in training and serving."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from zoo.images.pipeline import IMAGENET_MEAN, IMAGENET_STD, ImagePreprocess, image_pipeline

SHAPE = (6, 5, 3)


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def preprocess(shape=SHAPE, **settings):
    return ImagePreprocess(shape, **{"mean": 0.5, "std": 0.25, **settings})


def keys_bicubic(line, size):
    """Resizes a 1-D signal by Keys's cubic kernel, widened when it shrinks (a = -0.5)."""
    scale = len(line) / size
    width = max(scale, 1.0)
    result = np.zeros(size)
    for i in range(size):
        distance = np.abs((np.arange(len(line)) + 0.5 - (i + 0.5) * scale) / width)
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
        result[i] = weights @ line / weights.sum()
    return result


def test_resize_leaves_images_of_the_right_size_alone():
    images = pixels(2, *SHAPE)
    resized = preprocess().resize(images)
    assert resized.dtype == tf.float32
    np.testing.assert_array_equal(resized, images)


@pytest.mark.parametrize("size", [(13, 11), (3, 4), (6, 11)])
def test_resize_equals_an_antialiased_bicubic(size):
    image = 64 + pixels(*size, 1) // 2  # no overshoot, so nothing is clipped
    window = image[..., 0].astype(float)
    # The largest centred window of 6 : 5.
    scale = min(size[0] / 6, size[1] / 5)
    height, width = int(6 * scale + 1e-3), int(5 * scale + 1e-3)
    top, left = (size[0] - height + 1) // 2, (size[1] - width + 1) // 2
    window = window[top : top + height, left : left + width]
    expected = np.apply_along_axis(keys_bicubic, 0, window, 6)
    expected = np.apply_along_axis(keys_bicubic, 1, expected, 5)
    resized = preprocess((6, 5, 1)).resize(image)
    np.testing.assert_allclose(resized[..., 0], np.clip(expected, 0, 255), atol=0.1)


def test_resize_crops_photographs_as_published():
    image = pixels(256, 300, 3)
    resized = preprocess((224, 224, 3), crop_fraction=224 / 256).resize(image)
    np.testing.assert_array_equal(resized, image[16:240, 38:262])


def test_resize_stays_within_0_and_255():
    image = np.zeros((12, 10, 3), np.uint8)
    image[::3] = 255
    resized = preprocess().resize(image).numpy()
    assert resized.min() >= 0 and resized.max() <= 255


@pytest.mark.parametrize("num_channels", [1, 2, 3, 4])
@pytest.mark.parametrize("wanted", [1, 3])
@pytest.mark.parametrize("is_static", [True, False])
def test_resize_converts_channels(num_channels, wanted, is_static):
    images = pixels(2, 6, 5, num_channels)
    colour = images[..., :3] if num_channels >= 3 else np.repeat(images[..., :1], 3, axis=-1)
    grey = images[..., :1] if num_channels < 3 else colour @ np.array([[0.299], [0.587], [0.114]])
    signature = tf.TensorSpec(images.shape if is_static else (None,) * 4, tf.uint8)
    resize = tf.function(preprocess((6, 5, wanted)).resize, input_signature=[signature])
    resized = resize(images)
    np.testing.assert_allclose(resized, colour if wanted == 3 else grey, atol=1e-4)
    assert resize.get_concrete_function().output_shapes[1:] == (6, 5, wanted)


def test_resize_gives_the_same_numbers_with_known_and_unknown_shapes():
    images = pixels(2, 9, 14, 3)
    for wanted in (1, 3):
        resize = preprocess((6, 5, wanted)).resize
        unknown = tf.function(resize, input_signature=[tf.TensorSpec((None,) * 4, tf.uint8)])
        np.testing.assert_array_equal(resize(images), unknown(images))
        np.testing.assert_array_equal(resize(images)[1], resize(images[1]))


def test_resize_rejects_five_channels():
    with pytest.raises(ValueError, match="must have 1, 2, 3 or 4 channels.*Received"):
        preprocess().resize(pixels(6, 5, 5))


def test_normalise_equals_numpy():
    images = pixels(2, *SHAPE)
    normalised = preprocess(mean=IMAGENET_MEAN, std=IMAGENET_STD)(images)
    expected = (images / 255.0 - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(normalised, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (6, 5)}, "`image_shape` must be"),
        ({"shape": (6, 5, 2)}, "`image_shape` must be .* 1 or 3 channels"),
        ({"mean": (0.5, 0.5)}, "`mean` must be a number or one per channel"),
        ({"std": 0.0}, "`std` must be greater than 0"),
        ({"crop_fraction": 1.5}, "`crop_fraction` must be in"),
    ],
)
def test_preprocess_rejects_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        preprocess(**arguments)


@pytest.mark.parametrize(
    ("mode", "file_format", "num_channels"),
    [
        ("RGB", "PNG", 3),
        ("RGBA", "PNG", 4),
        ("LA", "PNG", 2),
        ("L", "BMP", 1),
        ("RGBA", "BMP", 4),
    ],
)
@pytest.mark.parametrize("wanted", [1, 3])
def test_decode_equals_resize_of_the_pixels(mode, file_format, num_channels, wanted):
    image = pytest.importorskip("PIL.Image")
    raw = pixels(9, 8, num_channels)
    file = io.BytesIO()
    image.fromarray(raw.squeeze(), mode).save(file, file_format)
    decode = preprocess((6, 5, wanted)).decode
    np.testing.assert_array_equal(
        tf.function(decode)(file.getvalue()), preprocess((6, 5, wanted)).resize(raw)
    )


def test_decode_keeps_the_upper_bits_of_a_16_bit_png():
    raw = pixels(6, 5, 1)
    encoded = tf.io.encode_png(tf.constant(raw.astype(np.uint16) * 256 + 77))
    np.testing.assert_array_equal(preprocess((6, 5, 1)).decode(encoded), raw)


def test_decode_takes_the_first_frame_of_an_animation():
    image = pytest.importorskip("PIL.Image")
    frames = [image.new("RGB", (5, 6), colour) for colour in ("red", "lime", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    decoded = preprocess().decode(file.getvalue())
    np.testing.assert_array_equal(decoded, np.full(SHAPE, (255, 0, 0)))


def test_decode_converts_cmyk():
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.new("CMYK", (5, 6), (255, 0, 0, 0)).save(file, "JPEG", quality=100)
    decoded = preprocess().decode(file.getvalue()).numpy()
    assert decoded.shape == SHAPE and np.isfinite(decoded).all()
    assert decoded[..., 0].max() < 60 < 190 < decoded[..., 1:].min()  # cyan has no red


def test_decode_works_in_a_map_over_many_files():
    raw = pixels(3, 9, 8, 3)
    encoded = tf.stack([tf.io.encode_png(image) for image in raw])
    spec = tf.TensorSpec(SHAPE, tf.float32)
    decode = tf.function(lambda e: tf.map_fn(preprocess().decode, e, fn_output_signature=spec))
    np.testing.assert_array_equal(decode(encoded), preprocess().resize(raw))


def test_pipeline_gives_what_a_served_graph_computes():
    pipeline = image_pipeline(SimpleNamespace(image_shape=(11, 10, 3), num_classes=10), "digits")
    raw, _ = pipeline.source.arrays("test")
    served = tf.function(
        pipeline.preprocess, input_signature=[tf.TensorSpec((None, None, None, 1), tf.uint8)]
    )
    images, _ = next(iter(pipeline.batches("test", 13)))
    np.testing.assert_array_equal(images, served(raw[:13]))


def test_image_pipeline_chooses_normalisation_and_crop():
    def made(*shape):
        config = SimpleNamespace(image_shape=shape, num_classes=10)
        return image_pipeline(config, "digits").preprocess

    assert made(224, 224, 3).mean == IMAGENET_MEAN
    assert made(224, 224, 3).std == IMAGENET_STD
    assert made(224, 224, 3).crop_fraction == 224 / 256
    assert made(28, 30, 1).mean == (0.5,) and made(28, 30, 1).std == (0.5,)
    assert made(28, 30, 1).crop_fraction == 1
