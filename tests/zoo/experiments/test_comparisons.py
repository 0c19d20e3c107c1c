import json

import numpy as np
import pytest
from rich.console import Console

from zoo.cli import main
from zoo.configs import configuration
from zoo.errors import ZooError
from zoo.experiments import run_series
from zoo.experiments.comparisons import EXPERIMENTS, Experiment, Variant, experiment_variants
from zoo.experiments.report import Finding, draw, markdown_table, report_rows
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
    assert "must have the settings" in capsys.readouterr().err


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
