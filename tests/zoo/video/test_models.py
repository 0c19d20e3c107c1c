"""Models of video: what they see, what they leave out, how windows count."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from video_examples import RATED, WHOLE

import perceiver_tf
from zoo.configs import configuration
from zoo.errors import ZooError
from zoo.video.models import video_model

EXTENDED = dataclasses.replace(WHOLE, use_motion=True, patch_widening_factor=2)


def inputs_of(random, config, num_windows=2):
    shape = (2, num_windows, config.num_frames)
    video = random.normal(size=(*shape, *config.frame_shape)).astype("float32")
    return {"video": video, "mask": np.ones(shape, bool)}


@pytest.mark.parametrize("config", [RATED, EXTENDED], ids=["published", "extended"])
def test_logits_depend_on_every_frame_and_not_on_padding(random, config):
    model = video_model(config)
    inputs = inputs_of(random, config)
    inputs["mask"][0, 0, -1:] = False  # half of a patch
    inputs["mask"][1, 1, -2:] = False
    logits = np.asarray(model(inputs))
    assert logits.shape == (2, 3)
    for window, frame in ((0, 0), (0, 2), (1, 1)):
        video = inputs["video"].copy()
        video[:, window, frame] += 1.0
        changed = np.asarray(model({**inputs, "video": video}))
        assert (np.abs(changed - logits) > 1e-5).all()
    spoilt = np.where(inputs["mask"][..., None, None, None], inputs["video"], np.float32(np.nan))
    np.testing.assert_array_equal(model({**inputs, "video": spoilt}), logits)


def test_a_videos_logits_are_the_mean_of_its_windows(random):
    model = video_model(RATED)
    inputs = inputs_of(random, RATED, num_windows=3)
    inputs["mask"][1, 1:] = False
    single = [
        np.asarray(model({key: value[:, i : i + 1] for key, value in inputs.items()}))
        for i in range(3)
    ]
    logits = np.asarray(model(inputs))
    np.testing.assert_allclose(logits[0], np.mean(single, axis=0)[0], atol=1e-5)
    np.testing.assert_allclose(logits[1], single[0][1], atol=1e-5)


@pytest.mark.parametrize("config", [RATED, EXTENDED], ids=["published", "extended"])
def test_gradients_reach_every_weight(random, config):
    model = video_model(config)
    inputs = inputs_of(random, config)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(inputs)))
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        if not variable.path.endswith("key/bias"):  # adds the same to all scores
            assert np.abs(gradient).max() > 0, variable.path


def test_a_saved_model_says_the_same(random, tmp_path):
    model = video_model(EXTENDED)
    inputs = inputs_of(random, EXTENDED)
    model.save(tmp_path / "model.keras")
    loaded = perceiver_tf.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def test_mixed_precision_gives_float32_logits(random):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = video_model(EXTENDED)
    assert model(inputs_of(random, EXTENDED)).dtype == "float32"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch": (3, 8, 8)}, "`patch` must be divisors of 32 frames of 224 x 224"),
        ({"patch": (2, 8)}, "`patch` must be a tuple of three integers of at least 1"),
        ({"frame_shape": (224, 224, 2)}, "`frame_shape` must be of 1 or 3 channels"),
        ({"max_resolution": (16, 28)}, "`max_resolution` must be a tuple of three numbers"),
        ({"num_windows": 0}, "`num_windows` must be an integer of at least 1"),
        ({"patch_widening_factor": -1}, "`patch_widening_factor` must be an integer of at least 0"),
        ({"frame_rate": 0.0}, "`frame_rate` must be greater than 0, or None"),
        ({"max_speed_change": 0.9}, r"`max_speed_change` must be in \[0, 0.5\]"),
        ({"crop_area": (1.0, 0.5)}, "`crop_area` must be None or two numbers above 0"),
        ({"crop_aspect": 0.5}, "`crop_aspect` must be at least 1"),
        ({"max_brightness": 2.0}, r"`max_brightness` must be in \[0, 1\]"),
        ({"max_contrast": 1.0}, r"`max_contrast` must be in \[0, 1\)"),
    ],
)
def test_wrong_settings_are_one_clear_line(settings, message):
    with pytest.raises(ZooError, match=message):
        configuration("perceiver_audioset_video", **settings)


def test_the_published_model_has_the_rows_and_width_of_the_paper():
    config = configuration("perceiver_audioset_video")
    frames, rows, columns = config.grid
    assert frames * rows * columns == 12_544
    # 384 pixel channels and 99 of positions, of arXiv:2107.14795's 487 with 4 for the modality.
    assert np.prod(config.patch) * 3 + 3 * (2 * config.num_frequency_bands + 1) == 384 + 99
