"""Several trainings go on with their own settings, and leave alone what is not theirs."""

import json

import pytest

from zoo.errors import ZooError
from zoo.experiments.kept_report import differences, kept_report
from zoo.experiments.seeds import check_seeds
from zoo.experiments.time_left import told_time_left

ASKED = {"name": "tiny", "epochs": 3, "overrides": {"num_latents": 4, "dropout": 0.1}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "report.json"


@pytest.fixture
def begun(path):
    (path.parent / "run").mkdir(parents=True)
    path.write_text(json.dumps({**ASKED, "more": 1}))
    return path


def test_a_new_or_empty_folder_has_no_report(path):
    assert kept_report(path, ASKED, "A series") == {}
    path.parent.mkdir()
    assert kept_report(path, ASKED, "A series") == {}


def test_the_same_settings_go_on(begun):
    assert kept_report(begun, ASKED, "A series") == {**ASKED, "more": 1}


def test_something_else_is_left_alone(path):
    path.parent.mkdir()
    (path.parent / "notes.txt").write_text("mine")
    with pytest.raises(ZooError, match="The folder '.*out' holds something else. Choose another"):
        kept_report(path, ASKED, "A series")


def test_only_the_settings_that_differ_are_told(begun):
    overrides = {"num_latents": 8, "num_blocks": 2}
    asked = {**ASKED, "overrides": overrides, "epochs": None}
    with pytest.raises(ZooError) as told:
        kept_report(begun, asked, "A series")
    assert str(told.value) == (
        f"A series goes on with its own settings. In {str(begun.parent)!r} epochs was 3, now not "
        "given; num_latents was 4, now 8; dropout was 0.1, now not given; num_blocks was not "
        "given, now 2. Choose another folder with --out."
    )


def test_settings_may_change_before_a_training_was_begun(begun):
    (begun.parent / "run").rmdir()
    assert kept_report(begun, {**ASKED, "epochs": 4}, "A series") == {}


def test_differences_of_dicts_that_are_missing():
    assert differences({"a": None}, {"a": {"b": 1}}) == ["b was not given, now 1"]
    assert differences({"a": "x"}, {"a": {"b": 1}}) == ["a was 'x', now {'b': 1}"]
    assert differences({"a": {}}, {"a": None}) == []


@pytest.mark.parametrize("seeds", [(0, 0), (-1,), ()])
def test_seeds_must_differ(seeds):
    with pytest.raises(ZooError, match="`seeds` must be different integers from 0"):
        check_seeds(seeds)


def test_the_time_left_is_that_of_the_runs_to_train():
    assert told_time_left([], 3) == told_time_left([2.0], 0) == ""
    assert told_time_left([2.0, 4.0], 3) == "about 9 s left"
    assert told_time_left([60.0], 3) == "about 3 min left"
