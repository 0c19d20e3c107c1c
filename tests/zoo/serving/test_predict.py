import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.cli import main
from zoo.errors import ZooError
from zoo.images.predict import predict_contents, read_files
from zoo.serving.endpoints import open_endpoints
from zoo.serving.saved_model import export

CLASS_NAMES = ("dark", "grey", "bright")
COLOURS = {"dark": 10, "grey": 128, "bright": 245}


def predict(files, model, top=3, skip_corrupt=False, batch_size=32):
    """Returns the `Predictions` of image files by a run folder, a model's file or a SavedModel."""
    contents = read_files(files, top, batch_size, skip_corrupt)
    endpoints = open_endpoints(model).endpoints
    return predict_contents(endpoints, *contents, top, batch_size, skip_corrupt)


class Preprocess:
    """Makes 4 x 4 grey images of anything; written here independently of zoo.images.pipeline."""

    def decode(self, encoded):
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        image = tf.image.rgb_to_grayscale(tf.cast(image, tf.float32))
        return tf.ensure_shape(tf.image.resize(image, (4, 4)), (4, 4, 1))

    def normalise(self, images):
        return images / 255.0

    def __call__(self, images):
        images = tf.image.resize(tf.cast(images, tf.float32), (4, 4))
        return self.normalise(tf.ensure_shape(images, (None, 4, 4, 1)))


def brightness_model():
    """Returns a classifier that is right by construction: logit k falls with (brightness - k/2)."""
    images = keras.Input((4, 4, 1), name="images")
    brightness = keras.layers.GlobalAveragePooling2D()(images)
    distance = brightness - np.array([[0.0, 0.5, 1.0]], np.float32)
    return keras.Model(images, -20 * keras.ops.square(distance))


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "brightness"
    return export(brightness_model(), path, preprocess=Preprocess(), class_names=CLASS_NAMES)


@pytest.fixture
def pictures(tmp_path):
    """Three readable files of different kinds and sizes: JPEG colour, PNG with alpha, PNG grey."""
    jpeg = np.full((9, 7, 3), COLOURS["bright"], np.uint8)
    alpha = np.full((5, 6, 4), COLOURS["dark"], np.uint8)
    grey = np.full((12, 4, 1), COLOURS["grey"], np.uint8)
    files = {
        "bright": (tmp_path / "bright [1].jpg", tf.io.encode_jpeg(jpeg)),
        "dark": (tmp_path / "dark.png", tf.io.encode_png(alpha)),
        "grey": (tmp_path / "grey.png", tf.io.encode_png(grey)),
    }
    for file, content in files.values():
        file.write_bytes(content.numpy())
    return {name: file for name, (file, _) in files.items()}


@pytest.fixture
def bad_files(tmp_path, pictures):
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(pictures["grey"].read_bytes()[:40])
    text = tmp_path / "text.jpg"
    text.write_text("not an image")
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")
    return [truncated, text, empty]


def test_predict_classifies_files_of_any_kind_and_size(saved_model, pictures):
    found = predict(pictures.values(), saved_model, top=2)
    assert [item.labels[0] for item in found.predictions] == list(pictures)
    assert [item.file for item in found.predictions] == list(pictures.values())
    for item in found.predictions:
        assert len(item.labels) == len(item.scores) == 2
        assert 1 > item.scores[0] > item.scores[1] > 0
    assert found.skipped == {}


def test_predict_gives_the_same_scores_in_any_batches(saved_model, pictures):
    together = predict(pictures.values(), saved_model, top=3).predictions
    apart = predict(pictures.values(), saved_model, top=3, batch_size=1).predictions
    for one, other in zip(together, apart, strict=True):
        assert one.labels == other.labels
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)


@pytest.mark.parametrize("index", [0, 1, 2], ids=["truncated", "text", "empty"])
def test_predict_names_an_unreadable_file(saved_model, pictures, bad_files, index):
    files = [*pictures.values(), bad_files[index]]
    told = f"{bad_files[index].name}: not a readable image: corrupt, truncated or no JPEG"
    with pytest.raises(ZooError, match=told):
        predict(files, saved_model)


def test_predict_names_a_missing_file_before_it_loads_the_model(tmp_path):
    with pytest.raises(ZooError, match="gone.png: no such file"):
        predict([tmp_path / "gone.png"], tmp_path / "no model either")
    with pytest.raises(ZooError, match="is a folder, not an image file"):
        predict([tmp_path], tmp_path / "no model either")


def test_predict_skips_unreadable_files_when_asked(saved_model, pictures, bad_files, tmp_path):
    missing = tmp_path / "gone.png"
    files = [missing, bad_files[0], *pictures.values(), *bad_files[1:]]
    found = predict(files, saved_model, skip_corrupt=True)
    assert [item.labels[0] for item in found.predictions] == list(pictures)
    assert set(found.skipped) == {missing, *bad_files}
    assert "no such file" in found.skipped[missing]


def test_predict_says_when_no_file_is_left(saved_model, bad_files):
    with pytest.raises(ZooError, match="None of the files.*truncated.png: not.*and 2 more"):
        predict(bad_files, saved_model, skip_corrupt=True)


def test_predict_rejects_settings_out_of_range(saved_model, pictures):
    with pytest.raises(ZooError, match="`top` must be at least 1. Received: top=0"):
        predict(pictures.values(), saved_model, top=0)
    with pytest.raises(ZooError, match="`batch_size` must be at least 1. Received: batch_size=0"):
        predict(pictures.values(), saved_model, batch_size=0)


def test_predict_numbers_the_classes_of_a_model_without_names(pictures, tmp_path):
    path = export(brightness_model(), tmp_path / "nameless", preprocess=Preprocess())
    found = predict([pictures["bright"]], path)
    assert found.predictions[0].labels == ("2", "1", "0")


def test_predict_wants_a_classifier_of_images(pictures, tmp_path):
    module = tf.Module()
    module.double = tf.function(lambda x: {"y": 2 * x}, [tf.TensorSpec((None,), tf.float32)])
    tf.saved_model.save(module, str(tmp_path), signatures={"double": module.double})
    with pytest.raises(ZooError, match="must have one of the signatures image_bytes.*: double"):
        predict([pictures["bright"]], tmp_path)


def test_predict_command_prints_a_table_and_writes_json(saved_model, pictures, tmp_path, capsys):
    report_path = tmp_path / "reports" / "report.json"
    report_path.parent.mkdir()
    files = list(map(str, pictures.values()))
    options = ["--model", str(saved_model), "--top", "2", "--json", str(report_path)]
    assert main(["predict", *files, str(tmp_path / "gone.png"), "--skip-corrupt", *options]) == 0
    printed = capsys.readouterr().out
    assert "bright [1].jpg" in printed
    assert "could not be read: 1" in printed and "gone.png" in printed
    report = json.loads(report_path.read_text())
    assert [item["label"] for item in report["predictions"]] == list(pictures)
    assert report["predictions"][0]["score"] == report["predictions"][0]["top"][0]["score"] > 0.5
    assert report["skipped"][0]["file"].endswith("gone.png")
    assert [item.name for item in report_path.parent.iterdir()] == ["report.json"]


def test_predict_command_keeps_standard_output_for_json(saved_model, pictures, capsys):
    assert main(["predict", str(pictures["dark"]), "--model", str(saved_model), "--json", "-"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["predictions"][0]["label"] == "dark"
    assert "dark.png" in printed.err


def test_predict_command_prints_one_line_for_a_corrupt_file(saved_model, bad_files):
    command = [sys.executable, "-m", "zoo", "predict", "--model", saved_model, bad_files[1]]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("perceiver-zoo: error: ") and "text.jpg" in done.stderr
