import numpy as np
import pytest

from perceiver_tf.layers import gathering, reading, separable, tiles

B, N, U = 2, 3, 2


@pytest.mark.parametrize("sizes", [(7,), (6, 4), (4, 2, 6)])
def test_tiles_join_what_they_cut(random, sizes):
    grid = random.normal(size=(B, *sizes, U)).astype("float32")
    cut = tiles.Tiles(sizes, U)
    np.testing.assert_array_equal(cut.join(cut.cut(grid)), grid.reshape(B, -1, U))


def test_tiles_divide_the_grid_and_keep_the_product_narrow():
    for sizes in ((224, 224), (28, 28), (16, 224, 224), (30720,), (197, 7)):
        tile = reading.tile_shape(sizes, 3)
        assert all(size % t == 0 for size, t in zip(sizes, tile, strict=True))
    dense_channels = 3 + 2 * 129
    assert reading.product_cost(reading.tile_shape((224, 224), 3), 3) < dense_channels / 3


@pytest.mark.parametrize("sizes", [(7,), (7, 4), (2, 7, 3)])
@pytest.mark.parametrize("channels", [U, 96, 0])
def test_bound_is_above_the_largest_score_and_that_is_exact(random, sizes, channels):
    axes = [random.normal(size=(size, 5)).astype("float32") for size in sizes]
    content = 3 * random.normal(size=(B, *sizes, channels)).astype("float32")
    folded = random.normal(size=(B, N, channels + 5 * len(sizes))).astype("float32")
    folded -= folded.mean(-1, keepdims=True)
    mask = random.random((B, int(np.prod(sizes)))) < 0.6
    description = {"content": content, "axes": axes}
    reader = separable.GridReader(folded, description, mask, 1e-5)
    rows = separable.byte_array.assemble(description)
    rows = np.asarray(rows, "float64")
    sigma = np.sqrt(rows.var(-1, keepdims=True) + 1e-5)
    scores = np.einsum("bnc,bmc->bnm", folded, rows / sigma)
    exact = np.where(mask[:, None], scores, -np.inf).max(-1, keepdims=True)
    np.testing.assert_allclose(reader.largest_score(), exact, rtol=1e-4, atol=1e-4)
    assert (np.asarray(reader.score_bound()) >= scores.max(-1, keepdims=True) - 1e-4).all()


def test_bound_of_wide_content_is_near_enough_to_be_used(random):
    """Patches of video have 384 channels, whose extremes do not meet in one row."""
    axes = [random.normal(size=(4, 5)).astype("float32")] * 2
    content = random.normal(size=(B, 4, 4, 384)).astype("float32")
    folded = random.normal(size=(B, N, 394)).astype("float32")
    folded *= 1.5 / np.sqrt(394)  # scores of standard deviation 1.5
    folded -= folded.mean(-1, keepdims=True)
    reader = separable.GridReader(folded, {"content": content, "axes": axes}, None, 1e-5)
    gap = np.asarray(reader.score_bound()) - np.asarray(reader.largest_score())
    assert gap.max() < -np.log(gathering.SMALLEST_TOTAL)
