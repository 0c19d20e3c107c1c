"""Runs that are stopped in the middle of an epoch end as those that are not."""

import os
import signal
import threading

import numpy as np
import pytest
from rich.console import Console

import zoo.training.callbacks
from zoo.errors import ZooError
from zoo.records.run_folder import RunFolder
from zoo.serving.trained_runs import load_run
from zoo.training.fit import TrainingInterrupted
from zoo.training.mid_epoch import StopRequest
from zoo.training.train import train

QUIET = Console(quiet=True)
IMAGES = {
    "overrides": {
        "num_latents": 3,
        "latent_channels": 8,
        "num_cross_attends": 1,
        "num_self_attends_per_block": 1,
        "num_self_attention_heads": 2,
        "num_frequency_bands": 2,
    },
    "epochs": 2,
    "batch_size": 4,
    "augmentation": {"max_shift": 0.1, "max_rotation": 0.0, "max_zoom": 0.0, "mix_up": 0.3},
}
TEXT = {
    "overrides": {
        "num_latents": 3,
        "latent_channels": 8,
        "num_self_attends_per_block": 1,
        "num_self_attention_heads": 2,
        "num_cross_attention_heads": 1,
        "token_channels": 8,
        "max_length": 16,
        "window": 16,
    },
    "epochs": 2,
    "batch_size": 4,
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "noise.npz"
    arrays = {f"x_{s}": rng.integers(0, 256, (n, 8, 8, 1)) for s, n in (("train", 18), ("test", 5))}
    arrays |= {f"y_{s}": np.arange(n) % 3 for s, n in (("train", 18), ("test", 5))}
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "words.txt"
    path.write_text(" ".join(f"word{i % 7} and {i}" for i in range(30)))
    return str(path)


class Killed(Exception):
    pass


def at_step(monkeypatch, epoch, step, act):
    """Calls `act` at the end of a step of an epoch; both count from 0."""

    class Acting(zoo.training.callbacks.ProgressDisplay):
        def on_epoch_begin(self, now, logs=None):
            self.now = now

        def on_train_batch_end(self, batch, logs=None):
            if (self.now, batch) == (epoch, step):
                act()

    monkeypatch.setattr(zoo.training.callbacks, "ProgressDisplay", Acting)


def die():
    raise Killed


def assert_equal_runs(path, result, whole):
    for ours, expected in zip(
        *(load_run(folder)[0].model.get_weights() for folder in (path, whole.path)), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)
    assert result.history.keys() == whole.history.keys()
    for name in whole.history.keys() - {"seconds"}:
        assert result.history[name] == whole.history[name], name


def killed_and_resumed(name, data, path, monkeypatch, settings):
    """Trains with a checkpoint after each step, dies in the fourth of the second epoch, resumes."""
    with monkeypatch.context() as patch:
        at_step(patch, 1, 3, die)
        with pytest.raises(Killed):
            train(name, data=data, out=path, checkpoint_minutes=0, console=QUIET, **settings)
    position = RunFolder(path, {}).position()
    assert (position.epoch, position.step) == (1, 3)
    assert position.epoch_seconds > 0
    return train(name, out=path, resume=True, console=QUIET)


def test_a_killed_run_of_images_goes_on_at_its_last_checkpoint(images, tmp_path, monkeypatch):
    name = "perceiver_digits_tiny"
    whole = train(name, data=images, out=tmp_path / "whole", console=QUIET, **IMAGES)
    result = killed_and_resumed(name, images, tmp_path / "parts", monkeypatch, IMAGES)
    assert_equal_runs(tmp_path / "parts", result, whole)


@pytest.mark.slow
def test_a_killed_run_goes_on_in_the_second_pass_of_an_epoch(images, tmp_path, monkeypatch):
    name, settings = "perceiver_digits_tiny", IMAGES | {"batch_size": 8, "passes_per_epoch": 2}
    whole = train(name, data=images, out=tmp_path / "whole", console=QUIET, **settings)
    result = killed_and_resumed(name, images, tmp_path / "parts", monkeypatch, settings)
    assert_equal_runs(tmp_path / "parts", result, whole)


@pytest.mark.slow
def test_a_killed_run_of_text_goes_on_at_its_last_checkpoint(text, tmp_path, monkeypatch):
    name = "perceiver_io_language_tiny"
    whole = train(name, data=text, out=tmp_path / "whole", console=QUIET, **TEXT)
    result = killed_and_resumed(name, text, tmp_path / "parts", monkeypatch, TEXT)
    assert_equal_runs(tmp_path / "parts", result, whole)
    assert "bits_per_byte" in whole.history


@pytest.mark.slow
def test_a_signal_during_validation_keeps_the_trained_steps(images, tmp_path, monkeypatch):
    name, settings = "perceiver_digits_tiny", {**IMAGES, "ema": 0.5}
    whole = train(name, data=images, out=tmp_path / "whole", console=QUIET, **settings)
    path = tmp_path / "parts"

    class Stopping(zoo.training.callbacks.ProgressDisplay):
        def on_test_batch_end(self, batch, logs=None):
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(zoo.training.callbacks, "ProgressDisplay", Stopping)
        with pytest.raises(TrainingInterrupted, match="0 of 2 epochs and 5 steps of the next"):
            train(name, data=images, out=path, console=QUIET, **settings)
    result = train(name, out=path, resume=True, console=QUIET)
    for metric in ("loss", "accuracy"):
        assert result.history[metric] == whole.history[metric]
    for ours, expected in zip(
        *(load_run(folder)[0].model.get_weights() for folder in (path, whole.path)), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_between_checkpoints_nothing_is_written(images, tmp_path, monkeypatch):
    at_step(monkeypatch, 0, 3, die)
    with pytest.raises(Killed):
        train(
            "perceiver_digits_tiny",
            data=images,
            out=tmp_path / "run",
            checkpoint_minutes=60,
            console=QUIET,
            **IMAGES,
        )
    assert os.listdir(tmp_path / "run" / "checkpoint") == []


@pytest.mark.parametrize("minutes", [-1.0, float("nan"), float("inf")])
def test_minutes_must_be_a_number(tmp_path, minutes):
    with pytest.raises(ZooError, match="`checkpoint_minutes` must be a number of at least 0"):
        train("perceiver_digits_tiny", out=tmp_path / "run", checkpoint_minutes=minutes)


def test_the_second_signal_interrupts_at_once_and_handlers_come_back(capfd, monkeypatch):
    monkeypatch.setattr("os.isatty", lambda descriptor: descriptor == 2)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.made
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert capfd.readouterr().err.count("Stopping at the end of this step") == 1


def test_other_threads_get_no_signals():
    entered = []

    def enter():
        with StopRequest() as stop:
            entered.append(stop.made)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [False]
