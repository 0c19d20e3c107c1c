import keras
import numpy as np
import pytest

from zoo.optical_flow.losses import EndPointError, EndPointErrorLoss, FlAll, MultiScaleL1Loss

SHAPE = (3, 4, 12, 2)


@pytest.fixture
def flows(random):
    """True and predicted flow, errors of 0 to about 10 pixels, motions up to about 100."""
    y_true = random.normal(size=SHAPE) * np.array([90.0, 5.0])
    return y_true, y_true + random.normal(size=SHAPE) * random.uniform(0, 4, SHAPE[:3])[..., None]


def numpy_errors(y_true, y_pred):
    return np.sqrt(((y_true - y_pred) ** 2).sum(-1)), np.sqrt((y_true**2).sum(-1))


def half(grid):
    b, h, w, c = grid.shape
    return grid.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))


def test_end_point_error_equals_numpy(flows):
    error, _ = numpy_errors(*flows)
    metric = EndPointError(dtype="float64")
    metric.update_state(flows[0][:2], flows[1][:2])
    metric.update_state(flows[0][2:], flows[1][2:])
    np.testing.assert_allclose(metric.result(), error.mean(), rtol=1e-12)
    loss = EndPointErrorLoss(epsilon=0.0, dtype="float64")
    np.testing.assert_allclose(loss(*flows), error.mean(), rtol=1e-12)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_fl_all_counts_errors_above_3_pixels_and_5_percent(flows):
    error, motion = numpy_errors(*flows)
    wrong = (error > 3) & (error > 0.05 * motion)
    assert 0.1 < wrong.mean() < (error > 3).mean()  # both conditions decide somewhere
    metric = FlAll(dtype="float64")
    metric.update_state(*flows)
    np.testing.assert_allclose(metric.result(), wrong.mean(), rtol=1e-12)


def test_multi_scale_l1_equals_numpy(flows):
    difference = flows[1] - flows[0]
    expected = 0.0
    for scale, weight in enumerate((1.0, 0.5, 0.25)):
        difference = half(difference) if scale else difference
        expected += weight * np.abs(difference).sum(-1).mean((1, 2))
    loss = MultiScaleL1Loss((1.0, 0.5, 0.25), reduction=None, dtype="float64")
    np.testing.assert_allclose(loss(*flows), expected, rtol=1e-12)


@pytest.mark.parametrize("unknown", [np.nan, np.inf, 1.6e9])
def test_pixels_of_unknown_flow_do_not_count(flows, unknown):
    y_true, y_pred = flows
    known = np.arange(12) != 3
    error, motion = (x[:, :, known] for x in numpy_errors(y_true, y_pred))
    y_true[:, :, 3, 1] = unknown
    metrics = EndPointError(dtype="float64"), FlAll(dtype="float64")
    for metric in metrics:
        metric.update_state(y_true, y_pred)
    np.testing.assert_allclose(metrics[0].result(), error.mean(), rtol=1e-12)
    wrong = (error > 3) & (error > 0.05 * motion)
    np.testing.assert_allclose(metrics[1].result(), wrong.mean(), rtol=1e-12)
    loss = EndPointErrorLoss(epsilon=0.0, dtype="float64")
    np.testing.assert_allclose(loss(y_true, y_pred), error.mean(), rtol=1e-12)
    l1 = MultiScaleL1Loss((1.0,), dtype="float64")(y_true, y_pred)
    difference = (flows[0] - flows[1])[:, :, known]
    np.testing.assert_allclose(l1, np.abs(difference).sum(-1).mean(), rtol=1e-12)


def test_sample_weights_weigh_examples_and_pixels(flows):
    error, _ = numpy_errors(*flows)
    examples, pixels = np.array([1.0, 0.0, 3.0]), np.linspace(0, 1, 144).reshape(SHAPE[:3])
    for weights in (examples, pixels):
        metric = EndPointError(dtype="float64")
        metric.update_state(*flows, sample_weight=weights)
        weights = weights.reshape(*weights.shape, *[1] * (3 - weights.ndim))
        expected = np.average(error, weights=np.broadcast_to(weights, error.shape))
        np.testing.assert_allclose(metric.result(), expected, rtol=1e-12)


def test_gradient_is_finite_where_the_error_is_zero(flows):
    import tensorflow as tf

    y_true = tf.constant(flows[0], tf.float32)
    for loss in (EndPointErrorLoss(), MultiScaleL1Loss()):
        with tf.GradientTape() as tape:
            tape.watch(y_true)
            value = loss(tf.stop_gradient(y_true), y_true)
        assert np.isfinite(tape.gradient(value, y_true)).all()


def test_losses_and_metrics_survive_saving_a_fitted_model(flows, tmp_path):
    inputs = keras.Input(SHAPE[1:])
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    losses = EndPointErrorLoss(epsilon=0.01), MultiScaleL1Loss((1.0, 0.3))
    for loss in losses:
        model.compile("adam", loss, metrics=[EndPointError(), FlAll()])
        history = model.fit(*flows, epochs=1, verbose=0).history
        assert set(history) == {"loss", "end_point_error", "fl_all"}
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert loaded.loss.get_config() == loss.get_config()
        np.testing.assert_allclose(
            loaded.evaluate(*flows, verbose=0), model.evaluate(*flows, verbose=0), rtol=1e-6
        )
