import numpy as np
import pytest
import tensorflow as tf

from zoo.optical_flow.tiles import tile_starts, tile_weights, tiled_flow

TILE, OVERLAP = (6, 9), 2


def position_model(frames):
    """Returns a tile's first channels as its flow: what a frame holds there."""
    assert frames.shape[2:] == (*TILE, 3)
    return frames[:, 0, ..., :2]


def tiled(model, frames, overlap=OVERLAP):
    return tiled_flow(model, tf.constant(frames, tf.float32), TILE, overlap).numpy()


@pytest.mark.parametrize("size", range(6, 30))
def test_tiles_cover_a_side_and_overlap(size):
    starts = tile_starts(tf.constant(size), 6, 2).numpy()
    assert starts[0] == 0 and starts[-1] == size - 6
    assert (np.diff(starts) > 0).all() and (np.diff(starts) <= 6 - 2).all()


def test_tiles_lie_as_in_deepminds_code():
    """Of Sintel's 436 x 1024 frames with the published model's tiles."""
    np.testing.assert_array_equal(tile_starts(tf.constant(436), 368, 20), [0, 68])
    np.testing.assert_array_equal(tile_starts(tf.constant(1024), 496, 20), [0, 476, 528])


def test_weights_are_distances_to_the_border():
    weights = tile_weights(4, 5)[..., 0]
    np.testing.assert_array_equal(
        weights, [[1, 1, 1, 1, 1], [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], [1, 1, 1, 1, 1]]
    )


@pytest.mark.parametrize("size", [(6, 9), (15, 31), (4, 20), (3, 5), (1, 1), (13, 9)])
def test_every_pixel_gets_its_own_flow(random, size):
    """A model that reads the flow off the frame gives it back: tiles lie where they are put."""
    frames = random.normal(size=(2, 2, *size, 3)).astype("float32")
    np.testing.assert_allclose(tiled(position_model, frames), frames[:, 0, ..., :2], atol=1e-5)


def test_constant_flow_stays_constant():
    flow = tiled(
        lambda tiles: tf.ones_like(tiles[:, 0, ..., :2]) * [3.0, -1.0], np.zeros((1, 2, 17, 23, 3))
    )
    np.testing.assert_allclose(flow, np.broadcast_to([3.0, -1.0], (1, 17, 23, 2)), rtol=1e-6)


def test_one_tile_is_the_models_own_output(random):
    kernel = random.normal(size=(3, 2)).astype("float32")
    frames = random.normal(size=(3, 2, *TILE, 3)).astype("float32")

    def model(tiles):  # not the same at all pixels, and of both frames
        place = tf.reshape(tf.range(54.0), (1, *TILE, 1))
        return tf.tensordot(tiles[:, 0] * place + tiles[:, 1], kernel, 1)

    np.testing.assert_allclose(tiled(model, frames), model(tf.constant(frames)), rtol=1e-5)


def test_overlaps_blend_by_the_distance_to_the_border():
    """Two tiles, the first says 0 and the second 1."""
    frames = np.zeros((1, 2, 6, 14, 3), "float32")
    frames[..., 9:, :] = 1.0
    flow = tiled(
        lambda tiles: (
            tf.ones_like(tiles[:, 0, ..., :2]) * tiles[:, :1, -1, -1, :1][:, 0, None, None]
        ),
        frames,
    )
    row = flow[0, 2, :, 0]
    np.testing.assert_array_equal(row[:5], 0)
    np.testing.assert_array_equal(row[9:], 1)
    np.testing.assert_allclose(row[5:9], [1 / 4, 2 / 5, 3 / 5, 3 / 4])


def test_tiling_works_in_a_graph_of_any_size(random):
    graph = tf.function(
        lambda frames: tiled_flow(position_model, frames, TILE, OVERLAP),
        input_signature=[tf.TensorSpec((None, 2, None, None, 3))],
        autograph=False,
    )
    for size in ((6, 9), (11, 25), (2, 12)):
        frames = random.normal(size=(2, 2, *size, 3)).astype("float32")
        np.testing.assert_allclose(graph(frames), frames[:, 0, ..., :2], atol=1e-5)
