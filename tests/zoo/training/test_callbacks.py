import io

import keras
import numpy as np
import pytest
from rich.console import Console

from zoo.errors import ZooError
from zoo.training.callbacks import EvaluationDisplay, StopAtNonFiniteLoss


@pytest.fixture
def watch():
    callback = StopAtNonFiniteLoss(steps_per_epoch=7, where="runs/one")
    inputs = keras.Input((3,))
    callback.set_model(keras.Model(inputs, keras.layers.Dense(2)(inputs)))
    return callback


def test_finite_losses_pass(watch):
    watch.on_epoch_begin(0)
    watch.on_train_batch_end(0, {"loss": 1.5})
    watch.on_epoch_end(0, {"loss": 1.5, "val_loss": 2.5})


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_first_step_with_a_non_finite_loss_is_named(watch, loss):
    watch.on_epoch_begin(2)
    message = (
        rf"loss became {loss} at step 18 \(epoch 3, step 4 of 7\). Kept in 'runs/one': epoch 2"
    )
    with pytest.raises(ZooError, match=message):
        watch.on_train_batch_end(3, {"loss": loss})


def test_held_out_loss_is_watched(watch):
    watch.on_epoch_begin(0)
    with pytest.raises(
        ZooError, match="held-out loss became nan at step 7 .*no epoch was finished"
    ):
        watch.on_epoch_end(0, {"loss": 1.5, "val_loss": float("nan")})


def test_weights_are_watched_so_that_no_bad_checkpoint_is_written(watch):
    watch.model.set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    watch.on_epoch_begin(1)
    with pytest.raises(ZooError, match="A weight became NaN or infinite at step 14"):
        watch.on_epoch_end(1, {"loss": 1.5})


@pytest.mark.parametrize("is_terminal", [True, False])
def test_evaluation_shows_its_batches_on_a_terminal(is_terminal):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model.compile(loss="mse")
    screen = io.StringIO()
    display = EvaluationDisplay(Console(file=screen, force_terminal=is_terminal), 4, passes=2)
    for _ in range(2):
        data = np.zeros((7, 3)), np.zeros((7, 2))
        model.evaluate(*data, batch_size=2, verbose=0, callbacks=[display])
    display.stop()
    assert ("8/8" in screen.getvalue()) == is_terminal
    assert is_terminal or screen.getvalue() == ""
