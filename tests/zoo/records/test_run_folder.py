import contextlib
import json
import os
import resource

import keras
import numpy as np
import pytest

from zoo.atomic_files import replaced_atomically
from zoo.errors import ZooError
from zoo.records.run_folder import Position, RunFolder
from zoo.serving.trained_runs import load_run
from zoo.weights.starting import load_weights

HISTORY = {
    "loss": [2.0, 1.5],
    "accuracy": [0.25, 0.5],
    "val_loss": [2.25, 1.75],
    "val_accuracy": [0.125, 0.375],
    "learning_rate": [0.002, 0.001],
    "seconds": [3.5, 1.25],
}


@contextlib.contextmanager
def disk_with_room_for(size):
    """Makes every write beyond `size` bytes of a file fail, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def compiled_model(seed, width=5):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((3,), name="images")
    x = keras.layers.Dense(width)(inputs)
    x = keras.layers.Dropout(0.5)(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(x), name="tiny")
    model.compile(keras.optimizers.Adam(0.1), "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def fit_one_epoch(model):
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    model.fit(x, x[:, :2], batch_size=4, shuffle=False, verbose=0)


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "runs" / "one", {"name": "tiny"})


def test_create_makes_a_folder_that_open_reads(folder):
    assert RunFolder.open(folder.path).config == {"name": "tiny"}
    assert os.listdir(folder.path.parent) == ["one"]
    assert folder.log_path.is_dir()


def test_create_refuses_an_existing_folder_and_names_resume(folder):
    with pytest.raises(ZooError, match="one' exists already. Continue that run with --resume"):
        RunFolder.create(folder.path, {"name": "other"})
    assert RunFolder.open(folder.path).config == {"name": "tiny"}


def test_create_on_a_full_disk_leaves_nothing(tmp_path):
    with (
        disk_with_room_for(100),
        pytest.raises(ZooError, match="The disk is full: could not write .*new"),
    ):
        RunFolder.create(tmp_path / "new", {"name": "x" * 1000})
    assert os.listdir(tmp_path) == []


def test_open_refuses_what_is_not_a_run_folder(tmp_path):
    with pytest.raises(ZooError, match="must be the folder of a training run.*config.json"):
        RunFolder.open(tmp_path / "absent")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ZooError, match="is not a readable run folder"):
        RunFolder.open(tmp_path)


def test_state_restores_weights_optimizer_dropout_and_history(folder):
    model = compiled_model(seed=1)
    fit_one_epoch(model)
    folder.save_state(model, Position(2, HISTORY))
    fit_one_epoch(model)
    restored = compiled_model(seed=2)
    assert folder.load_state(restored) == (Position(2, HISTORY), [])
    fit_one_epoch(restored)
    for ours, expected in zip(restored.variables, model.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), expected.numpy())


def test_state_of_another_model_is_refused(folder):
    folder.save_state(compiled_model(seed=1), Position(2, HISTORY))
    with pytest.raises(ZooError, match="is not from this model: the shapes of its model variables"):
        folder.load_state(compiled_model(seed=1, width=4))


@pytest.mark.parametrize(
    "damaged",
    [
        lambda whole: b"",
        lambda whole: whole[:10],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole.replace("epoch".encode("utf-32-le"), "epocH".encode("utf-32-le")),
    ],
    ids=["empty", "start", "half", "changed"],
)
def test_a_damaged_state_is_named(folder, damaged):
    model = compiled_model(seed=1)
    folder.save_state(model, Position(2, HISTORY))
    folder.state_path.write_bytes(damaged(folder.state_path.read_bytes()))
    for read in (folder.position, lambda: folder.load_state(model)):
        with pytest.raises(ZooError, match="checkpoint/state.npz' cannot be read: it is damaged.$"):
            read()


def test_damaged_weights_are_named(folder):
    model = compiled_model(seed=1)
    folder.save_model(model)
    folder.model_path.write_bytes(folder.model_path.read_bytes()[:1000])
    with pytest.raises(
        ZooError, match="weights at .*model.keras cannot be read: File is not a zip"
    ):
        load_weights(model, folder.model_path)


def test_state_in_mid_epoch_has_step_time_and_metrics(folder):
    position = Position(2, HISTORY, step=5, epoch_seconds=1.5, epoch_learning_rate=0.001)
    metrics = [np.float32(3.5), np.arange(12, dtype="float32")]
    folder.save_state(compiled_model(seed=1), position, metrics)
    found, stored = folder.load_state(compiled_model(seed=2))
    assert found == folder.position() == position
    for ours, expected in zip(stored, metrics, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_state_of_an_earlier_version_is_at_the_start_of_an_epoch(folder):
    folder.save_state(compiled_model(seed=1), Position(2, HISTORY))
    with np.load(folder.state_path) as arrays:
        arrays = dict(arrays)
    arrays["position"] = np.array(json.dumps({"epoch": 2, "history": HISTORY}))
    np.savez(folder.state_path, **arrays)
    assert folder.load_state(compiled_model(seed=2)) == (Position(2, HISTORY), [])


def test_no_state_is_no_progress(folder):
    assert folder.load_state(compiled_model(seed=1)) == (Position(), [])
    assert folder.position() == Position(0, {}, 0)


def test_saved_model_needs_no_optimizer_and_no_zoo(folder):
    model = compiled_model(seed=1)
    folder.save_model(model)
    loaded = keras.models.load_model(folder.model_path)
    x = np.ones((4, 3), "float32")
    np.testing.assert_array_equal(loaded(x), model(x))
    assert not loaded.compiled
    assert model.compiled


def test_metrics_have_one_row_per_epoch(folder):
    folder.save_metrics(HISTORY)
    assert folder.metrics_path.read_text().splitlines() == [
        "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds",
        "1,2,0.25,2.25,0.125,0.002,3.5",
        "2,1.5,0.5,1.75,0.375,0.001,1.25",
    ]


def test_metrics_have_the_columns_of_the_run(folder):
    folder.save_metrics({k: v for k, v in HISTORY.items() if not k.startswith("val")})
    lines = folder.metrics_path.read_text().splitlines()
    assert lines[:2] == ["epoch,loss,accuracy,learning_rate,seconds", "1,2,0.25,0.002,3.5"]


def test_curve_is_a_picture(folder):
    folder.draw_curve({})
    assert not folder.curve_path.exists()
    folder.draw_curve(HISTORY)
    assert folder.curve_path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (lambda folder: folder.save_state(compiled_model(2), Position()), "checkpoint/state.npz"),
        (lambda folder: folder.save_model(compiled_model(2)), "model.keras"),
        (lambda folder: folder.save_metrics(HISTORY), "metrics.csv"),
        (lambda folder: folder.draw_curve(HISTORY), "training_curve.png"),
    ],
)
def test_full_disk_keeps_the_previous_file(folder, write, name):
    path = folder.path / name
    path.write_text("previous")
    files = sorted(os.listdir(path.parent))
    with disk_with_room_for(60), pytest.raises(ZooError, match=f"disk is full: .*{name}.*intact"):
        write(folder)
    assert path.read_text() == "previous"
    assert sorted(os.listdir(path.parent)) == files


def test_interrupted_write_keeps_the_previous_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("previous")
    with pytest.raises(KeyboardInterrupt), replaced_atomically(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "previous"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_load_run_refuses_a_run_without_weights(tmp_path):
    folder = RunFolder.create(tmp_path / "one", {"name": "perceiver_digits_tiny"})
    with pytest.raises(ZooError, match="must hold a trained model. Received: no model.keras"):
        load_run(folder.path)


def test_config_is_plain_json(folder):
    assert json.loads((folder.path / "config.json").read_text()) == {"name": "tiny"}
