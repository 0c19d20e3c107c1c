"""The oracles, with scores made up: no model is built."""

import json

import keras_tuner
import pytest

from tuning.oracles import ORACLES

OBJECTIVE = keras_tuner.Objective("score", "max")


def space():
    hp = keras_tuner.HyperParameters()
    hp.Choice("width", [1, 2, 3, 4], default=2)
    hp.Choice("depth", [1, 2, 3], default=1)
    hp.Float("rate", 0.1, 1.0, step=0.3)
    return hp


def build(kind, path, admits=lambda hp: True, **settings):
    if kind == "hyperband":
        settings = {"max_epochs": 4, **settings}
    else:
        settings = {"max_trials": 12, **settings}
    if kind == "bayesian":
        settings["num_initial_points"] = 4
    oracle = ORACLES[kind](
        objective=OBJECTIVE, hyperparameters=space(), admits=admits, seed=0, **settings
    )
    oracle._set_project_dir(str(path.parent), path.name)
    return oracle


def score_of(values):
    return values["width"] * values["depth"] - values["rate"]


def finish(oracle, trial, status="COMPLETED"):
    if status == "COMPLETED":
        oracle.update_trial(trial.trial_id, {"score": score_of(trial.hyperparameters.values)})
    trial.status = status
    oracle.end_trial(trial)


def run(oracle, most=60):
    """Runs trials until the oracle stops; returns their values."""
    seen = []
    for _ in range(most):
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            return seen
        seen.append(dict(trial.hyperparameters.values))
        finish(oracle, trial)
    return seen


def own(values):
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


@pytest.mark.parametrize("kind", ORACLES)
def test_nothing_outside_of_the_budget_is_proposed(kind, tmp_path):
    def admits(hp):
        return hp.get("width") * hp.get("depth") <= 3

    settings = {"max_trials": None} if kind == "grid" else {}
    seen = run(build(kind, tmp_path / "search", admits, **settings))
    assert len(seen) > 4
    assert all(values["width"] * values["depth"] <= 3 for values in seen)
    assert any(values["width"] * values["depth"] == 3 for values in seen)


def test_a_grid_begins_within_the_budget_and_has_all_of_it(tmp_path):
    oracle = build("grid", tmp_path / "s", lambda hp: hp.get("width") >= 3, max_trials=None)
    seen = run(oracle)
    combinations = {tuple(own(values).values()) for values in seen}
    assert len(seen) == len(combinations) == 2 * 3 * 4


@pytest.mark.parametrize("kind", ORACLES)
def test_a_seed_gives_the_same_trials_also_when_resumed_after_each(kind, tmp_path):
    whole = run(build(kind, tmp_path / "whole"))
    pieces = []
    for _ in range(60):
        oracle = build(kind, tmp_path / "pieces")
        if pieces:
            oracle.reload()
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        pieces.append(dict(trial.hyperparameters.values))
        finish(oracle, trial)
    assert whole == pieces and len(whole) > 5


@pytest.mark.parametrize("kind", ORACLES)
def test_a_running_trial_is_run_again_after_a_kill(kind, tmp_path):
    oracle = build(kind, tmp_path / "s")
    finish(oracle, oracle.create_trial("tuner0"))
    running = oracle.create_trial("tuner0")
    again = build(kind, tmp_path / "s")
    again.reload()
    trial = again.create_trial("tuner0")
    assert trial.trial_id == running.trial_id
    assert trial.hyperparameters.values == running.hyperparameters.values
    finish(again, trial)
    assert again.create_trial("tuner0").trial_id not in {"0", "1", "00", "01", "0000", "0001"}


@pytest.mark.parametrize("kind", ORACLES)
def test_what_a_kill_left_between_two_files_is_mended(kind, tmp_path):
    oracle = build(kind, tmp_path / "s")
    finish(oracle, oracle.create_trial("tuner0"))
    state = (tmp_path / "s" / "oracle.json").read_text()
    begun = oracle.create_trial("tuner0")
    (tmp_path / "s" / "oracle.json").write_text(state)  # killed before the oracle was written
    again = build(kind, tmp_path / "s")
    again.reload()
    trial = again.create_trial("tuner0")
    assert trial.trial_id == begun.trial_id
    assert trial.hyperparameters.values == begun.hyperparameters.values
    state = (tmp_path / "s" / "oracle.json").read_text()
    finish(again, trial)
    (tmp_path / "s" / "oracle.json").write_text(state)  # killed after the trial was written
    last = build(kind, tmp_path / "s")
    last.reload()
    assert last.trials[trial.trial_id].status == "COMPLETED"
    assert last.create_trial("tuner0").trial_id != trial.trial_id


def test_a_workers_trial_is_given_back(tmp_path):
    oracle = build("random", tmp_path / "s", waits=True, max_trials=2)
    lost = oracle.create_trial("a")
    kept = oracle.create_trial("b")
    finish(oracle, kept)
    assert oracle.create_trial("b").status == "IDLE"  # the other's trial may come back
    assert oracle.give_back("a") == lost.trial_id
    again = oracle.create_trial("b")
    assert again.trial_id == lost.trial_id
    finish(oracle, again)
    finish(oracle, lost)  # the worker was alive after all: its result comes too late
    assert oracle.end_order == [kept.trial_id, lost.trial_id]
    assert oracle.create_trial("b").status == "STOPPED"
    assert not oracle.workers()


def test_failures_in_a_row_end_the_search_and_are_written(tmp_path):
    oracle = build("random", tmp_path / "s")
    finish(oracle, oracle.create_trial("tuner0"))
    for _ in range(3):
        finish(oracle, oracle.create_trial("tuner0"), "FAILED")
    assert oracle.gave_up
    assert oracle.create_trial("tuner0").status == "STOPPED"
    statuses = [
        json.loads(path.read_text())["status"] for path in sorted(tmp_path.glob("s/trial_*/*.json"))
    ]
    assert statuses == ["COMPLETED", "FAILED", "FAILED", "FAILED"]


@pytest.mark.parametrize("max_trials", [None, 11, 3])
def test_hyperband_knows_its_epochs(max_trials, tmp_path):
    oracle = build("hyperband", tmp_path / "s", max_epochs=9, max_trials=max_trials)
    planned, trained = oracle.planned_epochs(9), 0
    for values in run(oracle):
        trained += values["tuner/epochs"] - values["tuner/initial_epoch"]
    assert trained == planned


def test_hyperbands_trials_have_the_least_epochs_that_are_asked_for(tmp_path):
    settings = {"max_epochs": 32, "min_epochs": 8, "factor": 2, "hyperband_iterations": 2}
    trained = [
        (values["tuner/initial_epoch"], values["tuner/epochs"])
        for values in run(build("hyperband", tmp_path / "s", **settings), most=100)
    ]
    once = (
        4 * [(0, 8)] + 2 * [(8, 16)] + [(16, 32)] + 3 * [(0, 16)] + 2 * [(16, 32)] + 3 * [(0, 32)]
    )
    assert sorted(trained) == sorted(2 * once)
    planned = build("hyperband", tmp_path / "planned", **settings).planned_epochs(32)
    assert planned == sum(last - first for first, last in trained)


def test_epochs_that_the_factor_does_not_divide_are_rounded_up(tmp_path):
    oracle = build("hyperband", tmp_path / "s", max_epochs=30, min_epochs=4, factor=3)
    assert {values["tuner/epochs"] for values in run(oracle)} == {10, 30}
