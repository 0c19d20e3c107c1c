import json
import signal
import subprocess
import sys

import pytest

from tuning import applying, cli, commands_search
from tuning.commands_results import training_command
from tuning.commands_search import short_trainings
from tuning.searching import FinishedSearch
from tuning.trials import SearchFolder

SETTINGS = {
    "name": "perceiver_digits_tiny", "data": None, "space": "perceiver", "tuner": "random",
    "objective": "val_accuracy", "direction": "max", "epochs": 3, "budget": {}, "seed": 0,
    "executions_per_trial": 1, "overrides": {}, "fixed": {}, "only": None, "stopping": "none",
    "factor": 3, "hyperband_iterations": 1, "validation_share": 0.2, "skip_corrupt": False,
    "max_trials": None,
}  # fmt: skip


def write_trial(folder, number, score, multiply_adds, status="COMPLETED", message=None):
    values = {"learning_rate": 0.01 * (number + 1), "sharing": ("all", "none")[number % 2]}
    state = {"trial_id": f"{number:02d}", "hyperparameters": {"space": [], "values": values}}
    state |= {"status": status, "score": score, "message": message, "best_step": 0, "metrics": {}}
    path = folder.path / f"trial_{number:02d}"
    path.mkdir()
    (path / "trial.json").write_text(json.dumps(state))
    record = {"parameters": 10 * multiply_adds, "multiply_adds": multiply_adds}
    record |= {"training_bytes": 7, "overrides": {"max_resolution": [4, 4]}}
    record |= {"recipe": {"learning_rate": values["learning_rate"]}, "stopped": None}
    curve = [0.1, 0.2, score or 0.2]
    record |= {"history": {"val_accuracy": curve}, "seconds": 2.0, "total_seconds": 2.5}
    folder.write_history(f"{number:02d}", record)


@pytest.fixture
def searched(tmp_path):
    """The folder of a search over twelve trials, of which one failed."""
    folder = SearchFolder(tmp_path / "s")
    folder.begin(SETTINGS)
    for number in range(11):
        write_trial(folder, number, 0.5 + 0.04 * number, 1000 + 100 * number)
    message = "Traceback\n  ...\nValueError: too wide\n"
    write_trial(folder, 11, None, 5000, "FAILED", message)
    return tmp_path / "s"


def test_status_shows_every_trial(searched, capsys):
    assert cli.main(["status", str(searched), "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert "11 completed, 1 failed; best 0.9000 (trial 10)" in captured.err
    assert "trial 11 failed: ValueError: too wide" in captured.err
    report = json.loads(captured.out)
    assert len(report["trials"]) == 12 and report["counts"] == {"completed": 11, "failed": 1}


def test_best_keeps_to_bounds(searched, capsys):
    assert cli.main(["best", str(searched), "--json", str(searched / "best.json")]) == 0
    best = json.loads((searched / "best.json").read_text())["best"]
    assert [trial["trial_id"] for trial in best] == ["10", "09", "08", "07", "06"]
    capsys.readouterr()
    arguments = ["best", str(searched), "--max-multiply-adds", "1250", "--top", "1", "--json", "-"]
    assert cli.main(arguments) == 0
    captured = capsys.readouterr()
    assert [t["trial_id"] for t in json.loads(captured.out)["best"]] == ["02"]
    assert "learning_rate = 0.03" in captured.err
    assert cli.main(["best", str(searched), "--max-parameters", "9"]) == 2
    assert "There must be a completed trial within the bounds" in capsys.readouterr().err


def test_best_shows_the_pareto_front(searched, capsys):
    write_trial(SearchFolder(searched), 12, 0.6, 900)
    assert cli.main(["best", str(searched), "--pareto", "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert "trial 10, the best of them:" in captured.err and "learning_rate = 0.11" in captured.err
    front = json.loads(captured.out)["best"]
    assert [trial["trial_id"] for trial in front] == ["12", *(f"{n:02d}" for n in range(3, 11))]


def test_report_draws_a_picture_and_writes_a_table(searched, capsys):
    assert cli.main(["report", str(searched), "--out", str(searched / "r.png")]) == 0
    assert (searched / "r.png").read_bytes().startswith(b"\x89PNG")
    table = (searched / "r.csv").read_text().splitlines()
    assert len(table) == 13 and table[0].endswith("learning_rate,sharing")
    assert str(searched / "r.png") in capsys.readouterr().out
    assert cli.main(["report", str(searched), "--out", str(searched / "r.pdf")]) == 2


def test_apply_can_print_the_command(searched, capsys):
    assert cli.main(["apply", str(searched), "--print", "--max-multiply-adds", "1000"]) == 0
    words = capsys.readouterr().out.split()
    assert words[:3] == ["perceiver-zoo", "train", "perceiver_digits_tiny"]
    assert "epochs=3" in words and "learning_rate=0.01" in words
    settings = {"name": "m", "data": "a b.npz", "overrides": {"max_resolution": (4, 4)}}
    command = training_command({**settings, "skip_corrupt": True, "epochs": 2})
    assert command == (
        "perceiver-zoo train m --data 'a b.npz' --skip-corrupt --set 'max_resolution=(4, 4)' "
        "--recipe epochs=2"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search"], "`search` must get the NAME of a model, or --resume DIR. Received: neither."),
        (["search", "perceiver_digits_tyni"], "Did you mean 'perceiver_digits_tiny'?"),
        (["search", "--resume", "nowhere"], "'nowhere' must be the folder of a search."),
        (["search", "perceiver_digits_tiny", "--fix", "dropout"], "must be of the form KEY=VALUE"),
        (["search", "m", "--max-trials", "0"], "`--max-trials` must be at least 1. Received: 0."),
        (["search", "m", "--max-trials", "-1"], "`--max-trials` must be at least 1. Received: -1."),
        (["search", "m", "--max-minutes", "0"], "`--max-minutes` must be a number above 0."),
        (["search", "m", "--max-minutes", "-1"], "`--max-minutes` must be a number above 0."),
        (["search", "m", "--max-trial-minutes", "0"], "`--max-trial-minutes` must be a number"),
        (["search", "m", "--max-memory", "nan"], "`--max-memory` must be a number above 0."),
        (["best", "nowhere", "--top", "0"], "`--top` must be at least 1. Received: 0."),
        (["apply", "nowhere", "--max-parameters", "0"], "`--max-parameters` must be a number"),
        (["status", "nowhere"], "must be the folder of a search"),
        (["best", "nowhere"], "must be the folder of a search"),
        (["report", "nowhere"], "must be the folder of a search"),
        (["apply", "nowhere"], "must be the folder of a search"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("perceiver-tune: error: ") and captured.err.count("\n") == 1
    assert message in captured.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["search", "status", "best", "report", "apply"])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert f"examples:\n  perceiver-tune {command} " in capsys.readouterr().out


def test_looking_at_a_search_loads_neither_keras_nor_tensorflow(searched):
    code = (
        "import sys; from tuning.cli import main\n"
        f"main(['status', {str(searched)!r}]); main(['report', {str(searched)!r}])\n"
        f"main(['apply', {str(searched)!r}, '--print'])\n"
        "sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_hyperband_that_ended_before_a_whole_training_says_so(searched):
    folder = SearchFolder(searched)
    found = FinishedSearch(searched, "val_accuracy", "max", folder.trials())
    settings = {**SETTINGS, "tuner": "hyperband", "max_trials": 8, "epochs": 9}
    (line,) = short_trainings(found, settings)
    assert line.startswith("No trial was trained longer than 3 of 9 epochs: ")
    assert "within --max-trials 8." in line and line.endswith("/s --max-trials 16")
    assert short_trainings(found, {**settings, "epochs": 3}) == []
    assert short_trainings(found, {**settings, "tuner": "random"}) == []


def test_kill_ends_a_search_with_a_line_that_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def killed(args, name, directory, settings, out):
        SearchFolder(directory).begin(SETTINGS)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(commands_search, "_search", killed)
    folder = str(tmp_path / "s")
    assert cli.main(["search", "perceiver_digits_tiny", "--out", folder]) == 130
    assert capsys.readouterr().err == (
        f"perceiver-tune: Interrupted. All finished trials are kept in {folder!r}. "
        f"Continue with: perceiver-tune search --resume {folder}\n"
    )


def test_an_interruption_of_apply_says_how_to_go_on(searched, capsys, monkeypatch):
    def interrupted(*args, **settings):
        (searched / "best").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(applying, "apply", interrupted)
    path = str(searched)
    assert cli.main(["apply", path, "--epochs", "2"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"perceiver-tune: Interrupted. What was trained is kept in '{path}/best'. "
        f"Continue with: perceiver-tune apply {path} --trial 10 --epochs 2"
    )
