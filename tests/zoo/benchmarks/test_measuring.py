import io
import json
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from zoo.benchmarks import measuring, peers
from zoo.benchmarks.measuring import Contender, Measured, measure
from zoo.benchmarks.plot import draw_comparison
from zoo.benchmarks.report import rows_of, show
from zoo.benchmarks.worker import Prepared
from zoo.cli import build_parser, main
from zoo.configs import MODELS, configuration
from zoo.errors import ZooError

MEBIBYTE = 2**20


def prepare_notes(path, name, seconds=0.0, error=None):
    """A contender that writes its name and its processor time to a file at each step."""

    def step():
        with open(path, "a") as file:
            file.write(f"{name} {time.process_time()}\n")
        time.sleep(seconds)
        if error == "exit":
            os._exit(3)
        if error is not None:
            raise ValueError(error)

    return Prepared(step, lambda: 10)


def prepare_memory(held, used):
    """A contender that holds some bytes and needs others during a step."""
    kept = bytearray(os.urandom(1)) * held
    return Prepared(lambda: len(kept) + len(b"x" * used), lambda: None)


def notes(path, name, **arguments):
    return Contender(name, prepare_notes, {"path": str(path), "name": name, **arguments})


def lines(path):
    return [line.split() for line in pathlib.Path(path).read_text().splitlines()]


def test_contenders_take_turns_in_processes_of_their_own(tmp_path):
    path = tmp_path / "steps"
    told = []
    found = measure([notes(path, "a", seconds=0.1), notes(path, "b", seconds=0.3)], 2, told.append)
    assert [name for name, _ in lines(path)] == ["a", "a", "b"] * 3
    assert [len(one.seconds) for one in found] == [2, 2]
    assert found[0].median == pytest.approx(0.1, abs=0.05)
    assert found[1].median == pytest.approx(0.3, abs=0.05)
    assert max(found[1].processor_seconds) < 0.1
    assert told[-1] == "round 2/2: b" and "building: a" in told
    assert multiprocessing.active_children() == []


def test_a_waiting_worker_uses_no_processor_time(tmp_path):
    path = tmp_path / "steps"
    measure([notes(path, "a", seconds=0.21), notes(path, "b", seconds=1.0)], 2)
    times = [float(seconds) for name, seconds in lines(path) if name == "a"]
    assert times[-1] - times[0] < 0.05


def test_memory_is_that_above_the_loaded_process():
    contender = Contender("a", prepare_memory, {"held": 80 * MEBIBYTE, "used": 200 * MEBIBYTE})
    (found,) = measure([contender], 1)
    assert found.added_bytes == pytest.approx(200 * MEBIBYTE, rel=0.05)
    assert 80 * MEBIBYTE < found.loaded_bytes < found.peak_bytes - 190 * MEBIBYTE


@pytest.mark.parametrize(
    "error, told",
    [("no such\nthing", "ValueError: no such thing"), ("exit", "ended with status 3")],
)
def test_a_contender_that_fails_does_not_end_the_others(tmp_path, error, told):
    path = tmp_path / "steps"
    failed, kept = measure([notes(path, "a", error=error), notes(path, "b")], 2)
    assert failed.failure.startswith(told) and failed.seconds == []
    assert kept.failure is None and len(kept.seconds) == 2


def test_a_contender_beyond_its_memory_or_time_is_told(tmp_path):
    big = Contender("big", prepare_memory, {"held": 1, "used": 600 * MEBIBYTE})
    slow = notes(tmp_path / "steps", "slow", seconds=4.0)
    quick = notes(tmp_path / "steps", "quick")
    found = measure([big, slow, quick], 1, memory_limit=400 * MEBIBYTE, seconds_limit=3.0)
    assert [one.failure for one in found] == ["out of memory", "took more than 3 s", None]


def test_no_round_starts_after_the_time_given(tmp_path):
    (found,) = measure([notes(tmp_path / "steps", "a", seconds=0.3)], 50, minutes=0.001)
    assert len(found.seconds) == 1


def test_an_interruption_leaves_no_child(tmp_path):
    def interrupt(told):
        if told.startswith("round 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure([notes(tmp_path / "steps", "a"), notes(tmp_path / "steps", "b")], 3, interrupt)
    assert multiprocessing.active_children() == []


def test_ratios_are_taken_round_by_round():
    reference = Measured("a", seconds=[1.0, 10.0, 2.0], processor_seconds=[1.0] * 3)
    other = Measured("b", seconds=[3.0, 20.0, 8.0], processor_seconds=[5.0] * 3, multiply_adds=60)
    rate = Measured(peers.PRODUCTS, seconds=[0.1, 0.4, 0.1], multiply_adds=8)
    rate.processor_seconds = [0.2] * 3
    torch_rate = Measured(f"PyTorch {peers.PRODUCTS}", seconds=[0.2], multiply_adds=8)
    assert measuring.ratio(other, reference) == 3.0
    assert measuring.fraction_of_rate(other, rate) == pytest.approx(0.15)
    assert measuring.fraction_of_rate(reference, rate) is None
    rows = rows_of([Measured("x", failure="why"), reference, other, rate, torch_rate])
    assert rows["ratio_to"] == "a" and rows["multiply_adds_per_second"] == pytest.approx(80)
    assert rows["pytorch_multiply_adds_per_second"] == pytest.approx(40)
    assert rows["contenders"][0] == {"name": "x", "failure": "why"}
    assert [row["ratio"] for row in rows["contenders"][1:]] == [1.0, 3.0]
    assert rows["contenders"][2]["processor_ratio"] == 5.0
    assert rows["contenders"][2]["processor_fraction_of_rate"] == pytest.approx(0.3)


def test_a_report_without_anything_measured_is_an_error():
    with pytest.raises(ZooError, match="Nothing could be measured. a: why"):
        rows_of([Measured("a", failure="why"), Measured(peers.PRODUCTS, seconds=[1.0])])


@pytest.mark.parametrize(
    "name, overrides, peer, told",
    [
        ("perceiver_io_imagenet_learned", {}, "pytorch", "raw pixels with Fourier positions only"),
        ("perceiver_imagenet", {}, "transformers", "Perceiver IO of 224 x 224"),
        ("perceiver_imagenet_one_cross_attend", {}, "lucidrains", "no repeated latent"),
        ("perceiver_imagenet", {"sharing": "all"}, "lucidrains", "always has its own weights"),
        ("perceiver_imagenet", {"sharing": "none"}, "krasserm", "all cross-attends but the first"),
        ("perceiver_imagenet", {"max_resolution": (9, 9)}, "krasserm", "the size of the image"),
    ],
)
def test_a_peer_refuses_what_it_does_not_have(name, overrides, peer, told):
    with pytest.raises(ZooError, match=f"{peer} has no such model: .*{told}"):
        peers.peer_contender(peer, configuration(name, **overrides))


def missing(name):
    return peers.Peer(("no_such_package.inside",), "no-such-package", lambda config: None, name)


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--rounds", "0"], "`--rounds` must be at least 1. Received: 0."),
        (["--batch-size", "0"], "`--batch-size` must be at least 1. Received: 0."),
        (["--against", "torch"], "`--against` must be some of pytorch,"),
        (["--implementations", "fast"], "`--implementations` must be some of auto,"),
        (["--against", "pytorch"], "pytorch is not installed: pip install no-such-package"),
        (["--against", "transformers"], "transformers has no such model"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_command_refuses_what_it_cannot_measure(arguments, told, capsys, monkeypatch):
    monkeypatch.setitem(peers.PEERS, "pytorch", missing("plain"))
    assert main(["benchmark", "perceiver_digits_tiny", *arguments]) == 2
    printed = capsys.readouterr()
    assert told in printed.err and len(printed.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["perceiver_digits_tiny", "--against", "none", "--json"], "there is no folder"),
        (["perceiver_digits_tiny", "--against", "none", "--plot"], "file is a file"),
        (["--pipeline", "perceiver_digits_tiny", "--plot"], "`--pipeline` goes without --plot"),
    ],
    ids=["json", "plot", "pipeline"],
)
def test_outputs_are_checked_before_anything_is_measured(
    arguments, told, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("zoo.commands.benchmark.measure", None)
    (tmp_path / "file").write_text("")
    assert main(["benchmark", *arguments, str(tmp_path / "file" / "out")]) == 2
    printed = capsys.readouterr().err
    assert told in printed and len(printed.splitlines()) == 1


def contender_rows(seconds, added_bytes):
    figures = {"ratio": 1.0, "processor_ratio": 1.0, "peak_bytes": 5, "note": ""}
    figures |= {"fraction_of_rate": None, "processor_fraction_of_rate": None}
    return [
        figures
        | {"name": name, "added_bytes": added_bytes, "median_seconds": one}
        | {"min_seconds": one, "processor_seconds": one}
        for name, one in zip(("this project", "other"), seconds, strict=True)
    ]


def test_notes_and_reasons_stand_below_the_table():
    report = {"contenders": contender_rows([1.0, 2.0], MEBIBYTE), "ratio_to": "this project"}
    report["contenders"].append({"name": "pytorch", "failure": "is not installed: pip install x"})
    report |= {"multiply_adds_per_second": 1e9, "pytorch_multiply_adds_per_second": None}
    report["hardware"] = {"cores": 1, "processor": "any", "load": 0.0}
    report["contenders"][1]["note"] = "a note " * 20
    out = Console(file=io.StringIO(), width=200)
    show(out, "title", report | {"versions": {}})
    lines = [line.rstrip() for line in out.file.getvalue().splitlines()]
    assert "Not measured: pytorch: is not installed: pip install x" in lines
    assert f"other: {'a note ' * 20}".rstrip() in lines
    assert max(len(line) for line in lines[1:4]) < 90


@pytest.mark.parametrize(
    "seconds, added_bytes, labels, tick",
    [
        ([0.00024, 0.00051], 3 * MEBIBYTE, ["ms, median", "MiB, above"], "3"),
        ([0.5, 4.0], 2500 * MEBIBYTE, ["s, median", "GiB, above"], "2.44"),
    ],
)
def test_a_picture_has_units_that_fit(seconds, added_bytes, labels, tick, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "matplotlib.figure.Figure.savefig", lambda self, *_, **__: drawn.append(self)
    )
    about = {"model": "tiny", "step": "forward", "batch_size": 1, "dtype": "float32"}
    draw_comparison(
        {"contenders": contender_rows(seconds, added_bytes), **about}, tmp_path / "a.png"
    )
    for axes, label in zip(drawn[0].axes, labels, strict=True):
        assert axes.get_xlabel().startswith(label)
        assert len(axes.get_xticks()) <= 7
    assert {text.get_text() for text in drawn[0].axes[1].texts} == {tick}


def test_the_command_explains_itself(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["benchmark", "--help"])
    assert "examples:\n  perceiver-zoo benchmark" in capsys.readouterr().out


def test_describing_the_command_loads_no_framework():
    code = "import sys, zoo.cli; zoo.cli.build_parser(); "
    code += "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.slow
def test_the_command_measures_a_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # whole names
    for name in peers.PEERS:
        monkeypatch.setitem(peers.PEERS, name, missing(name))
    plot = tmp_path / "bench.png"
    options = ["--implementations", "separable,dense", "--rounds", "2", "--set", "num_latents=3"]
    arguments = ["benchmark", "perceiver_digits_tiny", *options, "--plot", str(plot)]
    assert main([*arguments, "--training", "--json", "-"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    separable, dense, *missed = report["contenders"]
    assert separable["ratio"] == 1.0 and len(dense["seconds_by_round"]) == 2
    assert 0 < dense["fraction_of_rate"] < 1 and dense["added_bytes"] > 0
    assert separable["multiply_adds"] < dense["multiply_adds"]
    assert report["overrides"] == {"num_latents": 3} and report["step"] == "training"
    assert {row["failure"] for row in missed} == {"is not installed: pip install no-such-package"}
    assert "this project, separable" in printed.err and "not installed" in printed.err
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_an_interrupted_command_leaves_no_process():
    command = [sys.executable, "-m", "zoo", "benchmark", "perceiver_digits_tiny"]
    process = subprocess.Popen(
        [*command, "--against", "none", "--rounds", "1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    for line in process.stdout:
        if line.startswith("round 2/"):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
            break
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130 and told == "perceiver-zoo: interrupted\n"
    deadline = time.monotonic() + 10
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.1)


NAMES = ("perceiver_digits_tiny", "perceiver_imagenet", "perceiver_io_imagenet_fourier")


@pytest.mark.parametrize("name", NAMES)
def test_the_pytorch_peer_has_as_many_weights(name):
    pytest.importorskip("torch")
    from zoo.benchmarks.torch_perceiver import Perceiver

    model = Perceiver(configuration(name))
    assert sum(weight.numel() for weight in model.parameters()) == MODELS[name].parameters


@pytest.mark.parametrize("attention", ["fused", "explicit"])
def test_the_multiply_adds_of_the_pytorch_peer_are_the_dense_ones(attention):
    pytest.importorskip("torch")
    from zoo.costs import costs

    config = configuration("perceiver_digits_tiny")
    options = {"batch_size": 1, "training": False, "dtype": "float32"}
    form = {"attention": attention, "share_projections": False}
    own = peers.prepare_peer("plain", config=config, **form, **options)
    assert own.multiply_adds() == costs(config).dense_multiply_adds


@pytest.mark.parametrize("attention", ["fused", "explicit"])
@pytest.mark.parametrize("share_projections", [False, True])
def test_the_pytorch_peer_computes_the_same_logits(attention, share_projections, random):
    torch = pytest.importorskip("torch")
    from zoo.benchmarks.torch_perceiver import Perceiver
    from zoo.registry import build_model

    config = configuration("perceiver_digits_tiny", num_cross_attends=3)
    model, peer = build_model(config), Perceiver(config, attention, share_projections)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1 * random.normal(size=weight.shape))
    images = random.normal(size=(2, *config.image_shape)).astype("float32")
    with torch.no_grad():
        copy_weights(model, peer)
        logits = peer.eval()(torch.from_numpy(images)).numpy()
    assert logits == pytest.approx(model(images, training=False).numpy(), abs=1e-4)


def copy_weights(model, peer):
    """Gives the PyTorch peer the weights of an original Perceiver."""
    import torch

    def tensor(weight):
        return torch.from_numpy(weight.numpy().copy())

    def copy(layers, module):
        kernels = [tensor(layer.kernel).T for layer in layers]
        module.weight.copy_(torch.cat(kernels))
        module.bias.copy_(torch.cat([tensor(layer.bias) for layer in layers]))

    def copy_norm(layer, module):
        module.weight.copy_(tensor(layer.gamma))
        module.bias.copy_(tensor(layer.beta))

    def copy_block(layer, block):
        copy_norm(layer.queries_norm, block.queries_norm)
        copy_norm(layer.mlp_norm, block.mlp[0])
        copy([layer.mlp.hidden], block.mlp[1])
        copy([layer.mlp.output_projection], block.mlp[3])
        copy([layer.attention.attention_output], block.attention.output)

    peer.latents.copy_(tensor(model.get_layer("latents").latents))
    copy([model.get_layer("logits")], peer.logits)
    for index, block in enumerate(peer.cross_attends):
        layer = model.get_layer(f"cross_attend_{index}")
        copy_block(layer, block)
        copy_norm(layer.attention.inputs_norm, block.attention.inputs_norm)
        for name in ("query", "key", "value"):
            copy([getattr(layer.attention, name)], getattr(block.attention, name))
    self_attends = model.get_layer("latent_transformer_0").self_attends
    for layer, block in zip(self_attends, peer.stacks[0], strict=True):
        copy_block(layer, block)
        attention = layer.attention
        copy([attention.query, attention.key, attention.value], block.attention.projections)
