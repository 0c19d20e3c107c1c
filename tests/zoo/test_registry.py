import keras
import numpy as np
import pytest

import zoo
from perceiver_tf import perceiver
from perceiver_tf.layers.byte_array import assemble
from zoo.configs import MODELS, configuration
from zoo.errors import ZooError
from zoo.images.models import image_adapter
from zoo.recipes.named import RECIPES
from zoo.registry import parameter_count
from zoo.serving.model_file import save_model_file
from zoo.weights.differences import first_difference

PARAMETERS = {
    "perceiver_imagenet": 44_912_254,
    "perceiver_imagenet_one_cross_attend": 42_135_859,
    "perceiver_imagenet_unshared": 326_241_856,
    "perceiver_imagenet_learned": 55_951_080,
    "perceiver_io_imagenet_fourier": 48_440_627,
    "perceiver_io_imagenet_learned": 62_255_848,
    "perceiver_io_imagenet_conv": 48_646_522,
    "perceiver_digits_tiny": 280_172,
    "perceiver_mnist_small": 306_784,
    "perceiver_cifar10_small": 501_332,
    "perceiver_io_language": 201_108_230,
    "perceiver_io_language_sentencepiece": 223_155_456,
    "perceiver_io_language_large": 425_607_430,
    "perceiver_io_language_classifier": 206_098_690,
    "perceiver_io_language_tiny": 409_638,
    "perceiver_sst2_small": 6_402_242,
    "perceiver_io_flow_tiny": 731_984,
    "perceiver_io_multimodal_tiny": 413_860,
    "perceiver_io_flow": 41_057_134,
    "perceiver_io_multimodal": 19_858_855,
    "perceiver_modelnet40": 44_772_202,
    "perceiver_modelnet10_small": 364_502,
    "perceiver_audioset_raw": 27_629_085,
    "perceiver_audioset_mel": 27_637_329,
    "perceiver_spoken_digits_mel": 346_798,
    "perceiver_spoken_digits_raw": 419_278,
    "baseline_resnet_small": 174_274,
    "baseline_vit_small": 460_714,
    "baseline_botnet_small": 150_362,
    "botnet_50": 20_852_008,
    "perceiver_mutag_small": 64_130,
    "perceiver_proteins_small": 53_954,
    "perceiver_io_starcraft_entities": 556_290,
    "perceiver_audioset_video": 28_763_153,
    "perceiver_depth_actions_small": 352_769,
    "perceiver_actions_small": 510_417,
    "perceiver_audioset_audio_video": 28_787_139,
    "perceiver_audio_video_digits": 382_802,
    "perceiver_utd_depth_inertial": 495_747,
}


def test_every_model_has_a_pinned_count():
    assert set(zoo.list_models()) == set(PARAMETERS)


@pytest.mark.parametrize("name", MODELS)
def test_parameter_count_is_the_pinned_one(name):
    assert parameter_count(MODELS[name]) == PARAMETERS[name] == MODELS[name].parameters


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_recipe(name):
    assert MODELS[name].recipe in RECIPES


@pytest.mark.parametrize("name", ["perceiver_digits_tiny", "perceiver_io_imagenet_fourier"])
def test_build_pairs_a_model_with_its_pipeline(name):
    small = {"num_latents": 4, "latent_channels": 16, "image_shape": (8, 8, 1), "num_classes": 10}
    entry = zoo.build(name, data="digits", **small)
    images, labels = next(iter(entry.pipeline.batches("test", 6)))
    logits = entry.model(images)
    assert entry.name == name == entry.model.name
    assert logits.shape == labels.shape == (6, 10)
    assert np.abs(logits - entry.model(images[::-1])).max() > 1e-3


def test_build_without_data_on_this_machine_gives_the_model():
    entry = zoo.build("perceiver_io_imagenet_conv", num_latents=4, latent_channels=16)
    assert entry.model.input_shape == (None, 224, 224, 3)
    assert entry.model.output_shape == (None, 1000)


def test_outputs_follow_the_classes_of_the_data(random, tmp_path):
    images = random.integers(0, 256, (9, 8, 8), dtype=np.uint8)
    path = tmp_path / "three.npz"
    np.savez(path, x_train=images, y_train=np.arange(9) % 3)
    entry = zoo.build("perceiver_digits_tiny", data=str(path))
    assert entry.config.num_classes == 3
    assert entry.model.output_shape == (None, 3)
    _, labels = next(iter(entry.pipeline.batches("train", 9)))
    assert labels.shape == (9, 3)
    served = zoo.endpoints_of(entry)["serving_default"](images=images[..., np.newaxis])
    best = served["scores"].numpy().argmax(axis=-1)
    assert [int(label) for label in served["label"].numpy()] == best.tolist()


def test_names_of_the_data_go_before_those_of_the_weights(random, tmp_path):
    images, labels = random.integers(0, 256, (9, 8, 8), dtype=np.uint8), np.arange(9) % 3
    np.savez(tmp_path / "named.npz", x_train=images, y_train=labels, class_names=list("abc"))
    model = zoo.build("perceiver_digits_tiny", num_classes=3).model
    path, settings = tmp_path / "model.keras", {"num_classes": 3}
    save_model_file(model, path, "perceiver_digits_tiny", settings, ("0", "1", "2"))
    assert zoo.build("perceiver_digits_tiny", weights=path).class_names == ("0", "1", "2")
    named = zoo.build("perceiver_digits_tiny", weights=path, data=str(tmp_path / "named.npz"))
    assert named.class_names is None and named.pipeline.class_names == ("a", "b", "c")


def test_build_loads_weights(random, tmp_path):
    entry = zoo.build("perceiver_digits_tiny")
    images = random.normal(size=(2, 8, 8, 1)).astype("float32")
    entry.model.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(5)
    other = zoo.build("perceiver_digits_tiny", weights=tmp_path / "model.keras")
    np.testing.assert_array_equal(other.model(images), entry.model(images))


@pytest.mark.parametrize("rematerialise", [False, True])
def test_weights_of_the_other_structure_are_loaded(random, tmp_path, rematerialise):
    """Rematerialised iterations are one layer, others a layer each."""
    entry = zoo.build("perceiver_digits_tiny", rematerialise=rematerialise)
    images = random.normal(size=(2, 8, 8, 1)).astype("float32")
    entry.model.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(5)
    changes = {"weights": tmp_path / "model.keras", "rematerialise": not rematerialise}
    other = zoo.build("perceiver_digits_tiny", **changes)
    names = [layer.name for layer in other.model.layers]
    assert ("iterations" in names) is not rematerialise
    np.testing.assert_allclose(other.model(images), entry.model(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("perceiver_digit_tiny", {}, "Did you mean 'perceiver_digits_tiny'"),
        ("perceiver_digits_tiny", {"num_latent": 3}, "Did you mean 'num_latents'"),
        ("perceiver_digits_tiny", {"foo": 3}, "no setting 'foo'. Known are .*num_latents"),
        ("perceiver_digits_tiny", {"num_latents": 0}, "`num_latents` must be an integer"),
        ("perceiver_digits_tiny", {"positions": "none"}, "Received: positions='none'"),
        ("perceiver_digits_tiny", {"image_shape": (8, 8)}, "`image_shape` must be"),
        ("perceiver_digits_tiny", {"image_shape": (8, 8, 2)}, "`image_shape` must be"),
        ("perceiver_digits_tiny", {"image_shape": (8.5, 8, 1)}, "`image_shape` must be"),
        ("perceiver_digits_tiny", {"max_resolution": (8,)}, "`max_resolution` must be"),
        ("perceiver_digits_tiny", {"max_resolution": 8}, "`max_resolution` must be"),
        ("perceiver_digits_tiny", {"recipe": "digit"}, "Did you mean 'digits'"),
        ("perceiver_digits_tiny", {"num_classes": 2.5}, "`num_classes` must be at least 1"),
        ("perceiver_digits_tiny", {"cross_attention_qk_channels": -4}, "must be an integer"),
        ("perceiver_digits_tiny", {"cross_attention_implementation": "fast"}, "'fast'"),
        ("perceiver_digits_tiny", {"latent_init_scale": 0.0}, "must be greater than 0"),
        ("perceiver_digits_tiny", {"rematerialise": "yes"}, "`rematerialise` must be one of"),
        ("perceiver_io_flow_tiny", {"max_displacement": "far"}, "an integer of at least 0"),
        ("perceiver_digits_tiny", {"num_classes": 0}, "`num_classes` must be at least 1"),
        ("perceiver_digits_tiny", {"num_frequency_bands": 0}, "`num_frequency_bands` must be"),
    ],
)
def test_wrong_names_and_values_are_one_clear_line(name, settings, message):
    with pytest.raises(zoo.ZooError, match=message) as caught:
        configuration(name, **settings)
    assert "\n" not in str(caught.value)


def test_what_only_building_finds_out_is_one_clear_line():
    with pytest.raises(zoo.ZooError, match="`qk_channels` must be divisible by `num_heads`") as e:
        zoo.build("perceiver_digits_tiny", num_cross_attention_heads=2)
    assert "\n" not in str(e.value)


def test_missing_and_foreign_weights_are_one_clear_line(tmp_path):
    with pytest.raises(zoo.ZooError, match="no weights at .*nothing.keras"):
        zoo.build("perceiver_digits_tiny", weights=tmp_path / "nothing.keras")
    zoo.build_model(zoo.configuration("perceiver_digits_tiny")).save(tmp_path / "other.keras")
    with pytest.raises(
        zoo.ZooError, match="other.keras are not those of perceiver_digits_tiny"
    ) as e:
        zoo.build("perceiver_digits_tiny", weights=tmp_path / "other.keras", num_latents=16)
    assert str(e.value).endswith(
        "latents/latents is of shape (16, 128) in the model and (8, 128) in the file."
    )


def test_what_differs_from_the_weights_of_a_file_is_named(tmp_path):
    def layers(*names):
        inputs = outputs = keras.Input((3,))
        for name in names:
            outputs = keras.layers.Dense(3, use_bias=False, name=name)(outputs)
        return keras.Model(inputs, outputs)

    path = tmp_path / "a.keras"
    layers("one", "two").save(path)
    assert first_difference(layers("one", "two"), path) is None
    told = "the file has two/kernel of shape (3, 3), and the model does not"
    assert first_difference(layers("one"), path) == told
    told = "the model has three/kernel of shape (3, 3), and the file does not"
    assert first_difference(layers("one", "three"), path) == told
    (tmp_path / "text.keras").write_text("no model")
    assert first_difference(layers("one"), tmp_path / "text.keras") is None


def test_mnist_model_does_not_know_the_order_of_the_pixels(random):
    """One permutation of the pixels together with their positions leaves the outputs equal."""
    config = zoo.configuration("perceiver_mnist_small")
    images = random.normal(size=(3, *config.image_shape)).astype("float32")
    model = zoo.build_model(config)
    rows = np.asarray(assemble(image_adapter(config)(images)))
    on_rows = perceiver(
        keras.Input(rows.shape[1:], name="rows"),
        lambda rows: rows,
        config.num_classes,
        config.architecture,
    )
    on_rows.set_weights(model.get_weights())
    permuted = rows[:, random.permutation(rows.shape[1])]
    assert np.abs(permuted - rows).max() > 1
    np.testing.assert_allclose(on_rows(permuted), model(images), atol=1e-5)


def test_no_setting_is_called_name():
    with pytest.raises(ZooError, match="perceiver_digits_tiny has no setting 'name'"):
        configuration("perceiver_digits_tiny", **{"name": "x"})
