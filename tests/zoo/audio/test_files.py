"""Which sounds there are and what is heard in them: folders, numbered files, manifests."""

import pathlib

import pytest

from zoo.audio.files import list_sounds
from zoo.data.manifests import LabelledFile
from zoo.errors import ZooError

FSDD = pathlib.Path(__file__).parents[4] / "shared/data/audio/fsdd"


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def listed(sounds):
    return [(pathlib.Path(sound.path).name, sound.labels) for sound in sounds]


def test_folders_by_class_and_split(tmp_path):
    touch(tmp_path, "train/dog/a.wav", "train/dog/b.mp3", "train/cat/c.FLAC", "test/cat/d.ogg")
    touch(tmp_path, "train/dog/notes.txt", "test/dog/e.wav")
    splits, names = list_sounds(tmp_path)
    assert names == ("cat", "dog")
    assert listed(splits["train"]) == [("c.FLAC", (0,)), ("a.wav", (1,)), ("b.mp3", (1,))]
    assert listed(splits["test"]) == [("d.ogg", (0,)), ("e.wav", (1,))]


def test_numbered_files_have_the_official_splits(tmp_path):
    touch(tmp_path, *(f"{label}_ann_{i}.wav" for label in ("10", "9") for i in range(11)))
    splits, names = list_sounds(tmp_path)
    assert names == ("9", "10")
    assert {split: len(sounds) for split, sounds in splits.items()} == {
        "train": 6,
        "validation": 6,
        "test": 10,
    }
    assert ("10_ann_4.wav", (1,)) in listed(splits["test"])
    assert ("9_ann_5.wav", (0,)) in listed(splits["validation"])
    assert ("9_ann_8.wav", (0,)) in listed(splits["train"])


@pytest.mark.skipif(not FSDD.is_dir(), reason="needs FSDD at ../shared/data/audio/fsdd")
def test_the_free_spoken_digits_are_as_their_authors_split_them():
    splits, names = list_sounds(FSDD)
    assert names == tuple("0123456789")
    counts = {split: len(sounds) for split, sounds in splits.items()}
    assert counts == {"train": 2520, "validation": 180, "test": 300}


def manifest(tmp_path, *lines, name="sounds.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_manifest_has_parts_splits_and_several_labels(tmp_path):
    path = manifest(
        tmp_path,
        "label, path ,start,end,split,remark",
        "Speech;Music,sub/a.wav,1.5,3,train,x",
        '"Dog, barking",/far/b.mp3,,,test,',
        '"Dog, barking; Music",c.wav,2,,train,',
        ",d.wav,,1,validation,",
    )
    splits, names = list_sounds(path)
    assert names == ("Dog, barking", "Music", "Speech")
    assert splits["train"] == [
        LabelledFile(str(tmp_path / "sub/a.wav"), (2, 1), 1.5, 3.0),
        LabelledFile(str(tmp_path / "c.wav"), (0, 1), 2.0, None),
    ]
    assert splits["test"] == [LabelledFile("/far/b.mp3", (0,))]
    assert splits["validation"] == [LabelledFile(str(tmp_path / "d.wav"), (), None, 1.0)]


def test_parts_of_a_file_are_on_one_side_of_the_split(tmp_path):
    rows = [f"{i}.wav,{i % 3},{start}," for i in range(40) for start in (0, 1)]
    splits, names = list_sounds(manifest(tmp_path, "path,label,start,end", *rows))
    assert names == ("0", "1", "2")
    train, test = ({sound.path for sound in splits[name]} for name in ("train", "test"))
    assert not train & test and len(train | test) == 40 and len(test) >= 3


def test_numbers_are_the_classes_themselves(tmp_path):
    path = manifest(tmp_path, "path,label,split", "a.wav,07;2,train", "b.wav,4,test")
    splits, names = list_sounds(path)
    assert names == tuple("01234567")
    assert splits["train"][0].labels == (7, 2) and splits["test"][0].labels == (4,)
    assert list_sounds(path, num_classes=9)[1] == tuple("012345678")
    with pytest.raises(ZooError, match=r"the 7 classes 0, .* 6. Received: '07' in .*csv line 2"):
        list_sounds(path, num_classes=7)


BAD_MANIFESTS = {
    "path,lable\na.wav,1": "must have the columns path and label.*with path, lable, without label",
    "": "without path and label",
    "path,label\n": "must hold sounds to train on",
    "path,label,split\na.wav,x,test": "must hold sounds to train on",
    "path,label,split\na.wav,x,eval": "one of train, validation, test. .*'eval' in .*line 2",
    "path,label,start\na.wav,x,soon": "seconds of at least 0. Received: 'soon' in .*line 2",
    "path,label,start\na.wav,x,-1": "seconds of at least 0. Received: '-1'",
    "path,label,start,end\na.wav,x,2,2": "must be behind its start. Received: 2.0 to 2.0",
    "path,label\n,x": "must have a path. Received: .*line 2",
    "path,label\na.wav,-1\nb.wav,3": "one of the 4 classes 0, 1, 2, 3. Received: '-1'",
    "path,label,split\na.wav,x,train\nb.wav,y,test": "one of the 1 classes x. Received: 'y'",
}


@pytest.mark.parametrize("text", BAD_MANIFESTS)
def test_a_bad_manifest_is_one_clear_line(tmp_path, text):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(ZooError, match=BAD_MANIFESTS[text]) as caught:
        list_sounds(tmp_path / "bad.csv")
    assert "bad.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_text_is_no_manifest(tmp_path):
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ZooError, match="The manifest .*bad.csv cannot be read"):
        list_sounds(tmp_path / "bad.csv")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "must hold sounds .*an empty folder"),
        (("readme.txt",), "must hold sounds .*Received: none"),
        (("hello.wav",), "be named LABEL_SPEAKER_NUMBER.wav. Received: hello.wav"),
        (("1_ann_0.wav",), "sounds to train on, of numbers from 8 on. Received: none"),
        (("1_ann_9.wav", "2_ann_0.wav"), "one of the 1 classes 1. Received: '2' in .*2_ann_0.wav"),
        (("dog/a.txt",), "class folder .*dog must hold sounds"),
        (("dog/a.wav",), "at least two class folders"),
    ],
)
def test_a_bad_folder_is_one_clear_line(tmp_path, names, message):
    with pytest.raises(ZooError, match=message):
        list_sounds(touch(tmp_path, *names))


def test_what_is_neither_folder_nor_manifest_is_named(tmp_path):
    with pytest.raises(ZooError, match="a .csv manifest. Received: .*nothing, not found"):
        list_sounds(tmp_path / "nothing")
    touch(tmp_path, "a.wav")
    with pytest.raises(ZooError, match="Received: .*a.wav, which is neither"):
        list_sounds(tmp_path / "a.wav")
