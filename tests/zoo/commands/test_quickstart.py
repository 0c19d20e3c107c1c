import json

import numpy as np
import pytest
import tensorflow as tf

from zoo.cli import main
from zoo.commands.quickstart import quickstart
from zoo.errors import ZooError


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One short quickstart through the command line: its folder, report and printed text."""
    folder = tmp_path_factory.mktemp("quickstart")
    options = ["--epochs", "3", "--seed", "5", "--json", str(folder / "report.json")]
    with pytest.MonkeyPatch.context() as patch, open(folder / "printed", "w+") as printed:
        patch.setattr("sys.stdout", printed)
        assert main(["quickstart", "--out", str(folder / "run"), *options]) == 0
    report = json.loads((folder / "report.json").read_text())
    return folder, report, (folder / "printed").read_text()


def test_quickstart_learns_the_digits_a_little_in_three_epochs(finished):
    _, report, _ = finished
    assert report["test_accuracy"] > 0.3
    assert report["test_examples"] > 300
    assert report["epochs"] == 3 and report["seed"] == 5
    assert 0 < report["train_seconds"] < report["total_seconds"]


def test_quickstart_serves_what_was_trained(finished):
    _, report, _ = finished
    assert report["served_max_difference"] < 1e-5
    assert report["served_accuracy"] == pytest.approx(report["test_accuracy"])


def test_quickstart_leaves_everything_in_the_run_folder(finished):
    folder, report, printed = finished
    run = folder / "run"
    assert report["run"] == str(run)
    assert report["saved_model"] == str(run / "saved_model")
    assert {"config.json", "model.keras", "metrics.csv"} <= {file.name for file in run.iterdir()}
    unwrapped = printed.replace("\n", "").replace(" ", "")
    for path in (report["saved_model"], report["contact_sheet"]):
        assert path in unwrapped
    assert f"{report['parameters']:,} parameters" in printed


def test_quickstart_draws_a_contact_sheet_with_its_errors_in_red(finished):
    _, report, _ = finished
    with open(report["contact_sheet"], "rb") as file:
        picture = tf.io.decode_png(file.read(), channels=3).numpy().astype(int)
    red, green, blue = np.moveaxis(picture, -1, 0)
    assert min(picture.shape[:2]) > 300
    assert report["test_accuracy"] < 1
    assert ((red > 150) & (green < 80) & (blue < 80)).sum() > 100


def test_the_run_and_its_saved_model_predict_the_same(finished, tmp_path, capsys):
    _, report, _ = finished
    digit = tmp_path / "digit.png"
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    digit.write_bytes(tf.io.encode_png(pixels).numpy())
    found = []
    for model in (report["run"], report["saved_model"]):
        assert main(["predict", str(digit), "--model", model, "--json", "-"]) == 0
        found.append(json.loads(capsys.readouterr().out)["predictions"][0]["top"])
    assert [item["label"] for item in found[0]] == [item["label"] for item in found[1]]
    scores = [[item["score"] for item in top] for top in found]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def test_the_run_is_evaluated_to_the_same_accuracy(finished, capsys):
    _, report, _ = finished
    assert main(["evaluate", report["run"], "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["accuracy"] == pytest.approx(report["test_accuracy"], abs=1e-6)
    assert figures["split"] == "test" and figures["num_examples"] == report["test_examples"]


def test_the_run_is_exported_by_command(finished, tmp_path, capsys):
    _, report, _ = finished
    assert main(["export", report["run"], str(tmp_path / "served")]) == 0
    assert str(tmp_path / "served") in capsys.readouterr().out.replace("\n", "")
    loaded = tf.saved_model.load(str(tmp_path / "served"))
    names = loaded.signatures["class_names"]()["class_names"].numpy()
    assert [name.decode() for name in names] == list("0123456789")
    assert main(["export", report["run"], str(tmp_path / "served")]) == 2
    assert "must not exist yet" in capsys.readouterr().err


def test_quickstart_refuses_an_existing_folder(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(ZooError, match="exists already"):
        quickstart(out=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
