import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.errors import ZooError
from zoo.serving.endpoints import open_endpoints
from zoo.serving.model_file import load_model_file, save_model_file
from zoo.tasks import TASKS

NAME = "perceiver_digits_tiny"
SMALL = {"num_latents": 3, "latent_channels": 16, "image_shape": (8, 6, 1)}
LABELS = tuple("abcdefghij")


@pytest.fixture(scope="module")
def entry():
    keras.utils.set_random_seed(0)
    return zoo.build(NAME, **SMALL)


@pytest.fixture(scope="module")
def model_file(entry, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "digits.keras"
    save_model_file(entry.model, path, NAME, SMALL, LABELS)
    return path


@pytest.fixture
def images(random):
    return random.integers(0, 256, (2, 9, 7, 1), dtype=np.uint8)


def test_endpoints_are_what_an_export_serves(entry, images, tmp_path):
    path = zoo.export(entry, tmp_path / "served", class_names=LABELS)
    served = open_endpoints(path).endpoints["serving_default"](images=tf.constant(images))
    here = zoo.endpoints_of(entry, LABELS)["serving_default"](images=images)
    assert set(served) == set(here) == {"scores", "label"}
    np.testing.assert_allclose(served["scores"], here["scores"], atol=1e-6)
    assert list(served["label"].numpy()) == list(here["label"].numpy())


def test_endpoint_says_which_argument_is_missing(entry):
    with pytest.raises(TypeError, match=r"must get images. Received: \['pictures'\]"):
        zoo.endpoints_of(entry)["serving_default"](pictures=np.zeros((1, 8, 6, 1), np.uint8))


def test_model_file_keeps_weights_settings_and_names(entry, model_file, images):
    loaded, class_names = load_model_file(model_file)
    assert (loaded.name, loaded.config, tuple(class_names)) == (NAME, entry.config, LABELS)
    ready = open_endpoints(model_file)
    assert ready.task is TASKS[type(entry.config)]
    expected = zoo.endpoints_of(entry)["serving_default"](images=images)["scores"]
    found = ready.endpoints["serving_default"](images=images)["scores"]
    np.testing.assert_array_equal(found, expected)
    assert np.ptp(np.asarray(expected), axis=0).max() > 1e-6


def test_model_file_is_a_keras_file(entry, model_file, images):
    from perceiver_tf import load_model

    normalised = entry.pipeline.preprocess(images)
    np.testing.assert_array_equal(load_model(model_file)(normalised), entry.model(normalised))


def test_model_file_must_end_in_keras(entry, tmp_path):
    with pytest.raises(ZooError, match="must end in .keras. Received: .*model.h5"):
        save_model_file(entry.model, tmp_path / "model.h5", NAME)
    assert not list(tmp_path.iterdir())


def test_plain_keras_file_says_that_it_does_not_name_a_model(entry, tmp_path):
    entry.model.save(tmp_path / "plain.keras")
    with pytest.raises(ZooError, match="must say which model of the zoo it holds"):
        open_endpoints(tmp_path / "plain.keras")


def test_open_endpoints_says_what_a_model_must_be(tmp_path):
    with pytest.raises(ZooError, match="must be a run folder.*a SavedModel.*not found"):
        open_endpoints(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="which is not a folder"):
        open_endpoints(tmp_path / "file")
    (tmp_path / "broken.keras").write_text("garbage")
    with pytest.raises(ZooError, match="broken.keras cannot be read"):
        open_endpoints(tmp_path / "broken.keras")
    (tmp_path / "saved_model.pb").write_text("garbage")
    with pytest.raises(ZooError, match=f"The SavedModel {tmp_path} cannot be read"):
        open_endpoints(tmp_path)
