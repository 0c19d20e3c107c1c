"""A search by a chief and workers in processes of their own, and one that is killed."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import pytest

from tuning.trials import read_trials
from tuning.workers import role_of
from zoo.errors import ZooError

# Ten trials of a small Keras model, each long enough to be killed in.
SCRIPT = """
import sys, time
import keras, keras_tuner, numpy as np
from tuning.searching import search
from tuning.workers import Role

class Line(keras_tuner.HyperModel):
    def build(self, hp):
        rate = hp.Float("rate", 1e-3, 1.0, sampling="log")
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=True)
        return model

random = np.random.default_rng(0)
x = random.normal(size=(16, 2)).astype("float32")
y = x @ np.array([[1.0], [-2.0]], "float32")
directory, options = sys.argv[1], dict(word.split("=") for word in sys.argv[2:])
pause = float(options.pop("pause", 0))
tuner = options.pop("tuner", "random")

class Pause(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        time.sleep(pause)

class Paused(Line):
    def fit(self, hp, model, *args, callbacks=(), **kwargs):
        return model.fit(*args, callbacks=[Pause(), *callbacks], **kwargs)

search(
    hypermodel=Paused(), objective="val_loss", directory=directory, tuner=tuner, epochs=3, factor=2,
    max_trials=10 if tuner == "random" else None,
    fit_settings={"x": x, "y": y, "validation_data": (x, y), "batch_size": 8, "verbose": 0},
    **options,
)
print("ended", flush=True)
"""


# Two trials of a model of the zoo; says how many devices each of them trains on.
DEVICES_SCRIPT = """
import sys
import keras, tensorflow as tf
from tuning.searching import search

directory, num_devices, *options = sys.argv[1:]
(cpu,) = tf.config.list_physical_devices("CPU")
logical = [tf.config.LogicalDeviceConfiguration()] * int(num_devices)
tf.config.set_logical_device_configuration(cpu, logical)

fit = keras.Model.fit

def told(model, *args, **kwargs):
    print("trained on", model.distribute_strategy.num_replicas_in_sync, flush=True)
    return fit(model, *args, **kwargs)

keras.Model.fit = told
search(
    "perceiver_digits_tiny", directory=directory, tuner="random", epochs=2, max_trials=2,
    only=["learning_rate"], fixed={"augmentation_strength": 0.0, "dropout": 0.0},
    overrides={"latent_channels": 32}, strategy="mirrored", jit_compile=False,
    **dict(word.split("=") for word in options),
)
"""


def start(path, *options, script=SCRIPT, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path), *options],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process, seconds=240):
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == 0, err[-2000:]
    return out


def results(path):
    return {t.trial_id: (t.status, t.values, t.score) for t in read_trials(path)}


def trials_of(path):
    return read_trials(path) if (path / "search.json").exists() else []


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    path = tmp_path_factory.mktemp("alone") / "s"
    ended(start(path))
    return results(path)


@pytest.mark.slow
def test_workers_complete_the_trials_of_one_process(alone, tmp_path):
    address = free_address()
    chief = start(tmp_path / "s", f"chief={address}")
    workers = [
        start(tmp_path / "s", f"worker={address}", f"worker_id=w{i}", "pause=0.1") for i in range(2)
    ]
    for process in workers:
        ended(process)
    assert ended(chief).count("  val_loss ") == 10
    assert results(tmp_path / "s") == alone


@pytest.mark.slow
def test_a_chief_goes_on_where_it_was(alone, tmp_path):
    address = free_address()
    chief = start(tmp_path / "s", f"chief={address}")
    worker = start(tmp_path / "s", f"worker={address}", "worker_id=w", "pause=0.2")
    while sum(trial.status == "COMPLETED" for trial in trials_of(tmp_path / "s")) < 2:
        time.sleep(0.1)
    chief.kill()
    chief.communicate()
    chief = start(tmp_path / "s", f"chief={address}")
    _, lines = worker.communicate(timeout=240)
    if worker.returncode:  # it was waiting for an answer at that moment
        assert "is gone. Start this worker again, under the same name (w)" in lines
        ended(start(tmp_path / "s", f"worker={address}", "worker_id=w"))
    ended(chief)
    assert results(tmp_path / "s") == alone


@pytest.mark.slow
def test_the_trial_of_a_dead_worker_goes_back(alone, tmp_path):
    address = free_address()
    chief = start(tmp_path / "s", f"chief={address}", "lost_seconds=6")
    dying = start(tmp_path / "s", f"worker={address}", "worker_id=dying", "pause=30")
    while not list((tmp_path / "s").glob("trial_*/history.json")):
        time.sleep(0.2)
    other = start(tmp_path / "s", f"worker={address}", "worker_id=other")
    time.sleep(1.0)
    dying.send_signal(signal.SIGKILL)
    ended(other)
    assert "worker dying is gone; trial 00 goes back to the search" in ended(chief)
    assert results(tmp_path / "s") == alone


@pytest.mark.slow
def test_a_worker_trains_on_all_of_its_devices(tmp_path):
    ended(start(tmp_path / "one", "1", script=DEVICES_SCRIPT))
    address = free_address()
    chief = start(tmp_path / "two", "1", f"chief={address}", script=DEVICES_SCRIPT)
    worker = [f"worker={address}", "worker_id=w"]
    lines = ended(start(tmp_path / "two", "2", *worker, script=DEVICES_SCRIPT))
    ended(chief)
    assert lines.count("trained on 2") == 2
    alone, shared = results(tmp_path / "one"), results(tmp_path / "two")
    assert [result[:2] for result in shared.values()] == [result[:2] for result in alone.values()]
    for trial_id, (status, _, score) in shared.items():
        assert status == "COMPLETED"
        # Each device clips the gradients of its half: close, not equal (which test_distribution.py
        # shows without clipping).
        assert score == pytest.approx(alone[trial_id][2], abs=0.1) and score > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("tuner", ["random", "hyperband"])
def test_a_killed_search_goes_on(tuner, tmp_path):
    path, moments = tmp_path / "s", random.Random(0)
    done = {}
    for _ in range(3):
        process = start(path, f"tuner={tuner}", "pause=0.05")
        while not path.exists() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(moments.uniform(0.2, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = results(path) if (path / "search.json").exists() else {}
        now = {i: result for i, result in now.items() if result[0] == "COMPLETED"}
        assert done.items() <= now.items()
        done = now
    ended(start(path, f"tuner={tuner}"))
    ended(start(tmp_path / "whole", f"tuner={tuner}"))
    assert results(path) == results(tmp_path / "whole")


def test_roles(monkeypatch):
    assert role_of() is None
    chief, worker = role_of(chief="0.0.0.0:80"), role_of(worker="a.b:81", worker_id="w3")
    assert (chief.is_chief, chief.host, chief.port) == (True, "0.0.0.0", 80)
    assert (worker.is_chief, worker.worker_id, worker.port) == (False, "w3", 81)
    with pytest.raises(ZooError, match="must be the `--chief` or a `--worker`. Received: both"):
        role_of(chief="a:1", worker="a:1")
    for address in ("a", "a:", ":1", "a:b", "a:70000"):
        with pytest.raises(ZooError, match="must be of the form HOST:PORT"):
            role_of(worker=address)
    with pytest.raises(ZooError, match="must not contain 'chief'"):
        role_of(worker="a:1", worker_id="chief2")
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "10.0.0.1")
    with pytest.raises(ZooError, match="must come with KERASTUNER_TUNER_ID and"):
        role_of()
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "8000")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "tuner7")
    assert role_of().worker_id == "tuner7" and not role_of().is_chief


def test_settings_are_plain_json(tmp_path):
    from tuning.settings import plain

    settings = {"fixed": {"sizes": (1, 2)}, "only": None}
    assert plain(settings) == json.loads(json.dumps(settings))
