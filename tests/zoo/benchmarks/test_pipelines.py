"""The rate of a pipeline beside the bare decoder's."""

import json

import numpy as np
import pytest
import tensorflow as tf

from zoo.audio import sounds as audio_sounds
from zoo.benchmarks import pipelines
from zoo.benchmarks.decoders import decoders_of, keep_nothing
from zoo.benchmarks.measuring import Measured
from zoo.cli import main
from zoo.clips.codec import write_clip
from zoo.errors import ZooError
from zoo.images import folder as image_folder
from zoo.registry import open_pipeline
from zoo.video import videos as video_clips


@pytest.fixture
def photos(tmp_path, random):
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            image = random.integers(0, 256, (9, 7, 3)).astype("uint8")
            path = tmp_path / "photos" / name / f"{number}.png"
            path.write_bytes(tf.io.encode_png(image).numpy())
    return tmp_path / "photos"


@pytest.fixture
def sounds(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "sounds" / name).mkdir(parents=True)
        for number in range(3):
            wav = tf.audio.encode_wav(np.ones((50 + number, 1), "float32") / 2, 16000)
            tf.io.write_file(str(tmp_path / "sounds" / name / f"{number}.wav"), wav)
    return tmp_path / "sounds"


@pytest.fixture
def clouds(tmp_path, random):
    for name in ("cup", "bowl"):
        (tmp_path / "clouds" / name).mkdir(parents=True)
        for number in range(3):
            np.save(tmp_path / "clouds" / name / f"{number}.npy", random.normal(size=(20, 3)))
    return tmp_path / "clouds"


@pytest.fixture
def videos(tmp_path, random):
    pytest.importorskip("av")
    for name in ("run", "jump"):
        for number in range(3):
            frames = random.integers(0, 256, (5, 16, 12, 3)).astype("uint8")
            write_clip(tmp_path / "videos" / name / f"{number}.mp4", frames, 10)
    return tmp_path / "videos"


@pytest.mark.parametrize(
    ("name", "data", "num_files"),
    [
        ("perceiver_actions_small", "videos", 4),
        ("perceiver_cifar10_small", "photos", 6),
        ("perceiver_spoken_digits_mel", "sounds", 4),
        ("perceiver_modelnet10_small", "clouds", 4),
    ],
)
def test_both_decoders_read_every_file(name, data, num_files, request, monkeypatch):
    pytest.importorskip("soundfile")
    pytest.importorskip("trimesh")
    for module in (audio_sounds, image_folder, video_clips):  # put back what a decoder changes
        monkeypatch.setattr(module, "MEMORY_LIMIT", module.MEMORY_LIMIT)
    folder = request.getfixturevalue(data)
    decoders = decoders_of(*open_pipeline(name, str(folder)))
    assert decoders.num_files == num_files
    numbers = np.arange(num_files)
    bare, own = decoders.bare(numbers, 2), decoders.own(numbers)
    bare()
    own()
    for file in folder.rglob("*.*"):
        file.write_bytes(b"broken")
    for decode in (bare, own):
        try:
            decode()
        except Exception:
            continue
        # The pipeline of images tells unreadable files without an error.
        assert data == "photos" and decode is own


@pytest.mark.parametrize("name", ["perceiver_digits_tiny", "perceiver_io_flow_tiny"])
def test_a_pipeline_that_decodes_no_files_is_refused(name):
    with pytest.raises(ZooError, match="must decode a file for each example"):
        pipelines.open_decoders(name, None, {})


def test_what_always_stays_in_memory_has_no_row_without():
    def names(streams):
        found = pipelines.contenders("perceiver_digits_tiny", None, {}, 2, 3, streams)
        return [contender.name for contender in found]

    assert names(True) == ["bare decoder", "decoding", "batches", "batches, kept in memory"]
    assert names(False) == ["bare decoder", "decoding", "batches, kept in memory"]


def test_rows_compare_with_the_bare_decoder():
    bare = Measured("bare decoder", seconds=[1.0, 4.0, 2.0], processor_seconds=[1.0] * 3)
    own = Measured("decoding", seconds=[2.0, 5.0, 8.0], processor_seconds=[1.25] * 3)
    broken = Measured("batches", failure="out of memory")
    rows = pipelines.rows_of([bare, own, broken], 10)
    assert [row["name"] for row in rows] == ["bare decoder", "decoding", "batches"]
    assert rows[0]["examples_per_second"] == 5.0 and rows[0]["of_bare"] == 1.0
    assert rows[1]["examples_per_second"] == 2.0 and rows[1]["of_bare"] == 0.5
    assert rows[1]["of_bare_by_processor"] == pytest.approx(0.8)
    assert rows[2] == {"name": "batches", "failure": "out of memory"}
    with pytest.raises(ZooError, match="Nothing could be measured. batches: out of memory"):
        pipelines.rows_of([broken], 10)


@pytest.mark.slow
def test_the_command_prints_and_writes_a_row_for_each_part(photos, tmp_path, capsys):
    arguments = ["benchmark", "--pipeline", "perceiver_cifar10_small", "--data", str(photos)]
    report_path = tmp_path / "report.json"
    assert main([*arguments, "--rounds", "1", "--json", str(report_path)]) == 0
    printed = capsys.readouterr().out
    report = json.loads(report_path.read_text())
    assert report["num_examples"] == 6 and report["bare_decoder"] == "tf.io.decode_image"
    names = [row["name"] for row in report["contenders"]]
    assert names == ["bare decoder", "decoding", "batches", "batches, kept in memory"]
    for row in report["contenders"]:
        assert row["name"] in printed and row["examples_per_second"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "must get the NAME of a model, or --pipeline NAME. Received: neither"),
        (["perceiver_digits_tiny", "--pipeline", "perceiver_digits_tiny"], "Received: both"),
        (["--pipeline", "perceiver_digits_tin"], "perceiver_digits_tiny"),
        (["--pipeline", "perceiver_cifar10_small", "--data", "missing/"], "missing"),
        (["--pipeline", "perceiver_digits_tiny", "--examples", "0"], "`--examples` must be at"),
    ],
)
def test_bad_arguments_are_one_line(arguments, message, capsys):
    assert main(["benchmark", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told and "Traceback" not in told


def test_a_worker_keeps_nothing(monkeypatch):
    modules = audio_sounds, image_folder, video_clips
    for module in modules:
        monkeypatch.setattr(module, "MEMORY_LIMIT", 99)
    keep_nothing()
    assert [module.MEMORY_LIMIT for module in modules] == [0, 0, 0]
