"""Files in places that cannot be written: one line that names the place and the reason."""

import argparse
import errno
import os
import pathlib

import pytest

from zoo.atomic_files import check_writable, make_folder, replaced_atomically
from zoo.commands.command_line import Parser, run_command
from zoo.errors import ZooError
from zoo.records.run_folder import RunFolder


def read_only(*_, **__):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    return path


def test_a_folder_is_made_with_those_above_it(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"


@pytest.mark.parametrize("below", ["", "a", "a/b"])
def test_a_folder_below_a_file_is_told(file, below):
    with pytest.raises(ZooError, match=f"The folder .*{below} cannot be made: .*file is a file.$"):
        make_folder(file / below)


def test_a_folder_in_a_read_only_place_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(pathlib.Path, "mkdir", read_only)
    with pytest.raises(ZooError, match="folder .*new cannot be made: Read-only file system.$"):
        make_folder(tmp_path / "new")


def test_a_file_below_a_file_is_told_and_not_the_failure_to_clean_up(file):
    told = "file/a.txt cannot be written: Not a directory.$"
    with pytest.raises(ZooError, match=told), replaced_atomically(file / "a.txt") as temporary:
        temporary.write_text("new")


def test_a_file_in_a_folder_that_went_away_is_told(tmp_path):
    told = "gone/a.txt cannot be written: No such file or directory.$"
    with (
        pytest.raises(ZooError, match=told),
        replaced_atomically(tmp_path / "gone" / "a.txt") as temporary,
    ):
        temporary.write_text("new")


def test_other_errors_of_a_block_stay_what_they_are(tmp_path):
    with pytest.raises(ConnectionError), replaced_atomically(tmp_path / "a.txt"):
        raise ConnectionError(errno.ECONNRESET, "reset")


def test_a_path_is_checked_before_the_work(tmp_path, file, monkeypatch):
    check_writable(tmp_path / "new" / "a.json")
    check_writable(file)
    assert os.listdir(tmp_path / "new") == [] and file.read_text() == "mine"
    with pytest.raises(ZooError, match="new cannot be written: it is a folder.$"):
        check_writable(tmp_path / "new")
    monkeypatch.setattr("tempfile.mkstemp", read_only)
    with pytest.raises(ZooError, match="a.json cannot be written: Read-only file system.$"):
        check_writable(tmp_path / "new" / "a.json")


def test_a_run_folder_is_told_where_it_cannot_be(tmp_path, file, monkeypatch):
    with pytest.raises(ZooError, match="The folder .*file cannot be made: .*file is a file.$"):
        RunFolder.create(file / "run", {})
    monkeypatch.setattr("tempfile.mkdtemp", read_only)
    with pytest.raises(ZooError, match="run cannot be written: Read-only file system.$"):
        RunFolder.create(tmp_path / "run", {})


def ended_with(run):
    parser = Parser(prog="perceiver-zoo")
    commands = parser.add_subparsers()
    command: argparse.ArgumentParser = commands.add_parser("make")
    command.set_defaults(run=run)
    return run_command(parser, ["make"])


def test_a_command_tells_of_a_place_that_no_other_message_named(file, capsys):
    assert ended_with(lambda _: (file / "a").mkdir()) == 2
    assert capsys.readouterr().err == f"perceiver-zoo: error: {file}/a: Not a directory\n"


def test_a_bug_in_a_command_keeps_its_traceback(tmp_path):
    with pytest.raises(FileNotFoundError):
        ended_with(lambda _: (tmp_path / "absent").read_text())
