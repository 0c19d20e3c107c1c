import numpy as np
import pytest
import tensorflow as tf

from zoo.optical_flow.pictures import (
    colour_wheel,
    flow_colours,
    write_flow_picture,
    write_side_by_side,
)


def test_wheel_has_middleburys_colours():
    wheel = colour_wheel()
    assert wheel.shape == (55, 3)
    corners = wheel[np.cumsum([0, 15, 6, 4, 11, 13])]
    np.testing.assert_array_equal(
        corners, [(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1)]
    )


def test_hue_is_direction_and_saturation_length():
    flow = np.array([[[4.0, 0.0], [2.0, 0.0], [0.0, 0.0], [0.0, 4.0], [-4.0, 0.0], [0.0, -4.0]]])
    right, half_right, still, down, left, up = flow_colours(flow)[0]
    assert tuple(right) == (255, 0, 0)
    assert tuple(half_right) == (255, 127, 127)
    assert tuple(still) == (255, 255, 255)
    assert down[0] > 200 and down[1] > 200 and down[2] == 0  # yellow
    assert left[2] > 200 and left[1] > 100 and left[0] == 0  # blue to cyan
    assert up[2] > 200 and 50 < up[0] < 150 and up[1] == 0  # violet


def test_motion_beyond_the_scale_is_darker_and_unknown_black():
    flow = np.array([[[4.0, 0.0], [9.0, 0.0], [2e9, 0.0], [np.nan, 0.0]]])
    colours = flow_colours(flow, max_motion=4.0)[0]
    np.testing.assert_array_equal(colours, [(255, 0, 0), (191, 0, 0), (0, 0, 0), (0, 0, 0)])


def test_pictures_are_written(tmp_path, random):
    flow = random.normal(size=(5, 7, 2))
    path = write_flow_picture(tmp_path / "a.png", flow)
    picture = tf.io.decode_png(tf.io.read_file(str(path)))
    np.testing.assert_array_equal(picture, flow_colours(flow))
    frames = random.integers(0, 256, (2, 5, 7, 3), np.uint8)
    path = write_side_by_side(tmp_path / "b.png", frames, [0.5 * flow, flow])
    picture = tf.io.decode_png(tf.io.read_file(str(path))).numpy()
    assert picture.shape == (5, 4 * 7 + 3 * 4, 3)
    np.testing.assert_array_equal(picture[:, 11:18], frames[1])
    np.testing.assert_array_equal(picture[:, 33:], flow_colours(flow))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 3)),), r"Received: shape \(2, 3\)"),
        ((np.zeros((2, 3, 2)), -1.0), "`max_motion` must be greater than 0. Received: max_motion"),
    ],
)
def test_colours_reject_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        flow_colours(*arguments)
