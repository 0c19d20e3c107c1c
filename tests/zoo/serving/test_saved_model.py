import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.configs import MODELS
from zoo.errors import ZooError
from zoo.images.models import image_classifier
from zoo.serving.saved_model import export, float32_copy, graph_operations

IMAGE_SHAPE = (6, 4, 3)
CLASS_NAMES = ("ant", "bee", "cat", "dog", "elk")

# Loads the SavedModel where none of our packages can be imported, and stores what it answers.
SERVE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("perceiver_tf", "zoo", "tuning"):
            raise ImportError(f"{name} is blocked in this process")
sys.meta_path.insert(0, Blocked())
import tensorflow as tf
import numpy as np
path, inputs, outputs = sys.argv[1:]
inputs = np.load(inputs)
loaded = tf.saved_model.load(path)
raw = loaded.signatures["serving_default"](images=tf.constant(inputs["images"]))
files = tf.constant([bytes(file) for file in inputs["files"]])
decoded = loaded.signatures["image_bytes"](image_bytes=files)
names = loaded.signatures["class_names"]()
np.savez(
    outputs,
    raw=raw["scores"], raw_label=raw["label"].numpy().astype("U"),
    decoded=decoded["scores"], decoded_label=decoded["label"].numpy().astype("U"),
    names=names["class_names"].numpy().astype("U"),
)
"""


class Preprocess:
    """The smallest preprocessing that `export` accepts, independent of zoo.images.pipeline."""

    def __init__(self, mean=0.25):
        self.mean = mean

    def resize(self, images):
        images = tf.cast(images, tf.float32)
        return tf.ensure_shape(tf.image.resize(images, IMAGE_SHAPE[:2]), (None, *IMAGE_SHAPE))

    def normalise(self, images):
        return images / 255.0 - self.mean

    def decode(self, encoded):
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return self.resize(image[None])[0]

    def __call__(self, images):
        return self.normalise(self.resize(images))


class PythonPreprocess(Preprocess):
    def normalise(self, images):
        shape = images.shape
        images = tf.numpy_function(lambda x: x / np.float32(255), [images], tf.float32)
        return tf.ensure_shape(images, shape)


def build_model(dtype="float32", num_classes=5):
    keras.utils.set_random_seed(3)
    images = keras.Input(IMAGE_SHAPE, name="images")
    hidden = keras.layers.Flatten(dtype=dtype)(images)
    hidden = keras.layers.Dense(7, activation="gelu", dtype=dtype)(hidden)
    logits = keras.layers.Dense(num_classes, dtype="float32")(keras.ops.sin(4 * hidden))
    return keras.Model(images, logits)


def raw_images(count=3, height=9, width=8):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def softmax(logits):
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


def test_export_serves_equal_scores_without_our_code(tmp_path):
    model, preprocess, images = build_model(), Preprocess(), raw_images()
    path = export(model, tmp_path / "m", preprocess=preprocess, class_names=CLASS_NAMES)
    files = [tf.io.encode_png(image).numpy() for image in images]
    padded = np.zeros((len(files), max(map(len, files)) + 8), np.uint8)
    for row, file in zip(padded, files, strict=True):
        row[: len(file)] = np.frombuffer(file, np.uint8)
    np.savez(tmp_path / "inputs.npz", images=images, files=padded)
    command = [sys.executable, "-c", SERVE, path, tmp_path / "inputs.npz", tmp_path / "out.npz"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outputs = np.load(tmp_path / "out.npz")
    expected = softmax(np.asarray(model(preprocess(images))))
    labels = [CLASS_NAMES[index] for index in expected.argmax(axis=-1)]
    np.testing.assert_allclose(outputs["raw"], expected, atol=1e-5)
    np.testing.assert_allclose(outputs["decoded"], expected, atol=1e-5)
    assert outputs["raw_label"].tolist() == outputs["decoded_label"].tolist() == labels
    assert tuple(outputs["names"]) == CLASS_NAMES
    assert np.abs(expected[0] - expected[1]).max() > 1e-3


def test_export_names_its_tensors(tmp_path):
    path = export(build_model(), tmp_path / "m", preprocess=Preprocess())
    loaded = tf.saved_model.load(str(path))
    assert set(loaded.signatures) == {"serving_default", "image_bytes"}
    signature = loaded.signatures["serving_default"]
    assert signature.structured_input_signature[1] == {
        "images": tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")
    }
    assert signature.structured_outputs["scores"].shape.as_list() == [None, 5]
    assert set(signature.structured_outputs) == {"scores"}
    file_signature = loaded.signatures["image_bytes"]
    assert file_signature.structured_input_signature[1] == {
        "image_bytes": tf.TensorSpec((None,), tf.string, name="image_bytes")
    }


def test_export_holds_no_python_or_foreign_operation(tmp_path):
    path = export(build_model(), tmp_path / "m", preprocess=Preprocess(), class_names=CLASS_NAMES)
    operations = graph_operations(path)
    assert {"MatMul", "Softmax"} <= operations
    assert not [name for name in operations if "PyFunc" in name or name.startswith("IO>")]


def test_export_rejects_a_preprocess_that_calls_python(tmp_path):
    with pytest.raises(ValueError, match="TensorFlow's own operations.*Received: .*PyFunc"):
        export(build_model(), tmp_path / "m", preprocess=PythonPreprocess())
    assert list(tmp_path.iterdir()) == []


def test_export_makes_a_float32_copy(tmp_path):
    model, images = build_model("mixed_bfloat16"), raw_images()
    path = export(model, tmp_path / "m", preprocess=Preprocess())
    reference = build_model("float32")
    reference.set_weights(model.get_weights())
    loaded = tf.saved_model.load(str(path))
    served = loaded.signatures["serving_default"](images=images)["scores"]
    expected = softmax(np.asarray(reference(Preprocess()(images))))
    np.testing.assert_allclose(served, expected, atol=1e-5)
    reduced = softmax(np.asarray(model(Preprocess()(images))))
    assert np.abs(reduced - expected).max() > 1e-4
    assert model.layers[1].compute_dtype == "bfloat16"


def test_float32_copy_returns_a_float32_model_as_it_is():
    model = build_model()
    assert float32_copy(model) is model


def test_float32_copy_is_float32_also_under_another_global_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        copied = float32_copy(image_classifier(MODELS["perceiver_digits_tiny"]))
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    reference = image_classifier(MODELS["perceiver_digits_tiny"])
    reference.set_weights(copied.get_weights())
    images = np.random.default_rng(1).normal(size=(2, 8, 8, 1)).astype("float32")
    np.testing.assert_allclose(copied(images), reference(images), atol=1e-5)


def test_float32_copy_rewrites_nested_models():
    inner = build_model("mixed_bfloat16")
    images = keras.Input(IMAGE_SHAPE, name="images")
    copied = float32_copy(keras.Model(images, inner(images)))
    assert {layer.compute_dtype for layer in copied.layers[1].layers} == {"float32"}
    for weight, original in zip(copied.get_weights(), inner.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, original)


def test_export_refuses_a_folder_with_content(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ZooError, match="must not exist yet, or be empty; --overwrite"):
        export(build_model(), tmp_path, preprocess=Preprocess())
    with pytest.raises(ZooError, match="replaces only a SavedModel"):
        export(build_model(), tmp_path, preprocess=Preprocess(), overwrite=True)
    with pytest.raises(ZooError, match="must be a folder"):
        export(build_model(), tmp_path / "notes.txt", preprocess=Preprocess())
    assert [item.name for item in tmp_path.iterdir()] == ["notes.txt"]


def test_export_overwrites_a_saved_model_when_asked(tmp_path):
    images = raw_images()
    path = export(build_model(), tmp_path / "m", preprocess=Preprocess(mean=0.25))
    export(build_model(), path, preprocess=Preprocess(mean=0.75), overwrite=True)
    loaded = tf.saved_model.load(str(path))
    served = loaded.signatures["serving_default"](images=images)["scores"]
    expected = softmax(np.asarray(build_model()(Preprocess(mean=0.75)(images))))
    np.testing.assert_allclose(served, expected, atol=1e-5)
    assert [item.name for item in tmp_path.iterdir()] == ["m"]


def test_export_fills_an_empty_folder_and_makes_parents(tmp_path):
    (tmp_path / "empty").mkdir()
    assert export(build_model(), tmp_path / "empty", preprocess=Preprocess()).is_dir()
    assert export(build_model(), tmp_path / "a" / "b", preprocess=Preprocess()).is_dir()


def test_export_says_why_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="could not be written to .*file/m"):
        export(build_model(), tmp_path / "file" / "m", preprocess=Preprocess())


def test_export_wants_a_preprocess_with_a_plain_model(tmp_path):
    with pytest.raises(ValueError, match="`preprocess` must be given with a plain model"):
        export(build_model(), tmp_path / "m")


def test_export_wants_one_name_for_each_class(tmp_path):
    with pytest.raises(ValueError, match="Received: 2 names for 5 classes"):
        export(build_model(), tmp_path / "m", preprocess=Preprocess(), class_names=("a", "b"))
