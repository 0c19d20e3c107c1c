"""AudioSet's own lists: segments, labels, and the sounds that are there."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from zoo.audio.decoding import read_sound
from zoo.audio.files import list_sounds
from zoo.data.manifests import LabelledFile
from zoo.errors import ZooError

HEAD = "# Segments csv\n# num_ytids=3\n# YTID, start_seconds, end_seconds, positive_labels\n"
TRAIN = (
    '--4gqARaEJE, 0.000, 10.000, "/m/09x0r,/m/05zppz"\n'
    'aaaaaaaaaaa, 30.000, 40.000, "/m/04rlf"\n'
    'goneeeeeeee, 5.000, 15.000, "/m/04rlf"\n'
)
EVAL = 'bbbbbbbbbbb, 12.500, 22.500, "/m/09x0r"\n'
NAMES = (
    'index,mid,display_name\n1,/m/05zppz,"Male speech, man"\n0,/m/09x0r,Speech\n2,/m/04rlf,Music\n'
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "balanced_train_segments.csv").write_text(HEAD + TRAIN)
    (tmp_path / "eval_segments.csv").write_text(HEAD + EVAL)
    (tmp_path / "class_labels_indices.csv").write_text(NAMES)
    for name in ("train/Y--4gqARaEJE.wav", "train/aaaaaaaaaaa_30.000_40.000.flac"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "bbbbbbbbbbb.mp3").write_bytes(b"")
    return tmp_path


def test_segments_become_sounds_with_several_labels(folder, caplog):
    with caplog.at_level(logging.WARNING, "zoo"):
        splits, names = list_sounds(folder)
    assert names == ("Speech", "Male speech, man", "Music")
    assert splits == {
        "train": [
            LabelledFile(str(folder / "train/Y--4gqARaEJE.wav"), (0, 1), 0.0, 10.0, True),
            LabelledFile(
                str(folder / "train/aaaaaaaaaaa_30.000_40.000.flac"), (2,), None, None, True
            ),
        ],
        "test": [LabelledFile(str(folder / "bbbbbbbbbbb.mp3"), (0,), 12.5, 22.5, True)],
    }
    assert "Left out 1 of 4 segments" in caplog.text


def test_of_a_sound_and_its_video_the_sound_is_read(folder):
    (folder / "bbbbbbbbbbb.mp3").rename(folder / "bbbbbbbbbbb.mp4")
    assert list_sounds(folder)[0]["test"][0].path.endswith(".mp4")
    (folder / "wav").mkdir()
    (folder / "wav" / "bbbbbbbbbbb.wav").touch()
    assert list_sounds(folder)[0]["test"][0].path.endswith(".wav")


def test_without_names_the_labels_are_the_identifiers(folder):
    (folder / "class_labels_indices.csv").unlink()
    splits, names = list_sounds(folder / "balanced_train_segments.csv")
    assert names == ("/m/04rlf", "/m/05zppz", "/m/09x0r")
    assert list(splits) == ["train"] and splits["train"][0].labels == (2, 1)


BAD = {
    "aaaaaaaaaaa, 3.0, 4.0\n": "YTID, start, end .*Received: 'aaaaaaaaaaa, 3.0, 4.0' in .*line 4",
    'aaaaaaaaaaa, 5.0, 4.0, "/m/04rlf"\n': "YTID, start, end",
    'aaaaaaaaaaa, x, 4.0, "/m/04rlf"\n': "YTID, start, end",
    'aaaaaaaaaaa, 3.0, 4.0, "/m/unknown"\n': "one of the 3 of class_labels.*'/m/unknown' in",
    'goneeeeeeee, 3.0, 4.0, "/m/04rlf"\n': "must have sounds to train on.*none for the 2",
    "": "must have sounds to train on.*none for the 1",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_list_is_one_clear_line(folder, line):
    (folder / "balanced_train_segments.csv").write_text(HEAD + line)
    with pytest.raises(ZooError, match=BAD[line]) as caught:
        list_sounds(folder)
    assert "\n" not in str(caught.value)


def test_a_bad_table_of_names_is_named(folder):
    (folder / "class_labels_indices.csv").write_text("number,mid\n0,/m/09x0r\n")
    with pytest.raises(ZooError, match="class_labels_indices.csv must have the columns index, mid"):
        list_sounds(folder)


def test_a_segment_is_cut_unless_the_file_is_the_segment(tmp_path):
    for name, seconds in (("whole", 9), ("cut", 2)):
        samples = np.linspace(-1, 1, 1000 * seconds, dtype="float32")[:, None]
        tf.io.write_file(str(tmp_path / f"{name}.wav"), tf.audio.encode_wav(samples, 1000))
    whole, cut = (read_sound(tmp_path / f"{name}.wav")[0] for name in ("whole", "cut"))
    part = read_sound(tmp_path / "whole.wav", 5.0, 7.0, may_be_cut=True)[0]
    np.testing.assert_array_equal(part, whole[5000:7000])
    part = read_sound(tmp_path / "cut.wav", 5.0, 7.0, may_be_cut=True)[0]
    np.testing.assert_array_equal(part, cut)
    with pytest.raises(ZooError, match="no samples from 5.0 s on"):
        read_sound(tmp_path / "cut.wav", 5.0, 7.0)
