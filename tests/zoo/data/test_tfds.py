"""Data sets of TensorFlow Datasets by name: which there are, their splits and features."""

import pytest
from tfds_examples import mocked

from zoo.data.tfds import SHUFFLE_BYTES, TfdsData, data_set_of
from zoo.errors import ZooError

pytestmark = pytest.mark.filterwarnings("ignore")


def test_names_are_those_with_a_prefix_or_well_known_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert data_set_of("speech_commands", ("nsynth",)) is None
    assert data_set_of("nsynth/full", ("nsynth",)).name == "nsynth/full"
    assert data_set_of("tfds:mnist").name == "mnist"
    (tmp_path / "nsynth").mkdir()
    assert data_set_of("nsynth", ("nsynth",)) is None
    assert data_set_of("tfds:nsynth", ("nsynth",)).name == "nsynth"
    with pytest.raises(ZooError, match="no data set, file or folder 'nsint'. Did you mean"):
        data_set_of("tfds:nsint")


@pytest.mark.parametrize("name", ["", "mnist:", "mnist:train[", ":train"])
def test_a_name_is_of_one_form(name):
    with pytest.raises(ZooError, match=r"named as NAME or NAME:split\[:10%\].*Received"):
        TfdsData(name)


def test_splits_go_by_the_names_of_the_house():
    with mocked(6, ("test", "unlabelled", "valid", "train")):
        data = TfdsData("speech_commands")
        assert list(data.parts.items()) == [
            ("train", "train"),
            ("validation", "valid"),
            ("test", "test"),
            ("unlabelled", "unlabelled"),
        ]
        assert data.num_examples("validation") == 6
        assert len(list(data.dataset("validation"))) == 6


def test_a_part_takes_the_place_of_its_split():
    with mocked(6, ("train", "valid")):
        data = TfdsData("glue/sst2:2.0.0:valid[:50%]")
        assert data.parts == {"train": "train", "validation": "valid[:50%]"}
        assert (data.num_examples("train"), data.num_examples("validation")) == (6, 3)
        with pytest.raises(ZooError, match="one of its splits train, valid. Received: 'dev"):
            TfdsData("glue/sst2:dev[:50%]").prepared  # noqa: B018
        with pytest.raises(ZooError, match="has no such part"):
            TfdsData("glue/sst2:train[:x]").num_examples("train")


def test_a_buffer_is_bounded_by_bytes():
    with mocked(6, num_bytes=SHUFFLE_BYTES // 3):
        data = TfdsData("speech_commands")
        assert data.mean_bytes("train") == SHUFFLE_BYTES // 3
        assert data.shuffle_buffer("train") == 3
    with mocked(6):
        assert TfdsData("speech_commands").shuffle_buffer("train") == 4096


@pytest.mark.parametrize(
    ("name", "feature", "kind"),
    [("ucf101", "video", "Video"), ("moving_mnist", "image_sequence", "Video")],
)
def test_features_of_moving_pictures_are_found(name, feature, kind):
    with mocked(2):
        data = TfdsData(name)
        shape = data.feature(feature, kind).shape
        (example, *_) = data.dataset("train").take(1)
        assert shape[-1] in (1, 3) and example[feature].shape[1:] == shape[1:]


def test_features_that_are_not_there_are_named():
    data = TfdsData("nsynth")
    assert len(data.class_names("instrument/family")) == 11
    assert data.class_names("pitch")[:2] == ("0", "1")
    for path, kind in (("video", "Video"), ("audio", "Image"), ("instrument/age", "ClassLabel")):
        with pytest.raises(ZooError, match=f"feature '{path}' of type {kind}. Received: .*audio"):
            data.feature(path, kind)
