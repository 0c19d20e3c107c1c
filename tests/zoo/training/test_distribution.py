import os
import subprocess
import sys

import pytest
import tensorflow as tf

from zoo.errors import ZooError
from zoo.training.distribution import (
    check_batch_size,
    even_batch_size,
    get_strategy,
    resolve_jit_compile,
)

# Trains the same model from the same seed on one CPU device and on two logical ones. The
# optimiser has momentum, decay, clipping out of reach and an epsilon that is large against the
# gradients, so a step is a smooth function of them: the two runs then differ only by the order
# in which float32 sums are taken, about 1e-7 relative per step.
COMPARISON = """
import sys
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from rich.console import Console
from zoo.serving.trained_runs import load_run
from zoo.training.train import train

folder = sys.argv[1]
rng = np.random.default_rng(0)
np.savez(
    folder + "/data.npz",
    x_train=rng.integers(0, 256, (22, 8, 8, 1), "uint8"),
    y_train=np.arange(22) % 3,
    x_test=rng.integers(0, 256, (5, 8, 8, 1), "uint8"),
    y_test=np.arange(5) % 3,
)
results = {}
for strategy in ("one_device", "mirrored"):
    results[strategy] = train(
        "perceiver_digits_tiny",
        data=folder + "/data.npz",
        out=f"{folder}/{strategy}",
        overrides=dict(
            num_latents=3,
            latent_channels=8,
            num_cross_attends=1,
            num_self_attends_per_block=1,
            num_self_attention_heads=2,
            num_frequency_bands=2,
            dropout=0.0,
        ),
        strategy=strategy,
        console=Console(quiet=True),
        epochs=2,
        batch_size=8,
        learning_rate=0.05,
        epsilon=0.01,
        weight_decay=0.5,
        clip_global_norm=None,
        augmentation={"max_shift": 0.0, "max_rotation": 0.0, "max_zoom": 0.0},
    )
one, two = (load_run(f"{folder}/{s}")[0].model.get_weights() for s in results)
print("difference", max(float(np.abs(a - b).max()) for a, b in zip(one, two)))
for key in ("loss", "val_loss"):
    one, two = (results[s].history[key] for s in results)
    print(key, max(abs(a - b) for a, b in zip(one, two)))
print("learned", abs(one[1] - one[0]))
"""


@pytest.mark.slow
def test_mirrored_on_two_devices_gives_the_weights_of_one(tmp_path):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    run = subprocess.run(
        [sys.executable, "-c", COMPARISON, str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr
    figures = dict(line.split() for line in run.stdout.splitlines())
    assert float(figures["difference"]) < 1e-5
    assert float(figures["loss"]) < 1e-5
    assert float(figures["val_loss"]) < 1e-5
    assert float(figures["learned"]) > 1e-3


def test_one_device_is_the_default_strategy():
    assert get_strategy("one_device") is tf.distribute.get_strategy()


def test_unknown_strategy_is_refused_with_the_known_ones():
    with pytest.raises(ZooError, match="must be one of auto, one_device, mirrored, tpu.*'two'"):
        get_strategy("two")


@pytest.mark.skipif(bool(tf.config.list_physical_devices("TPU")), reason="needs no TPU")
def test_tpu_without_a_tpu_is_refused():
    with pytest.raises(ZooError, match="must run on a machine with a TPU"):
        get_strategy("tpu")


@pytest.mark.parametrize("jit_compile", ["auto", True, False])
def test_jit_compile_is_the_callers_on_one_device(jit_compile):
    assert resolve_jit_compile(jit_compile, get_strategy("one_device")) == jit_compile


def test_jit_compile_is_off_under_mirrored():
    assert resolve_jit_compile("auto", get_strategy("mirrored")) is False
    with pytest.raises(ZooError, match="`jit_compile` must be 'auto' or False.*MirroredStrategy"):
        resolve_jit_compile(True, get_strategy("mirrored"))


class TwoDevices:
    num_replicas_in_sync = 2


@pytest.mark.parametrize(("batch_size", "num_examples"), [(7, 20), (8, 5)])
def test_training_batches_must_be_even(batch_size, num_examples):
    with pytest.raises(ZooError, match=f"divisible by.*2.*batch_size={batch_size}, {num_examples}"):
        check_batch_size(batch_size, num_examples, TwoDevices())
    check_batch_size(batch_size, num_examples, get_strategy("one_device"))


@pytest.mark.parametrize(
    ("batch_size", "num_examples", "expected"), [(8, 20, 8), (7, 20, 6), (8, 5, 4), (1, 5, 2)]
)
def test_held_out_batches_are_made_even(batch_size, num_examples, expected):
    assert even_batch_size(batch_size, num_examples, TwoDevices()) == expected


def test_held_out_split_needs_an_example_per_device():
    with pytest.raises(ZooError, match="at least one example.*2 devices. Received: 1 examples"):
        even_batch_size(8, 1, TwoDevices())
