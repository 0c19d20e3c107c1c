import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from zoo.cli import build_parser, main
from zoo.commands.settings import parse_settings
from zoo.commands.terminal import check_json_option, counted, write_json
from zoo.configs import MODELS
from zoo.errors import ZooError

COMMANDS = (
    "list",
    "info",
    "train",
    "evaluate",
    "predict",
    "export",
    "quickstart",
    "benchmark",
)
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}

# Runs a command in this process and then says which heavy packages it loaded.
LOADED = """
import sys
from zoo.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as stop:
    status = stop.code
print("status", status, "loaded", [name for name in ("keras", "tensorflow") if name in sys.modules])
"""


def run(*arguments, **options):
    command = [sys.executable, "-m", "zoo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, **options)


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["info", "perceiver_imagenet"],
        ["--help"],
        *([name, "--help"] for name in COMMANDS),
    ],
    ids=" ".join,
)
def test_describing_commands_load_neither_keras_nor_tensorflow(arguments):
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "status 0 loaded []", done.stderr
    assert done.stderr == ""


def test_list_prints_a_row_for_each_model(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name, config in MODELS.items():
        row = next(line for line in printed.splitlines() if line.split()[0] == name)
        assert f"{config.parameters:,}" in row and config.dataset in row and config.source in row


def test_list_shows_whole_names_in_a_pipe():
    printed = run("list").stdout
    assert all(name in printed for name in MODELS)


def test_list_keeps_each_model_readable_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["list"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert max(map(len, printed)) <= 80 and "\u2026" not in "".join(printed)
    assert len(printed) <= 1.2 * len(MODELS)  # a few inputs take a second line
    assert printed[-1] == "Data and source: `perceiver-zoo info NAME`."


def test_info_tells_the_fill_only_of_images_that_are_moved(capsys):
    for name, is_moved in (("perceiver_mutag_small", False), ("perceiver_digits_tiny", True)):
        assert main(["info", name]) == 0
        assert ("fill=" in capsys.readouterr().out) == is_moved


def test_list_writes_json(capsys):
    assert main(["list", "--json", "-"]) == 0
    printed = capsys.readouterr()
    models = json.loads(printed.out)["models"]
    assert {name: model["parameters"] for name, model in models.items()} == {
        name: config.parameters for name, config in MODELS.items()
    }
    assert "perceiver_imagenet" in printed.err


def test_info_prints_configuration_and_recipe(capsys):
    assert main(["info", "perceiver_io_imagenet_conv"]) == 0
    printed = re.sub(r"\s+", " ", capsys.readouterr().out)
    for text in (
        "48,646,522",
        "224x224x3",
        "num_latents 512",
        "decoder",
        "lamb",
        "arXiv:2107.14795",
    ):
        assert text in printed


def test_info_writes_json(capsys):
    assert main(["info", "perceiver_digits_tiny", "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    config = MODELS["perceiver_digits_tiny"]
    assert report["architecture"]["num_latents"] == config.architecture.num_latents
    assert report["recipe"]["name"] == "digits" and report["recipe"]["epochs"] > 0


@pytest.mark.parametrize("command", ["info", "train"])
def test_an_unknown_model_is_answered_with_the_nearest(command):
    done = run(command, "perciever_digits_tiny")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "perceiver-zoo: error: There is no model named 'perciever_digits_tiny'. "
        "Did you mean 'perceiver_digits_tiny'?"
    ]


def test_a_name_near_nothing_is_answered_with_where_to_look(capsys):
    assert main(["info", "xyz"]) == 2
    assert "Known are baseline_botnet_small, " in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, told",
    [
        ([], "the following arguments are required: COMMAND"),
        (["lst"], "invalid choice: 'lst'"),
        (["info"], "the following arguments are required: NAME"),
        (["predict", "x.png"], "the following arguments are required: --model"),
        (["train", "perceiver_digits_tiny", "--epochs", "many"], "invalid int value: 'many'"),
    ],
    ids=["nothing", "command", "name", "model", "number"],
)
def test_a_wrong_command_line_is_told_in_one_line(arguments, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert printed.err.startswith("perceiver-zoo: error: ") and told in printed.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args([name, "--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert f"examples:\n  perceiver-zoo {name}" in printed


def test_the_start_of_tensorflow_is_silent_but_a_wrong_model_is_told(tmp_path):
    picture = tmp_path / "x.png"
    picture.write_bytes(b"")
    done = run("predict", picture, "--model", tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "must be a run folder" in done.stderr


def test_messages_of_a_failing_start_are_shown(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'a driver is too old\\n')\nraise ImportError('broken install')\n"
    )
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    program += "from zoo.commands.terminal import start_tensorflow; start_tensorflow()"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 1
    assert "a driver is too old" in done.stderr
    assert "ImportError: broken install" in done.stderr


def test_a_reader_that_goes_away_is_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "list"], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert done.returncode == 1
    assert done.stderr == ""


def test_interruption_is_told_in_one_line(tmp_path):
    fifo = tmp_path / "config.json"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "zoo", "train", "--resume", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    while process.poll() is None:
        try:  # succeeds when the command reads, which it does until interrupted
            writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.05)
            continue
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        os.close(writer)
    assert process.returncode == 130
    assert told == "perceiver-zoo: interrupted\n"


def test_write_json_keeps_the_previous_report_when_it_fails(tmp_path):
    path = tmp_path / "report.json"
    write_json(str(path), {"a": 1})
    with pytest.raises(TypeError):
        write_json(str(path), {("not", "a key"): 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["report.json"]


def test_write_json_says_why_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="report cannot be written to .*file/report.json"):
        write_json(str(tmp_path / "file" / "report.json"), {})


def test_a_report_makes_no_folders_and_is_checked_before_the_work(tmp_path, capsys):
    path = tmp_path / "none" / "report.json"
    assert main(["train", "perceiver_digits_tiny", "--data", "gone/", "--json", str(path)]) == 2
    assert f"{path}: there is no folder {path.parent}." in capsys.readouterr().err
    with pytest.raises(ZooError, match="there is no folder"):
        write_json(str(path), {})
    check_json_option(build_parser().parse_args(["list", "--json", "-"]))
    quickstart = ["quickstart", "--out", str(path.parent), "--json", str(path)]
    check_json_option(build_parser().parse_args(quickstart))  # its folder will be made
    assert not path.parent.exists()


def test_counted_knows_the_singular():
    assert [counted(n, "epoch") for n in (0, 1, 1200)] == ["0 epochs", "1 epoch", "1,200 epochs"]


@pytest.mark.parametrize(
    "command, words",
    [
        ("predict", ("sounds", "videos", "with their sound", "the text is classified")),
        ("train", ("manifest", "text file", "graphs", "A+B")),
        ("evaluate", ("train, validation or test",)),
    ],
)
def test_help_tells_what_a_command_takes(command, words, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert all(word in printed for word in words)


def test_parse_settings_reads_literals_and_text():
    given = ["num_latents=32", "dropout=0.1", "sharing=none", "max_resolution=(8, 9)", "name=a=b"]
    given += ['augmentation={"flip": true, "max_shift": 0.1}', "ema=null", "rate=NaN", "a={[]: 1}"]
    assert parse_settings("--set", given) == {
        "num_latents": 32,
        "dropout": 0.1,
        "sharing": "none",
        "max_resolution": (8, 9),
        "name": "a=b",
        "augmentation": {"flip": True, "max_shift": 0.1},
        "ema": None,
        "rate": "NaN",
        "a": "{[]: 1}",
    }


@pytest.mark.parametrize(
    "arguments, told",
    [
        ([], "must get the NAME of a model, or --resume RUN"),
        (["--resume"], "must be given one run folder.*Received: none"),
        (["--resume", "a", "--out", "b"], "must be given one run folder.*Received: a, b"),
        (["perceiver_digits_tiny", "--set", "4"], "`--set` must be of the form KEY=VALUE"),
        (["perceiver_digits_tiny", "--recipe", "epoch=3"], "must name a field of the recipe"),
    ],
    ids=["nothing", "resume nothing", "resume two", "set", "recipe"],
)
def test_train_refuses_what_it_cannot_use(arguments, told, capsys):
    assert main(["train", *arguments]) == 2
    assert re.search(told, capsys.readouterr().err)


def test_train_names_no_run_folder_before_it_has_the_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "perceiver_digits_tiny", "--data", "missing/"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "no such file or folder: missing/" in printed.err
    assert not list(tmp_path.iterdir())


def test_train_writes_a_run_and_resumes_it(tmp_path, capsys):
    run_folder = str(tmp_path / "run")
    options = ["--epochs", "1", "--set", "num_latents=3", "--recipe", "augmentation={}"]
    assert main(["train", "perceiver_digits_tiny", "--out", run_folder, *options]) == 0
    printed = capsys.readouterr().out.replace("\n", "")
    assert f"Training perceiver_digits_tiny in {run_folder}" in printed
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["overrides"] == {"num_latents": 3} and config["recipe"]["epochs"] == 1
    assert main(["train", "--resume", run_folder, "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["run"] == run_folder and report["epochs"] == 1
    assert 0 < report["test_accuracy"] < 1
    assert main(["train", "perceiver_digits_tiny", "--out", run_folder]) == 2
    assert "exists already" in capsys.readouterr().err


def test_train_keeps_a_run_that_is_interrupted_and_says_how_to_resume(tmp_path):
    command = [sys.executable, "-u", "-m", "zoo", "train", "perceiver_digits_tiny"]
    options = ["--epochs", "500", "--set", "num_latents=3", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    for line in process.stdout:
        if line.startswith("epoch") and " 2/500" in line:
            process.send_signal(signal.SIGINT)
            break
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert len(told.splitlines()) == 1
    assert told.startswith("perceiver-zoo: Interrupted.") and "--resume" in told
    assert (tmp_path / "run" / "model.keras").is_file()
