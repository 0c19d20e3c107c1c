import numpy as np
import pytest
import tensorflow as tf

from zoo.optical_flow.cutouts import moving_parts

SIZE = (48, 64)


def affine_flow(random):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    plane = np.stack([np.ones(SIZE), rows / SIZE[0], columns / SIZE[1]], axis=-1)
    return (plane @ random.normal(scale=5.0, size=(3, 2))).astype("float32")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
def test_parts_are_what_moves_otherwise_than_an_affine_background(random, share):
    flow = affine_flow(random)
    expected = np.zeros((*SIZE, 1), "float32")
    expected[4:44, 10 : 10 + round(share * SIZE[1])] = 1
    flow += expected * [4.0, -1.5]
    np.testing.assert_array_equal(moving_parts(tf.constant(flow)), expected)


def test_unknown_flow_is_no_part_and_does_not_hide_the_others(random):
    flow = affine_flow(random)
    expected = np.zeros((*SIZE, 1), "float32")
    expected[10:20, 30:40] = 1
    flow += expected * 6.0
    flow[8:14, 28:34] = np.nan
    expected[8:14, 28:34] = 0
    np.testing.assert_array_equal(moving_parts(tf.constant(flow)), expected)


@pytest.mark.parametrize("known", [1.0, 0.3])
def test_no_part_where_no_background_is_found(random, known):
    flow = random.normal(scale=9.0, size=(*SIZE, 2)).astype("float32")
    flow[random.uniform(size=SIZE) > known] = np.nan
    assert np.all(moving_parts(tf.constant(flow)) == 0)
