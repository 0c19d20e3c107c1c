"""Text layers: tied embedding, added positions, queries per position, any length."""

import keras
import numpy as np
import pytest

import perceiver_tf
from perceiver_tf import OutputBias, TokenEmbedding, TokenInputs, TokenQueries, perceiver_io

VOCABULARY, CHANNELS, MAX_LENGTH = 11, 6, 9


def language_model(seed=3, **settings):
    """A tiny masked language model with random weights everywhere, biases included."""
    inputs = {
        "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    embedding = TokenEmbedding(VOCABULARY, CHANNELS, name="token_embedding")
    describe = TokenInputs(MAX_LENGTH, name="inputs")
    queries = TokenQueries(MAX_LENGTH, CHANNELS, name="queries")
    decoder = perceiver_io(
        inputs,
        lambda x: describe({"content": embedding(x["token_ids"]), "mask": x["mask"]}),
        lambda x: queries(x["token_ids"]),
        queries_mask=lambda x: x["mask"],
        **{
            "num_latents": 4,
            "latent_channels": 8,
            "num_blocks": 1,
            "num_self_attends_per_block": 2,
            "num_self_attention_heads": 2,
            "num_decoder_heads": 2,
            "use_decoder_query_residual": False,
            **settings,
        },
    )
    scores = embedding(decoder.output, reverse=True)
    model = keras.Model(inputs, OutputBias(name="logits", dtype="float32")(scores))
    random = np.random.default_rng(seed)
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    return model


def texts(random, length):
    token_ids = random.integers(0, VOCABULARY, (2, length)).astype("int32")
    return {"token_ids": token_ids, "mask": np.ones((2, length), bool)}


def test_embedding_in_reverse_is_the_product_with_its_table(random):
    embedding = TokenEmbedding(VOCABULARY, CHANNELS)
    token_ids = random.integers(0, VOCABULARY, (2, 5))
    embedded = embedding(token_ids)
    table = np.asarray(embedding.embeddings)
    np.testing.assert_array_equal(embedded, table[token_ids])
    rows = random.normal(size=(2, 5, CHANNELS)).astype("float32")
    np.testing.assert_allclose(embedding(rows, reverse=True), rows @ table.T, atol=1e-6)
    assert len(embedding.weights) == 1


def test_positions_are_added_and_cut_to_the_length(random):
    layer = TokenInputs(MAX_LENGTH)
    content = random.normal(size=(2, 5, CHANNELS)).astype("float32")
    described = layer({"content": content, "mask": np.ones((2, 5), bool)})
    positions = np.asarray(layer.positions)
    assert positions.shape == (MAX_LENGTH, CHANNELS)
    np.testing.assert_allclose(described["content"], content + positions[:5], atol=1e-6)
    assert set(described) == {"content", "mask"}
    assert set(layer(content)) == {"content"}


@pytest.mark.parametrize("channels", [6, 7])
def test_sinusoidal_positions_make_neighbours_alike(channels):
    layer = TokenInputs(40, 0.1, position_init="sinusoidal")
    layer(np.zeros((1, 3, channels), "float32"))
    positions = np.asarray(layer.positions)
    assert positions.shape == (40, channels)
    assert np.std(positions) == pytest.approx(0.1, rel=0.2)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    assert np.diagonal(distances, 1).max() < np.diagonal(distances, 5).min()
    assert (distances + np.eye(40) > 1e-3).all()  # no two positions are the same
    queries = TokenQueries(40, channels, 0.1, "sinusoidal")
    queries(np.zeros((1, 3)))
    np.testing.assert_array_equal(queries.queries, positions)


@pytest.mark.parametrize("make", [TokenInputs, lambda n, **k: TokenQueries(n, CHANNELS, **k)])
def test_unknown_initial_positions_are_refused(make):
    with pytest.raises(ValueError, match="`position_init` must be one of .*position_init='cosine'"):
        make(4, position_init="cosine")


def test_queries_are_the_first_of_the_table(random):
    layer = TokenQueries(MAX_LENGTH, CHANNELS)
    queries = layer(np.zeros((3, 4), "int32"))
    table = np.asarray(layer.queries)
    np.testing.assert_array_equal(queries, np.broadcast_to(table[:4], (3, 4, CHANNELS)))


@pytest.mark.parametrize("make", [lambda: TokenInputs(4), lambda: TokenQueries(4, CHANNELS)])
def test_inputs_longer_than_the_table_are_refused(make):
    with pytest.raises(ValueError, match="longer than `max_length`.*length=5, max_length=4"):
        make()(np.zeros((2, 5, CHANNELS), "float32"))


def test_long_inputs_of_unknown_length_are_refused_when_run(random):
    with pytest.raises(Exception, match="(?i)incompatible shapes|longer than `max_length`"):
        language_model().predict(texts(random, MAX_LENGTH + 1), verbose=0)


@pytest.mark.parametrize("implementation", ["auto", "dense", "folded"])
@pytest.mark.parametrize("length", [2, 5])
def test_padded_texts_equal_the_unpadded(random, length, implementation):
    model = language_model(cross_attention_implementation=implementation)
    short = texts(random, length)
    padded = texts(random, MAX_LENGTH)
    padded["token_ids"][:, :length] = short["token_ids"]
    padded["mask"][:, length:] = False
    np.testing.assert_allclose(model(padded)[:, :length], model(short), atol=1e-5, rtol=1e-5)


def test_every_token_and_its_place_matter(random):
    model = language_model()
    inputs = texts(random, 5)
    logits = np.asarray(model(inputs))
    assert np.ptp(logits, axis=1).min() > 1e-3  # positions get answers of their own
    for position in range(5):
        changed = {**inputs, "token_ids": inputs["token_ids"].copy()}
        changed["token_ids"][:, position] = (changed["token_ids"][:, position] + 1) % VOCABULARY
        assert np.abs(np.asarray(model(changed)) - logits).max() > 1e-4
    swapped = {**inputs, "token_ids": np.array([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]], "int32")}
    reversed_ = {**inputs, "token_ids": swapped["token_ids"][:, ::-1].copy()}
    assert np.abs(np.asarray(model(swapped)) - np.asarray(model(reversed_))).max() > 1e-4


def test_gradients_reach_every_weight(random):
    import tensorflow as tf

    model = language_model()
    inputs = texts(random, 5)
    targets = random.integers(0, VOCABULARY, (2, 5))
    with tf.GradientTape() as tape:
        logits = model(inputs, training=True)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    for variable, gradient in zip(
        model.trainable_variables,
        tape.gradient(loss, [v.value for v in model.trainable_variables]),
        strict=True,
    ):
        assert gradient is not None, variable.path
        if variable.path.endswith("key/bias"):
            continue  # equal for all keys, so that the softmax takes it out
        values = tf.convert_to_tensor(gradient).numpy()
        assert np.abs(values).max() > 1e-7, variable.path


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_saved_language_model_is_equal(random, tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    model = language_model()
    inputs = texts(random, 5)
    model.save(tmp_path / "model.keras")
    loaded = perceiver_tf.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == len(model.weights)
    logits = model(inputs)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    np.testing.assert_array_equal(loaded(inputs), logits)
    table = loaded.get_layer("token_embedding").embeddings
    table.assign(2 * np.asarray(table))
    assert np.abs(np.asarray(loaded(inputs)) - np.asarray(logits)).max() > 1e-2


def test_mixed_precision_stays_close_to_float32(random):
    inputs = texts(random, 5)
    exact = np.asarray(language_model()(inputs))
    keras.config.set_dtype_policy("mixed_bfloat16")
    np.testing.assert_allclose(language_model()(inputs), exact, atol=0.3, rtol=0.02)
