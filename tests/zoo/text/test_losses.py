"""Loss and metrics of hidden bytes against sums by hand, and through compile and fit."""

import math

import keras
import numpy as np
import pytest

from zoo.text.losses import (
    BitsPerByte,
    MaskedBytesAccuracy,
    MaskedBytesCrossentropy,
    unigram_entropy,
)

TARGETS = np.array([[1, 0, 2], [2, 2, 1]], "int32")
WEIGHTS = np.array([[1, 0, 1], [0, 0, 1]], "float32")


@pytest.fixture
def logits(random):
    return random.normal(size=(2, 3, 4)).astype("float32")


def by_hand(logits):
    """Cross-entropies of the hidden positions."""
    scores = np.exp(logits.astype("float64"))
    scores /= scores.sum(-1, keepdims=True)
    picked = np.take_along_axis(scores, TARGETS[..., None], -1)[..., 0]
    return -np.log(picked)[WEIGHTS > 0]


def test_loss_is_the_mean_over_hidden_bytes(logits):
    loss = MaskedBytesCrossentropy()(TARGETS, logits, sample_weight=WEIGHTS)
    assert float(loss) == pytest.approx(by_hand(logits).mean(), rel=1e-5)


def test_loss_without_any_hidden_byte_is_zero(logits):
    loss = MaskedBytesCrossentropy()(TARGETS, logits, sample_weight=np.zeros_like(WEIGHTS))
    assert float(loss) == 0


def test_label_smoothing_mixes_in_the_mean_over_all_tokens(logits):
    smoothed = MaskedBytesCrossentropy(0.2)(TARGETS, logits, sample_weight=WEIGHTS)
    scores = keras.ops.log_softmax(logits.astype("float32"))
    uniform = -np.asarray(scores).mean(-1)[WEIGHTS > 0].mean()
    expected = 0.8 * by_hand(logits).mean() + 0.2 * uniform
    assert float(smoothed) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match=r"`label_smoothing` must be in \[0, 1\).*=1"):
        MaskedBytesCrossentropy(1)


def test_bits_per_byte_is_the_loss_in_bits_over_all_batches(logits):
    metric = BitsPerByte()
    metric.update_state(TARGETS[:1], logits[:1], sample_weight=WEIGHTS[:1])
    metric.update_state(TARGETS[1:], logits[1:], sample_weight=WEIGHTS[1:])
    assert float(metric.result()) == pytest.approx(by_hand(logits).mean() / math.log(2), rel=1e-5)
    equal = BitsPerByte()(TARGETS, np.zeros((2, 3, 256), "float32"), sample_weight=WEIGHTS)
    assert float(equal) == pytest.approx(8)


def test_accuracy_counts_hidden_bytes_alone(logits):
    metric = MaskedBytesAccuracy()
    best = logits.argmax(-1) == TARGETS
    expected = best[WEIGHTS > 0].mean()
    assert float(metric(TARGETS, logits, sample_weight=WEIGHTS)) == pytest.approx(expected)
    right = np.eye(4, dtype="float32")[TARGETS]
    assert float(MaskedBytesAccuracy()(TARGETS, right, sample_weight=WEIGHTS)) == 1


@pytest.mark.parametrize(
    "made", [MaskedBytesCrossentropy(0.1), BitsPerByte(), MaskedBytesAccuracy(name="correct")]
)
def test_losses_and_metrics_come_back_from_their_configuration(made, logits):
    module = keras.losses if isinstance(made, keras.losses.Loss) else keras.metrics
    rebuilt = module.deserialize(module.serialize(made))
    assert type(rebuilt) is type(made)
    assert (rebuilt.name, rebuilt.get_config()) == (made.name, made.get_config())
    np.testing.assert_array_equal(
        rebuilt(TARGETS, logits, sample_weight=WEIGHTS),
        made(TARGETS, logits, sample_weight=WEIGHTS),
    )


def test_compile_and_fit_lower_them(random):
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Sequential([inputs, keras.layers.Embedding(5, 4)])
    model.compile(
        keras.optimizers.Adam(0.1),
        MaskedBytesCrossentropy(),
        weighted_metrics=[BitsPerByte(), MaskedBytesAccuracy()],
        jit_compile=False,
    )
    token_ids = random.integers(0, 5, (8, 6)).astype("int32")
    weights = (random.random((8, 6)) < 0.5).astype("float32")
    arguments = {"x": token_ids, "y": token_ids % 4, "sample_weight": weights, "verbose": 0}
    before = model.evaluate(**arguments, return_dict=True)
    model.fit(**arguments, epochs=30)
    after = model.evaluate(**arguments, return_dict=True)
    assert set(after) == {"loss", "bits_per_byte", "accuracy"}
    assert after["bits_per_byte"] == pytest.approx(after["loss"] / math.log(2), rel=1e-4)
    assert after["bits_per_byte"] < 0.3 < 1.9 < before["bits_per_byte"]
    assert after["accuracy"] == 1


def test_unigram_entropy_of_known_texts():
    assert unigram_entropy(b"aaaa") == 0
    assert unigram_entropy(bytes(range(256))) == pytest.approx(8)
    assert unigram_entropy(np.frombuffer(b"aab\n", np.uint8)) == pytest.approx(1.5)
    with pytest.raises(ValueError, match="`text` must not be empty"):
        unigram_entropy(b"")
