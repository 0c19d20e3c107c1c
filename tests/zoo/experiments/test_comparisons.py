import json

import numpy as np
import pytest
from rich.console import Console

from zoo.cli import main
from zoo.configs import configuration
from zoo.errors import ZooError
from zoo.experiments import run_series
from zoo.experiments.comparisons import EXPERIMENTS, Experiment, Variant, experiment_variants
from zoo.experiments.picture import draw
from zoo.experiments.report import Finding, markdown_table, report_rows
from zoo.training.fit import TrainingInterrupted


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize(
    "name", ["perceiver_digits_tiny", "perceiver_mnist_small", "perceiver_cifar10_small"]
)
def test_every_variant_is_a_model_of_the_zoo(experiment, name):
    variants = experiment_variants(experiment, name)
    assert len({(variant.label, variant.condition) for variant in variants}) == len(variants) > 2
    for variant in variants:
        configuration(variant.name, **variant.overrides)


def test_models_of_a_pair_differ_in_the_permutation_alone():
    pairs = {}
    for variant in experiment_variants("permuted", "perceiver_mnist_small"):
        pairs.setdefault(variant.label, {})[variant.condition] = variant
    both = [pair for pair in pairs.values() if len(pair) == 2]
    assert len(both) == 4
    for pair in both:
        permuted = dict(pair["permuted"].overrides)
        assert permuted.pop("permutation") in ("rows", "pixels")
        assert permuted == pair["original"].overrides


def test_no_model_of_the_permuted_experiment_sees_mirror_images():
    for variant in experiment_variants("permuted", "perceiver_cifar10_small"):
        config = configuration(variant.name, **variant.overrides)
        assert getattr(config, "num_views", 1) == 1


def test_cross_attends_are_spread_over_the_same_depth():
    for variant in experiment_variants("cross_attends", "perceiver_mnist_small"):
        changed = variant.overrides
        assert changed["num_cross_attends"] * changed["num_blocks"] == 4


def test_wrong_experiments_are_told(capsys):
    with pytest.raises(ZooError, match="no experiment named 'sharin'.* 'sharing'"):
        experiment_variants("sharin", "perceiver_digits_tiny")
    with pytest.raises(ZooError, match="original Perceiver for images.*perceiver_io_flow"):
        experiment_variants("latents", "perceiver_io_flow")
    assert main(["experiment", "latents", "perceiver_io_imagenet_conv"]) != 0
    assert "must be given an original Perceiver for images" in capsys.readouterr().err


def findings():
    run = {"parameters": 1234, "train_seconds": 2.0, "epochs": 3, "headline": "accuracy"}
    shown = [("a, b", "original", (0.9, 0.8)), ("a, b", "permuted", (0.5, 0.7)), ("c", "", ())]
    return [
        Finding(Variant(label, "name", {}, condition), 5_600_000, [run | {"test": x} for x in of])
        for label, condition, of in shown
    ]


def test_report_gives_means_and_spreads_of_what_was_run():
    rows = report_rows(findings())
    assert [row["condition"] for row in rows] == ["original", "permuted"]
    assert rows[0]["mean"] == pytest.approx(0.85)
    assert rows[1]["spread"] == pytest.approx(np.std([0.5, 0.7], ddof=1))
    table = markdown_table(findings(), "title")
    assert "| a, b | permuted | 60.00% ± 14.14% | 1,234 | 5.6 M | 2 |" in table


def test_report_is_drawn(tmp_path):
    draw(findings(), tmp_path / "figure.png", "title")
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_tables_and_pictures_name_what_the_labels_are(tmp_path, monkeypatch):
    table = markdown_table(findings(), "title", "latents")
    assert "| latents | images | test accuracy |" in table
    drawn = []
    monkeypatch.setattr(
        "matplotlib.figure.Figure.savefig", lambda self, *_, **__: drawn.append(self)
    )
    draw(findings(), tmp_path / "figure.png", "title", "latents")
    (axes,) = drawn[0].axes
    assert axes.get_ylabel() == "latents"
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert told == ["original, mean", "permuted, mean", "a single seed"]
    means = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert means == dict.fromkeys(("85.0%", "60.0%", "mean"), 1.02)  # a column, beside no dot


@pytest.fixture
def quick_runs(monkeypatch):
    """Runs that are finished at once, each 0.5; returns the names of their folders."""
    trained = []

    def trained_once(path, name, console, **settings):
        if not run_series.is_finished(path):
            path.mkdir()
            (path / run_series.RESULT_FILE).write_text("{}")
            trained.append(path.name)
        return {"parameters": 1, "train_seconds": 2.0, "epochs": 1, "test": 0.5}

    monkeypatch.setattr(run_series, "trained_once", trained_once)
    return trained


def test_an_experiment_goes_on_in_its_own_folder_alone(quick_runs, tmp_path, capsys):
    out = tmp_path / "runs"
    latents = ["experiment", "latents", "perceiver_digits_tiny", "--out", str(out)]
    assert main(latents) == 0
    assert "Run 1 of 4: latents 2, seed 0\n" in capsys.readouterr().out
    table = (out / "table.md").read_text()
    assert main([*latents, "--seeds", "0", "1"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Run")]
    assert len(quick_runs) == 8 and "left" not in lines[4]  # those of seed 0 took no time
    assert lines[5] == "Run 6 of 8: latents 4, seed 1, about 1 s left"
    assert main(["experiment", "permuted", *latents[2:]]) == 2
    assert "experiment was 'latents', now 'permuted'." in capsys.readouterr().err
    assert (out / "table.md").read_text() != table and len(quick_runs) == 8


def test_an_experiment_leaves_other_folders_alone(quick_runs, tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    latents = ["experiment", "latents", "perceiver_digits_tiny", "--out", str(tmp_path)]
    assert main(latents) == 2
    assert "holds something else. Choose another with --out." in capsys.readouterr().err
    assert main([*latents[:-1], str(tmp_path / "config.json" / "out")]) == 2
    assert "config.json is a file" in capsys.readouterr().err
    assert main([*latents, "--seeds", "0", "0"]) == 2
    assert "`seeds` must be different integers" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"] and not quick_runs


def test_a_finished_run_of_other_settings_is_told_by_what_differs(tmp_path):
    settings = {"name": "tiny", "overrides": {"num_latents": 2}, "seed": 0}
    (tmp_path / run_series.RESULT_FILE).write_text(json.dumps({"settings": settings}))
    with pytest.raises(ZooError, match="with other settings: num_latents was 2, now 4. Choose"):
        run_series.trained_once(
            tmp_path, "tiny", Console(quiet=True), overrides={"num_latents": 4}, seed=0
        )


@pytest.fixture
def data(random, tmp_path):
    path = tmp_path / "data.npz"
    images = random.integers(0, 256, (12, 8, 8), dtype=np.uint8)
    labels = np.arange(12) % 3
    np.savez(path, x_train=images, y_train=labels, x_test=images[:6], y_test=labels[:6])
    return str(path)


@pytest.mark.slow
def test_series_keeps_what_is_finished_and_goes_on(data, tmp_path, monkeypatch, capsys):
    arguments = ["experiment", "latents", "perceiver_digits_tiny", "--data", data]
    arguments += ["--epochs", "1", "--out", str(tmp_path / "runs")]
    train, calls = run_series.train, []

    def interrupted(*positional, **settings):
        calls.append(settings["out"].name)
        if len(calls) == 2:
            raise TrainingInterrupted("stop")
        return train(*positional, **settings)

    monkeypatch.setattr(run_series, "train", interrupted)
    tiny = {"num_cross_attends": 1, "num_self_attends_per_block": 1}
    two = [Variant(str(n), "perceiver_digits_tiny", {"num_latents": n, **tiny}) for n in (2, 4)]
    monkeypatch.setitem(EXPERIMENTS, "latents", Experiment("", "", lambda *_: two))
    assert main(arguments) == 130
    assert "The same command goes on from there" in capsys.readouterr().err
    assert main(arguments) == 0
    assert calls == [f"{n}-seed-0" for n in (2, 4, 4)]
    rows = json.loads((tmp_path / "runs" / "results.json").read_text())
    assert [row["label"] for row in rows] == ["2", "4"]
    assert (tmp_path / "runs" / "figure.png").exists()
    assert "| 4 |" in (tmp_path / "runs" / "table.md").read_text()
    assert main([*arguments[:6], "2", *arguments[7:]]) == 2
    assert "epochs was 1, now 2. Choose another folder" in capsys.readouterr().err


@pytest.mark.slow
def test_a_series_needs_a_test_split(random, tmp_path):
    path = tmp_path / "data.npz"
    images = random.integers(0, 256, (6, 8, 8), dtype=np.uint8)
    np.savez(path, x_train=images, y_train=np.arange(6) % 3)
    with pytest.raises(ZooError, match="must have a test split"):
        run_series.trained_once(
            tmp_path / "run",
            "perceiver_digits_tiny",
            Console(quiet=True),
            data=str(path),
            epochs=1,
        )
