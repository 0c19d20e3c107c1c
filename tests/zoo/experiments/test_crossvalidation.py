"""Cross-validation: every fold a run, resumed after anything, summed up in numbers and a table."""

import json
import shutil
import warnings

import numpy as np
import pytest
from graph_examples import rings_and_trees, write_tu

from zoo.cli import main
from zoo.errors import ZooError
from zoo.experiments.crossvalidation import cross_validate, summary_of
from zoo.training.fit import TrainingInterrupted

NAME = "perceiver_mutag_small"
TINY = (
    *("--set", "num_latents=3", "--set", "latent_channels=8", "--set", "num_cross_attends=1"),
    *("--set", "num_self_attention_heads=2", "--set", "num_cross_attention_heads=1"),
    *("--set", "cross_attention_qk_channels=8", "--set", "cross_attention_v_channels=8"),
    *("--epochs", "1", "--recipe", "passes_per_epoch=2", "--batch-size", "8"),
)


@pytest.fixture
def data(tmp_path):
    return str(write_tu(tmp_path / "TOY", rings_and_trees(16)))


def test_summary_counts_seeds_and_folds_apart():
    runs = [{"seed": s, "fold": f, "a": v} for s, f, v in ((0, 0, 0.5), (0, 1, 0.7), (3, 0, 1.0))]
    summary = summary_of(runs, "a")
    assert [row["seed"] for row in summary["by_seed"]] == [0, 3]
    assert summary["mean"] == pytest.approx((0.6 + 1.0) / 2)
    assert summary["std_of_seeds"] == pytest.approx(np.std([0.6, 1.0], ddof=1))
    assert summary["std_of_folds"] == pytest.approx(np.std([0.5, 0.7, 1.0], ddof=1))
    assert summary["by_seed"][0]["std"] == pytest.approx(np.std([0.5, 0.7], ddof=1))
    one = summary_of(runs[:1], "a")
    assert one["std_of_seeds"] is None and one["by_seed"][0]["std"] is None


@pytest.mark.slow
def test_the_command_trains_each_fold_and_goes_on_where_it_stopped(data, tmp_path, capsys):
    out, path = tmp_path / "runs", tmp_path / "report.json"
    command = ["crossvalidate", NAME, "--data", data, "--folds", "2", "--out", str(out), *TINY]
    assert main([*command, "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    report = json.loads(path.read_text())
    assert report == json.loads((out / "crossvalidation.json").read_text())
    assert [(run["seed"], run["fold"]) for run in report["runs"]] == [(0, 0), (0, 1)]
    assert all(run["num_examples"] == 8 for run in report["runs"])
    accuracies = [run["accuracy"] for run in report["runs"]]
    assert report["summary"]["mean"] == pytest.approx(np.mean(accuracies))
    assert f"accuracy {np.mean(accuracies):.4f}" in printed and "seed 0, fold 1" in printed
    for fold in range(2):
        config = json.loads((out / f"seed_0/fold_{fold}/config.json").read_text())
        assert config["overrides"]["fold"] == fold and config["overrides"]["num_folds"] == 2
        assert config["from_data"]["node_labels"] == [4, 7, 9]
        assert (out / f"seed_0/fold_{fold}/model.keras").is_file()

    # A run that was not reported is finished, one that is missing trained again; no other is.
    report["runs"].pop()
    (out / "crossvalidation.json").write_text(json.dumps(report))
    before = (out / "seed_0/fold_0/model.keras").stat().st_mtime_ns
    assert main(command) == 0
    assert "Finished before: 1 trainings. Left: 1." in capsys.readouterr().out
    again = json.loads((out / "crossvalidation.json").read_text())
    assert [run["accuracy"] for run in again["runs"]] == pytest.approx(accuracies)
    assert (out / "seed_0/fold_0/model.keras").stat().st_mtime_ns == before

    assert main([*command, "--set", "num_walks=2"]) == 2
    assert "goes on with its own settings. In " in capsys.readouterr().err


def test_an_interruption_keeps_what_was_finished(data, tmp_path, monkeypatch):
    import zoo.experiments.crossvalidation as module

    calls = []

    def train_fold(name, data, folder, overrides, settings, division):
        calls.append(division)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return {"seed": division[2], "fold": division[1], "accuracy": 0.5}

    monkeypatch.setattr(module, "_train_fold", train_fold)
    out = tmp_path / "my runs"
    with pytest.raises(TrainingInterrupted, match="2 of 6 trainings. .* --out '.*my runs'"):
        cross_validate(NAME, data=data, out=out, folds=3, seeds=(0, 4))
    report = cross_validate(NAME, data=data, out=out, folds=3, seeds=(0, 4))
    assert calls == [(3, f, s) for f, s in ((0, 0), (1, 0), (2, 0), (2, 0), (0, 4), (1, 4), (2, 4))]
    assert len(report["runs"]) == 6 and report["summary"]["mean"] == 0.5
    shutil.rmtree(out)


def test_an_interruption_of_the_first_training_goes_on(data, tmp_path, monkeypatch):
    import zoo.experiments.crossvalidation as module

    def train_fold(name, data, folder, overrides, settings, division):
        (folder / "seed_0" / f"fold_{division[1]}").mkdir(parents=True)
        if len(list((folder / "seed_0").iterdir())) == 1:
            raise KeyboardInterrupt
        return {"seed": 0, "fold": division[1], "accuracy": 0.5}

    monkeypatch.setattr(module, "_train_fold", train_fold)
    with pytest.raises(TrainingInterrupted, match="0 of 3 trainings"):
        cross_validate(NAME, data=data, out=tmp_path / "out", folds=3)
    (tmp_path / "out" / "seed_0" / "fold_0").rename(tmp_path / "out" / "seed_0" / "before")
    report = cross_validate(NAME, data=data, out=tmp_path / "out", folds=3)
    assert len(report["runs"]) == 3


def test_each_warning_is_shown_once(data, tmp_path, monkeypatch):
    import zoo.experiments.crossvalidation as module

    def train_fold(name, data, folder, overrides, settings, division):
        warnings.warn("two graphs are large", stacklevel=1)
        warnings.warn(f"fold {division[1]}", stacklevel=1)
        return {"seed": 0, "fold": division[1], "accuracy": 0.5}

    monkeypatch.setattr(module, "_train_fold", train_fold)
    with pytest.warns(UserWarning) as shown:
        cross_validate(NAME, data=data, out=tmp_path / "out", folds=3)
    messages = [str(warning.message) for warning in shown]
    assert messages == ["two graphs are large", "fold 0", "fold 1", "fold 2"]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("perceiver_digits_tiny", {}, "data is divided into folds.* Received: perceiver_digits"),
        (NAME, {"folds": 1}, "`folds` must be an integer of at least 2. Received: folds=1"),
        (NAME, {"seeds": (1, 1)}, r"`seeds` must be different integers from 0. .* \[1, 1\]"),
        (NAME, {"seeds": (-1,)}, r"`seeds` must be different integers from 0. .* \[-1\]"),
        (NAME, {"overrides": {"fold": 2}}, "`fold` is set for each training"),
        (NAME, {"overrides": {"max_node": 2}}, "no setting 'max_node'. Did you mean 'max_nodes'"),
    ],
)
def test_wrong_settings_are_one_clear_line(name, settings, message, tmp_path):
    with pytest.raises(ZooError, match=message):
        cross_validate(name, data=None, out=tmp_path / "out", **settings)


def test_the_command_tells_of_wrong_settings(tmp_path, capsys):
    assert main(["crossvalidate", NAME, "--folds", "1", "--out", str(tmp_path / "out")]) == 2
    assert "`folds` must be an integer of at least 2" in capsys.readouterr().err


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ZooError, match="holds something else"):
        cross_validate(NAME, data=None, out=tmp_path)
    with pytest.raises(ZooError, match="holds something else"):
        cross_validate(NAME, data=None, out=tmp_path / "file")
    (tmp_path / "crossvalidation.json").write_text("{")
    with pytest.raises(ZooError, match="crossvalidation.json cannot be read"):
        cross_validate(NAME, data=None, out=tmp_path)
