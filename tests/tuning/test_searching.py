"""Whole searches: over a hypermodel of two layers, and over a model of the zoo."""

import io
import json

import keras
import keras_tuner
import numpy as np
import pytest
from rich.console import Console

import tuning
from tuning.budget import Budget
from tuning.hypermodel import PerceiverHyperModel
from tuning.searching import search
from tuning.stopping import MedianStop
from tuning.trials import SearchFolder, pareto_front, ranked, read_trials
from zoo.errors import ZooError


class Line(keras_tuner.HyperModel):
    """A line through points of a line: its rate decides how soon it is found."""

    def __init__(self, fails=lambda hp: None):
        super().__init__()
        self.fails = fails

    def build(self, hp):
        rate = hp.Float("rate", 1e-3, 1.0, sampling="log")
        hp.Choice("width", [1, 2, 3])
        self.fails(hp)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=True)
        return model


def points():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(16, 2)).astype("float32")
    targets = inputs @ np.array([[1.0], [-2.0]], "float32")
    data = {"x": inputs, "y": targets, "validation_data": (inputs, targets)}
    return {**data, "batch_size": 8, "verbose": 0}


def run(path, hypermodel=None, **settings):
    text = io.StringIO()
    settings = {"tuner": "random", "max_trials": 4, "epochs": 3, **settings}
    found = search(
        hypermodel=hypermodel or Line(),
        objective="val_loss",
        directory=path,
        fit_settings=points(),
        console=Console(file=text, width=200),
        **settings,
    )
    return found, text.getvalue()


def test_a_search_keeps_every_trial(tmp_path):
    found, text = run(tmp_path / "s")
    assert [trial.status for trial in found.trials] == ["COMPLETED"] * 4
    assert found.best.score == min(trial.score for trial in found.trials)
    assert len({trial.score for trial in found.trials}) == 4
    for trial in found.trials:
        assert len(trial.history["val_loss"]) == trial.epochs == 3
        assert trial.history["val_loss"][-1] == pytest.approx(trial.score)
        assert f"trial {trial.trial_id}  val_loss {trial.score:.4f}" in text
        assert list((tmp_path / "s" / f"trial_{trial.trial_id}" / "logs").rglob("events.*"))
    assert "left" in text and found.failed == []


def test_the_last_epoch_counts_and_is_what_is_kept(tmp_path):
    class Worse(Line):
        def fit(self, hp, model, *args, callbacks=(), **kwargs):
            class Spoil(keras.callbacks.Callback):
                def on_epoch_end(self, epoch, logs=None):
                    logs["val_loss"] = float(epoch)

            return model.fit(*args, callbacks=[Spoil(), *callbacks], **kwargs)

    found, _ = run(tmp_path / "s", Worse(), max_trials=1)
    assert found.best.score == 2.0


def test_a_search_goes_on_where_it_ended(tmp_path):
    whole, _ = run(tmp_path / "whole", max_trials=5)
    first, _ = run(tmp_path / "pieces", max_trials=2)
    began = {path: path.stat().st_mtime_ns for path in (tmp_path / "pieces").glob("*/trial.json")}
    second, text = run(tmp_path / "pieces", max_trials=5)
    assert [t.values for t in second.trials] == [t.values for t in whole.trials]
    assert [t.score for t in second.trials] == [t.score for t in whole.trials]
    assert first.trials == second.trials[:2]
    assert all(path.stat().st_mtime_ns == time for path, time in began.items())
    assert text.count("\n") == 3
    again, text = run(tmp_path / "pieces", max_trials=None)  # as many as were asked for before
    assert again.trials == second.trials and text == ""


def test_executions_have_seeds_of_their_own_and_their_mean_counts(tmp_path):
    once = [run(tmp_path / f"s{k}", max_trials=1, seed=k)[0].best.score for k in (5, 6)]
    fixed = [run(tmp_path / f"f{k}", max_trials=1, seed=k)[0].best.values for k in (5,)]
    twice, _ = run(tmp_path / "twice", max_trials=1, seed=5, executions_per_trial=2)
    assert twice.best.values == fixed[0]
    assert twice.best.score != once[0]
    assert (tmp_path / "twice" / "trial_0" / "checkpoint_1.weights.h5").exists()


def test_hyperband_goes_on_from_the_last_epoch(tmp_path):
    found, _ = run(tmp_path / "s", tuner="hyperband", epochs=4, factor=2, max_trials=None)
    continued = [trial for trial in found.trials if "tuner/trial_id" in trial.values]
    assert continued
    by_id = {trial.trial_id: trial for trial in found.trials}
    for trial in continued:
        parent = by_id[trial.values["tuner/trial_id"]]
        first = trial.values["tuner/initial_epoch"]
        assert trial.hyperparameters == parent.hyperparameters
        assert trial.history["loss"][:first] == parent.history["loss"]
        assert trial.epochs == trial.values["tuner/epochs"] > first
        # Gradient descent without momentum: its loss falls from the very weights of its parent.
        assert trial.history["loss"][first] < parent.history["loss"][-1]
    parents = {trial.values["tuner/trial_id"] for trial in continued}
    listed = ranked(read_trials(found.path), "min")
    assert found.best == listed[0] and not parents & {trial.trial_id for trial in listed}
    assert [trial.score for trial in listed] == sorted(trial.score for trial in listed)


def test_failed_trials_are_counted_with_their_reason(tmp_path, capsys):
    def fails(hp):
        if hp.get("width") == 2:
            raise ValueError("two is too wide")

    found, text = run(tmp_path / "s", Line(fails), max_trials=8, seed=3)
    assert 0 < len(found.failed) < 8
    assert all(trial.values["width"] == 2 for trial in found.failed)
    assert {trial.reason for trial in found.failed} == {"ValueError: two is too wide"}
    assert text.count("failed: ValueError: two is too wide") == len(found.failed)
    assert capsys.readouterr().err == ""  # the tracebacks are in the trials' records
    assert all(trial.message.startswith("Traceback") for trial in found.failed)


def test_a_search_without_a_completed_trial_is_an_error(tmp_path):
    class Broken(Line):
        def fit(self, *args, **kwargs):
            raise ValueError("nothing works")

    with pytest.raises(ZooError, match="No trial was completed: 3 of 3 failed. .*nothing works"):
        run(tmp_path / "s", Broken(), max_trials=9)


def test_a_hypermodel_must_build_its_defaults(tmp_path):
    def fails(hp):
        raise ValueError("nothing works")

    with pytest.raises(ZooError, match="must build its own defaults: nothing works"):
        run(tmp_path / "s", Line(fails))


def test_trials_that_run_out_of_time_end_the_search(tmp_path):
    with pytest.raises(ZooError, match=r"3 of 3 failed. The last: ran out of its 0.0001 s in"):
        run(tmp_path / "s", max_trials=9, max_trial_seconds=1e-4)


def test_a_loss_that_is_not_finite_fails_the_trial(tmp_path):
    class Diverging(Line):
        def build(self, hp):
            model = super().build(hp)
            model.compile(keras.optimizers.SGD(1e30), "mse", run_eagerly=True)
            return model

    with pytest.raises(ZooError, match="the loss became (nan|inf) in epoch"):
        run(tmp_path / "s", Diverging(), epochs=9)


def test_no_trial_is_begun_after_the_time_is_up(tmp_path):
    with pytest.raises(ZooError, match="must complete at least one trial. Received: none was run"):
        run(tmp_path / "s", max_seconds=-1.0)
    found, _ = run(tmp_path / "s")
    assert len(found.trials) == 4


def test_the_median_rule_ends_trials_that_are_worse(tmp_path):
    found, _ = run(tmp_path / "s", max_trials=7, epochs=4, stopping="median", seed=2)
    stopped = [trial for trial in found.trials if trial.stopped == "median"]
    assert stopped and all(3 <= trial.epochs < 4 for trial in stopped)
    assert found.best.stopped is None
    scores = [trial.score for trial in found.trials]
    assert all(trial.score > np.median(scores) for trial in stopped)


def test_the_median_rule_is_viziers():
    class Record:
        objective = keras_tuner.Objective("val_accuracy", "max")
        stopped = None

    def stops(best_so_far, others, epoch):
        rule = MedianStop(Record(), first_epochs=1, least_trials=3)
        rule.record.history = {"val_accuracy": best_so_far}
        rule.record.stopped = None
        rule.others = others
        rule.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
        rule.model.stop_training = False
        rule.on_epoch_end(epoch)
        return rule.model.stop_training

    others = [[0.1, 0.3], [0.2, 0.4], [0.6, 0.8]]  # means up to epoch 2: 0.2, 0.3, 0.7
    assert stops([0.1, 0.29], others, 1)
    assert not stops([0.31, 0.1], others, 1)
    assert not stops([0.0, 0.0], others[:2], 1)


def test_another_search_in_the_folder_is_refused(tmp_path):
    run(tmp_path / "s", max_trials=1)
    with pytest.raises(ZooError, match=r"In '.*' --seed was 0, now 1\. Leave that to --resume"):
        run(tmp_path / "s", max_trials=1, seed=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("Dear reader")
    with pytest.raises(ZooError, match="must have a new or empty folder. Received: .*full"):
        run(tmp_path / "full", max_trials=1)


def test_a_search_from_before_the_least_epochs_could_be_chosen_goes_on(tmp_path):
    run(tmp_path / "s", max_trials=1, epochs=6)
    folder = SearchFolder(tmp_path / "s")
    folder.write_settings({k: v for k, v in folder.settings.items() if k != "min_epochs"})
    with pytest.raises(ZooError, match=r"--min-epochs was 1, now 2\. Leave"):
        run(tmp_path / "s", max_trials=1, epochs=6, min_epochs=2)
    assert len(run(tmp_path / "s", max_trials=2, epochs=6)[0].trials) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tuner": "hyperbend"}, "`tuner` must be one of .* Did you mean 'hyperband'"),
        ({"space": "perciever"}, "no search space 'perciever'. Did you mean 'perceiver'"),
        ({"space": "perceiver_io"}, "'perceiver_io' must be given a model of its kind"),
        (
            {"objective": "val_acuracy"},
            "must be one of what the model reports: accuracy, loss, val",
        ),
        ({"objective": "largest:loss"}, "must be NAME, max:NAME or min:NAME"),
        ({"only": ["num_latent"]}, "'num_latent' is not a hyperparameter .* 'num_latents'"),
        ({"fixed": {"heads": 3}}, "'heads' is not a hyperparameter of the space 'perceiver'"),
        ({"fixed": {"dropout": 5}}, "must make a model. Received: dropout=5: `dropout` must"),
        ({"fixed": {"learning_rate": -1.0}}, "must make a model. Received: learning_rate=-1.0: "),
        ({"fixed": {"latent_channels": "wide"}}, "must make a model. Received: latent_channels="),
        ({"fixed": {"sharing": [1]}}, "must make a model. Received: sharing="),
        ({"budget": Budget(parameters=9)}, "The budget must admit some model of the space"),
        ({"epochs": 0}, "`epochs` must be an int > 0"),
        ({"executions_per_trial": 0}, "`executions_per_trial` must be an int from 1"),
        ({"max_trials": 0}, "`max_trials` must be an int from 1"),
        ({"min_epochs": 0}, "`min_epochs` must be an int from 1"),
        ({"epochs": 9, "min_epochs": 4}, "`min_epochs` must be at most 3, .* Received: .*=4"),
        ({"epochs": 2, "min_epochs": 2}, "`min_epochs` must be at most 1, .* Received: .*=2"),
        ({"stopping": "mean"}, "`stopping` must be one of none, median"),
        ({"data": "nothing.npz"}, "There is no such file or folder: nothing.npz"),
        ({"chief": "here"}, "An address must be of the form HOST:PORT"),
    ],
)
def test_bad_settings_are_told_before_anything_is_written(settings, message, tmp_path):
    with pytest.raises(ZooError, match=message):
        search("perceiver_digits_tiny", directory=tmp_path / "s", **settings)
    assert not (tmp_path / "s").exists()


def test_a_held_value_may_need_others_than_the_models_own(tmp_path):
    fixed = {"latent_channels": 20, "num_self_attention_heads": 4}
    PerceiverHyperModel("perceiver_digits_tiny", fixed=fixed)
    PerceiverHyperModel("perceiver_digits_tiny", fixed={"latent_channels": 36})


def small_images(path):
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = random.integers(0, 100, (40, 8, 8)) + 100 * labels[:, None, None]
    arrays = {"x_train": images[:30], "y_train": labels[:30]}
    np.savez(path, **arrays, x_test=images[30:], y_test=labels[30:])
    return str(path)


@pytest.mark.slow
def test_a_model_of_the_zoo_is_searched_reported_and_applied(tmp_path):
    data = small_images(tmp_path / "images.npz")
    found = search(
        "perceiver_digits_tiny",
        data=data,
        tuner="random",
        max_trials=2,
        epochs=2,
        budget=Budget(parameters=20_000),
        directory=tmp_path / "s",
        overrides={"num_cross_attends": 1},
        fixed={
            "num_latents": 3,
            "latent_channels": 16,
            "num_self_attention_heads": 2,
            "num_self_attends_per_block": 1,
            "self_attention_widening_factor": 1,
            "num_cross_attends": 1,
        },
        jit_compile=False,
        console=Console(file=io.StringIO()),
    )
    assert len(found.trials) == 2 and not found.failed
    for trial in found.trials:
        assert 0 < trial.parameters <= 20_000 and trial.multiply_adds > 0
    picture = tuning.report(found.path)
    assert picture.stat().st_size > 10_000
    assert picture.with_suffix(".csv").read_text().count("\n") == 3
    result, saved_model = tuning.apply(
        found.path, epochs=1, jit_compile=False, console=Console(file=io.StringIO())
    )
    config = json.loads((result.path / "config.json").read_text())
    assert result.parameters == found.best.parameters
    assert config["overrides"]["latent_channels"] == 16
    assert config["recipe"]["learning_rate"] == found.best.values["learning_rate"]
    assert result.num_test_examples == 10  # trained on all 30 others, measured on the test split
    assert (saved_model / "saved_model.pb").exists()


def test_the_pareto_front_has_what_no_other_beats():
    from tuning.trials import SearchTrial

    def trial(name, cost, score):
        return SearchTrial(name, "COMPLETED", {}, score=score, multiply_adds=cost)

    trials = [trial("a", 4, 0.9), trial("b", 2, 0.7), trial("c", 3, 0.6), trial("d", 2, 0.5)]
    assert [t.trial_id for t in pareto_front(trials, "multiply_adds", "max")] == ["b", "a"]
    assert [t.trial_id for t in pareto_front(trials, "multiply_adds", "min")] == ["d"]


def test_a_folder_that_is_no_search_is_told(tmp_path):
    with pytest.raises(ZooError, match="must be the folder of a search. Received: a path without"):
        SearchFolder.open(tmp_path)
