import dataclasses
import io
import json
import os
import resource
import shutil
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

import zoo.training.callbacks
from zoo.cli import main
from zoo.configs import MODELS, configuration
from zoo.errors import ZooError
from zoo.records.run_folder import RunFolder
from zoo.registry import build
from zoo.serving.model_file import load_model_file, save_model_file
from zoo.serving.trained_runs import load_run
from zoo.training.fit import TrainingInterrupted
from zoo.training.train import RunResult, evaluate, train

NAME = "perceiver_digits_tiny"
OVERRIDES = {
    "num_latents": 3,
    "latent_channels": 8,
    "num_cross_attends": 1,
    "num_self_attends_per_block": 1,
    "num_self_attention_heads": 2,
    "num_frequency_bands": 2,
}
PLAIN = {
    "overrides": OVERRIDES,
    "console": Console(quiet=True),
    "epochs": 3,
    "batch_size": 8,
    "augmentation": {"max_shift": 0.1, "max_rotation": 0.0, "max_zoom": 0.0},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file of 21 training and 5 test images of 3 classes that differ in brightness."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, size in (("train", 21), ("test", 5)):
        labels = np.arange(size) % 3
        noise = rng.integers(0, 80, (size, 8, 8, 1))
        arrays[f"x_{split}"] = (noise + 80 * labels[:, None, None, None]).astype("uint8")
        arrays[f"y_{split}"] = labels
    path = tmp_path_factory.mktemp("data") / "bright.npz"
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A finished run with what it printed."""
    printed = io.StringIO()
    out = tmp_path_factory.mktemp("runs") / "finished"
    console = Console(file=printed, width=200)
    return train(NAME, data=data, out=out, **{**PLAIN, "console": console}), printed.getvalue()


@pytest.fixture(scope="module")
def interrupted(data, tmp_path_factory):
    """The folder of a run that got Ctrl-C in its second epoch, and the message."""
    out = tmp_path_factory.mktemp("runs") / "interrupted"
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, epoch=1, step=1)
        with pytest.raises(TrainingInterrupted) as caught:
            train(NAME, data=data, out=out, **PLAIN)
    return out, str(caught.value)


def weights(path):
    return load_run(path)[0].model.get_weights()


def assert_equal_weights(ours, expected):
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def interrupt_at(monkeypatch, epoch, step):
    """Sends Ctrl-C's signal at a step of an epoch; both count from 0."""

    class Interrupted(zoo.training.callbacks.ProgressDisplay):
        def on_epoch_begin(self, now, logs=None):
            self.now = now

        def on_train_batch_end(self, batch, logs=None):
            if (self.now, batch) == (epoch, step):
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(zoo.training.callbacks, "ProgressDisplay", Interrupted)


def test_train_writes_a_complete_run_folder(run):
    result, _ = run
    files = ["checkpoint", "config.json", "logs", "metrics.csv", "model.keras"]
    assert sorted(os.listdir(result.path)) == [*files, "training_curve.png"]
    assert os.listdir(result.path / "checkpoint") == ["state.npz"]
    rows = (result.path / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]
    for part in ("train", "validation"):
        assert any("tfevents" in name for name in os.listdir(result.path / "logs" / part))


def test_run_config_says_how_to_repeat_the_run(run, data):
    config = json.loads((run[0].path / "config.json").read_text())
    assert (config["name"], config["data"], config["seed"]) == (NAME, data, 0)
    assert config["overrides"] == OVERRIDES
    assert (config["recipe"]["epochs"], config["recipe"]["batch_size"]) == (3, 8)
    assert set(config["versions"]) == {"python", "tensorflow", "keras", "numpy"}
    assert (config["num_classes"], config["class_names"]) == (3, ["0", "1", "2"])


def test_result_has_the_figures_of_the_run(run):
    result, _ = run
    assert isinstance(result, RunResult)
    assert dataclasses.is_dataclass(result)
    assert result.epochs == len(result.history["loss"]) == len(result.history["val_accuracy"]) == 3
    assert result.train_seconds == pytest.approx(sum(result.history["seconds"]))
    entry, _ = load_run(result.path)
    assert result.parameters == entry.model.count_params()
    assert (result.test_split, result.num_test_examples) == ("test", 5)
    assert result.test_figures["accuracy"] == pytest.approx(result.history["val_accuracy"][-1])


def test_each_epoch_prints_a_plain_line_when_not_on_a_terminal(run):
    lines = run[1].splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("epoch 2/3  loss ")
    assert f"accuracy {run[0].history['val_accuracy'][1]:.4f}" in lines[1]


def test_progress_on_a_terminal_shows_the_step():
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=True, width=120)
    display = zoo.training.callbacks.ProgressDisplay(
        console, epochs=5, first_epoch=1, steps_per_epoch=7
    )
    display.on_train_begin()
    display.on_epoch_begin(1)
    display.on_train_batch_end(2, {"loss": 0.75, "accuracy": 0.5})
    display.stop()
    for part in ("epoch 2/5, step", "10/35", "loss 0.7500, accuracy 0.5000"):
        assert part in printed.getvalue()


def test_another_seed_gives_other_weights(run, data, tmp_path):
    train(NAME, data=data, out=tmp_path / "run", seed=1, **PLAIN)
    assert not np.array_equal(weights(tmp_path / "run")[0], weights(run[0].path)[0])


def test_interrupted_and_resumed_run_gives_the_weights_of_an_uninterrupted_one(
    run, interrupted, tmp_path
):
    out = shutil.copytree(interrupted[0], tmp_path / "run")
    result = train(NAME, out=out, resume=True, console=Console(quiet=True))
    assert_equal_weights(weights(out), weights(run[0].path))
    for name in ("loss", "accuracy", "val_loss", "learning_rate"):
        assert result.history[name] == run[0].history[name]
    assert len((out / "metrics.csv").read_text().splitlines()) == 4


def test_interruption_keeps_the_finished_epochs_and_says_how_to_resume(interrupted):
    out, message = interrupted
    told = "1 of 3 epochs and 2 steps of the next. Continue with: perceiver-zoo train --resume"
    assert told in message
    assert message.endswith(str(out))
    position = RunFolder(out, {}).position()
    assert (position.epoch, position.step) == (1, 2)
    assert {"model.keras", "metrics.csv", "training_curve.png"} <= set(os.listdir(out))


def test_run_without_a_finished_epoch_starts_over(run, tmp_path):
    out = RunFolder.create(tmp_path / "run", RunFolder.open(run[0].path).config).path
    train(NAME, out=out, resume=True, console=Console(quiet=True))
    assert_equal_weights(weights(out), weights(run[0].path))


@pytest.mark.slow
def test_average_of_weights_is_what_is_saved_also_after_a_resume(data, tmp_path, monkeypatch):
    settings = {**PLAIN, "ema": 0.5}
    result = train(NAME, data=data, out=tmp_path / "whole", **settings)
    with monkeypatch.context() as patch:
        interrupt_at(patch, epoch=2, step=0)
        with pytest.raises(TrainingInterrupted):
            train(NAME, data=data, out=tmp_path / "parts", **settings)
    train(NAME, out=tmp_path / "parts", resume=True, console=Console(quiet=True))
    average = weights(tmp_path / "whole")
    assert_equal_weights(weights(tmp_path / "parts"), average)
    with np.load(tmp_path / "whole" / "checkpoint" / "state.npz") as state:
        assert not np.array_equal(state["model/0"], average[0])
    assert result.test_figures["accuracy"] == pytest.approx(result.history["val_accuracy"][-1])
    again = train(NAME, out=tmp_path / "whole", resume=True, console=Console(quiet=True))
    assert again == result
    assert_equal_weights(weights(tmp_path / "whole"), average)


def test_existing_run_folder_is_refused_before_anything_is_built(run):
    with pytest.raises(ZooError, match="exists already. Continue that run with --resume"):
        train(NAME, data="absent.npz", out=run[0].path)


def test_resume_of_nothing_is_refused(tmp_path):
    with pytest.raises(ZooError, match="must be the folder of a training run"):
        train(NAME, out=tmp_path / "absent", resume=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 7}, "seed was 0, now 7"),
        ({"epochs": 9}, "epochs was 3, now 9"),
        ({"precision": "mixed_bfloat16"}, "precision was 'float32', now 'mixed_bfloat16'"),
        ({"overrides": {"num_latents": 4}}, "overrides was .*, now .*'num_latents': 4"),
    ],
)
def test_resume_with_another_setting_is_refused(run, settings, message):
    with pytest.raises(ZooError, match=message):
        train(NAME, out=run[0].path, resume=True, **settings)
    with pytest.raises(ZooError, match="name was 'perceiver_digits_tiny', now 'perceiver_mnist"):
        train("perceiver_mnist_small", out=run[0].path, resume=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "float8"}, "`precision` must be one of float32, mixed_bfloat16.*'float8'"),
        ({"epoch": 3}, "'epoch' is not a setting of a recipe. Did you mean 'epochs'"),
        ({"strategy": "both"}, "`strategy` must be one of"),
        ({"seed": -1}, "`seed` must be from 0 to .*seed=-1"),
        ({"data": "digitz"}, "digits"),
        ({"overrides": {"num_latent": 3}}, "num_latents"),
    ],
)
def test_wrong_settings_are_refused_and_leave_no_folder(tmp_path, settings, message):
    with pytest.raises(ZooError, match=message):
        train(NAME, out=tmp_path / "run", **settings)
    assert os.listdir(tmp_path) == []


def test_nan_loss_stops_at_its_step_and_keeps_the_last_good_epoch(data, tmp_path):
    out = tmp_path / "run"
    exploding = {
        "optimizer": "sgd",
        "learning_rate": 1e-3,
        "schedule": "steps",
        "step_boundaries": (1,),
        "step_factor": 1e38,
        "warmup_share": 0.0,
        "weight_decay": 0.0,
        "clip_global_norm": None,
    }
    message = r"became (nan|inf) at step 5 \(epoch 2, step 2 of 3\). Kept in .*: epoch 1"
    with pytest.raises(ZooError, match=message):
        train(NAME, data=data, out=out, **PLAIN, **exploding)
    position = RunFolder(out, {}).position()
    assert position.epoch == len(position.history["loss"]) == 1
    assert all(np.isfinite(w).all() for w in weights(out))
    assert (out / "training_curve.png").exists()


def test_full_disk_stops_with_one_line_and_keeps_the_last_good_epoch(interrupted, tmp_path):
    out = shutil.copytree(interrupted[0], tmp_path / "run")
    before = {name: (out / name).read_bytes() for name in ("model.keras", "checkpoint/state.npz")}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(ZooError, match="The disk is full: could not write .*state.npz"):
            train(NAME, out=out, resume=True, console=Console(quiet=True))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for name, content in before.items():
        assert (out / name).read_bytes() == content


def test_bfloat16_is_for_the_run_only(data, tmp_path):
    settings = {**PLAIN, "epochs": 1}
    result = train(NAME, data=data, out=tmp_path / "run", precision="mixed_bfloat16", **settings)
    assert keras.config.dtype_policy().name == "float32"
    saved = keras.models.load_model(result.path / "model.keras")
    assert any(layer.dtype_policy.name == "mixed_bfloat16" for layer in saved.layers)
    entry, _ = load_run(result.path)
    assert all(layer.dtype_policy.name == "float32" for layer in entry.model.layers)
    assert_equal_weights(entry.model.get_weights(), saved.get_weights())


def test_evaluate_measures_like_numpy(run):
    entry, _ = load_run(run[0].path)
    images, labels = next(iter(entry.pipeline.batches("test", 5)))
    logits = entry.model.predict(images, verbose=0)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    figures = evaluate(entry, "test", batch_size=2)
    assert figures["num_examples"] == 5
    assert figures["loss"] == pytest.approx(-(labels * log_probabilities).numpy().sum() / 5, 1e-5)
    hits = logits.argmax(axis=1) == labels.numpy().argmax(axis=1)
    assert figures["accuracy"] == pytest.approx(hits.mean())
    assert not entry.model.compiled


def test_evaluate_refuses_a_split_that_is_not_there(data):
    with pytest.raises(ZooError, match="`split` must be one of train, test. Received: split='val'"):
        evaluate(build(NAME, data=data, **OVERRIDES), "val")


def test_training_learns(run):
    assert run[0].history["loss"][-1] < 0.8 * run[0].history["loss"][0]


def test_load_run_without_data_needs_no_data(run, tmp_path):
    out = shutil.copytree(run[0].path, tmp_path / "run")
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps({**config, "data": "gone/data.npz"}))
    with pytest.raises(ZooError, match="gone/data.npz"):
        load_run(out)
    entry, config = load_run(out, with_data=False)
    assert_equal_weights(entry.model.get_weights(), weights(run[0].path))
    assert entry.config.num_classes == 3


def test_a_run_may_predict_from_other_views(run, tmp_path):
    changes = {"shifted_views": 1}
    entry, plain = (load_run(run[0].path, changes=which)[0] for which in (changes, None))
    assert entry.config.shifted_views == 1 and plain.config.shifted_views == 0
    assert_equal_weights(entry.model.get_weights(), plain.model.get_weights())
    images, _ = next(iter(plain.pipeline.batches("test", 4)))
    assert np.abs(entry.model(images) - plain.model(images)).max() > 1e-4
    with pytest.raises(ZooError, match="Received: num_latents; of this model can be changed: mir"):
        load_run(run[0].path, changes={"num_latents": 3})
    path = tmp_path / "run.keras"
    save_model_file(plain.model, path, NAME, OVERRIDES | {"num_classes": 3})
    moved, _ = load_model_file(path, changes)
    np.testing.assert_allclose(moved.model(images), entry.model(images), rtol=1e-5, atol=1e-5)
    with pytest.raises(ZooError, match="Received: dropout; of this model can be changed: mirr"):
        load_model_file(path, {"dropout": 0.3})


def test_commands_predict_from_other_views(run, tmp_path, capsys):
    path, served = str(run[0].path), tmp_path / "served"
    views = ["--set", "shifted_views=1"]
    entry, _ = load_run(path, changes={"shifted_views": 1})
    assert main(["evaluate", path, *views, "--json", str(tmp_path / "f.json")]) == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["overrides"] == {"shifted_views": 1}
    assert figures["loss"] == pytest.approx(evaluate(entry)["loss"], rel=1e-5)
    assert figures["loss"] != pytest.approx(run[0].test_figures["loss"], rel=1e-4)
    assert main(["export", path, str(served), *views]) == 0
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)
    scores = tf.saved_model.load(str(served)).signatures["serving_default"](images=images)["scores"]
    logits = entry.model(entry.pipeline.preprocess(images))
    np.testing.assert_allclose(scores, keras.ops.softmax(logits), atol=1e-5)
    keras.utils.save_img(tmp_path / "digit.png", images[0])
    capsys.readouterr()
    for model, status in ((path, 0), (str(served), 2)):
        arguments = ["predict", "--model", model, str(tmp_path / "digit.png"), *views]
        assert main(arguments) == status
    assert "A SavedModel predicts as it was exported" in capsys.readouterr().err


def test_load_run_refuses_a_run_of_a_model_that_has_changed(run, tmp_path):
    out = shutil.copytree(run[0].path, tmp_path / "run")
    config = json.loads((out / "config.json").read_text())
    config["configuration"]["num_latents"] += 1
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(ZooError, match="of another perceiver_digits_tiny than.* num_latents="):
        load_run(out)


def test_a_field_younger_than_a_run_had_its_default(run, tmp_path):
    out = shutil.copytree(run[0].path, tmp_path / "run")
    config = json.loads((out / "config.json").read_text())
    assert config["configuration"].pop("mirrored_views") is False
    assert config["configuration"].pop("attention_dropout") == 0.0
    (out / "config.json").write_text(json.dumps(config))
    load_run(out, with_data=False)
    config["configuration"].pop("num_latents")
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(ZooError, match="of another perceiver_digits_tiny than.* num_latents=512"):
        load_run(out, with_data=False)


def test_a_run_is_a_start(run):
    images = np.random.default_rng(0).random((2, 8, 8, 1), "float32")
    trained, _ = load_run(run[0].path)
    for weights in (run[0].path, str(run[0].path)):
        entry = build(NAME, weights=weights)
        np.testing.assert_array_equal(entry.model(images), trained.model(images))
        assert entry.class_names == trained.pipeline.class_names == ("0", "1", "2")


def test_a_run_keeps_its_structure_where_rematerialising_has_become_usual(
    run, tmp_path, monkeypatch
):
    out = shutil.copytree(run[0].path, tmp_path / "run")
    config = json.loads((out / "config.json").read_text())
    assert config["configuration"].pop("rematerialise") is False
    (out / "config.json").write_text(json.dumps(config))
    usual = MODELS[NAME]
    architecture = dataclasses.replace(usual.architecture, rematerialise=True)
    monkeypatch.setitem(MODELS, NAME, dataclasses.replace(usual, architecture=architecture))
    assert configuration(NAME).architecture.rematerialise
    entry, _ = load_run(out)
    assert evaluate(entry)["loss"] == pytest.approx(run[0].test_figures["loss"], rel=1e-5)


def test_corrupt_image_is_named(tmp_path):
    for split, name, count in (("train", "a", 3), ("train", "b", 3), ("test", "a", 1)):
        folder = tmp_path / "data" / split / name
        folder.mkdir(parents=True)
        for i in range(count):
            keras.utils.save_img(folder / f"{i}.png", np.full((8, 8, 1), 40 * i))
    (tmp_path / "data" / "test" / "b").mkdir()
    (tmp_path / "data" / "test" / "b" / "broken.png").write_bytes(b"no picture")
    entry = build(NAME, data=str(tmp_path / "data"), **OVERRIDES)
    with pytest.raises(ZooError, match="test/b/broken.png"):
        evaluate(entry, "test")
