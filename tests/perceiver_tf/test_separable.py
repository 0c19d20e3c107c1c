import keras
import numpy as np
import pytest
import tensorflow as tf

from perceiver_tf.layers import separable, tiles

B, N, U = 2, 3, 2


def case(random, sizes, masked):
    axes = [random.normal(size=(size, 5)).astype("float32") for size in sizes]
    content = random.normal(size=(B, *sizes, U)).astype("float32")
    folded = random.normal(size=(B, N, U + 5 * len(sizes))).astype("float32")
    folded -= folded.mean(-1, keepdims=True)
    mask = random.random((B, int(np.prod(sizes)))) < 0.6 if masked else None
    return folded, content, axes, mask


def row_bytes(sizes):
    return 4 * N * int(np.prod(sizes[1:]))


@pytest.mark.parametrize("sizes", [(7,), (7, 4), (7, 2, 3)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_blocks_of_any_length_give_the_same_sums_and_gradients(random, sizes, masked, rows):
    folded, content, axes, mask = case(random, sizes, masked)
    results = {}
    for block_rows in (7, rows):
        block_bytes = block_rows * row_bytes(sizes)

        @tf.function(autograph=False)
        def gather(folded, content, block_bytes=block_bytes):
            with tf.GradientTape() as tape:
                tape.watch([folded, content])
                gathered, total = separable.gather_grid(
                    folded, content, axes, mask, 1e-5, block_bytes=block_bytes
                )
                loss = tf.reduce_sum(tf.sin(gathered)) + tf.reduce_sum(total)
            return gathered, total, *tape.gradient(loss, [folded, content])

        results[block_rows] = gather(tf.constant(folded), tf.constant(content))
    for block, whole in zip(results[rows], results[7], strict=True):
        np.testing.assert_allclose(block, whole, atol=1e-5)


@pytest.mark.parametrize("rows", [2, 5])
def test_blocks_take_the_exact_maximum_where_the_bound_is_loose(random, rows):
    folded, content, axes, mask = case(random, (5, 4), True)
    folded *= 300
    content[:, 0] *= 1e3
    mask[0] = False
    gathered, total = separable.gather_grid(
        folded, content, axes, mask, 1e-5, block_bytes=rows * row_bytes((5, 4))
    )
    np.testing.assert_allclose(total[:, :, 0], [[0] * N, [1] * N], atol=1e-5)
    np.testing.assert_array_equal(gathered[0], np.zeros_like(gathered[0]))
    assert np.isfinite(gathered).all()


def test_blocks_fit_their_memory():
    assert separable.block_rows((224, 224), 512, separable.BLOCK_BYTES) == 224
    rows = separable.block_rows((4096, 4096), 512, separable.BLOCK_BYTES)
    assert rows >= 1 and 4 * 512 * rows * 4096 <= separable.BLOCK_BYTES
    assert separable.block_rows((3, 10**9), 512, separable.BLOCK_BYTES) == 1


def test_tiles_divide_the_grid_and_keep_the_product_narrow():
    for sizes in ((224, 224), (28, 28), (16, 224, 224), (30720,), (197, 7)):
        tile = tiles.tile_shape(sizes, 3)
        assert all(size % t == 0 for size, t in zip(sizes, tile, strict=True))
    dense_channels = 3 + 2 * 129
    assert tiles.product_cost(tiles.tile_shape((224, 224), 3), 3) < dense_channels / 3


def test_streamed_attention_works_in_a_model_of_unknown_batch_size(random, monkeypatch):
    from perceiver_tf import FourierInputs, perceiver

    def build():
        keras.utils.set_random_seed(1)
        images = keras.Input((6, 4, 3), name="images")
        settings = {"num_latents": 3, "latent_channels": 8, "num_cross_attends": 2}
        return perceiver(
            images,
            FourierInputs(2, (6, 4)),
            4,
            **settings,
            cross_attention_implementation="separable",
        )

    images = random.normal(size=(5, 6, 4, 3)).astype("float32")
    expected = build().predict(images, verbose=0)
    monkeypatch.setattr(separable.gather_grid, "__defaults__", (None, 1))
    model = build()
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, rtol=1e-4, atol=1e-4)
    model.compile("sgd", "mse")
    history = model.fit(images, np.ones((5, 4)), batch_size=2, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
