import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
import reference

import perceiver_tf
from perceiver_tf import (
    ConvStemInputs,
    FourierInputs,
    FourierQueries,
    LatentArray,
    LearnedInputs,
    PerceiverConfig,
    PerceiverIOConfig,
    PointInputs,
    count_parameters,
    perceiver,
    perceiver_io,
)

SMALL = {
    "num_latents": 5,
    "latent_channels": 16,
    "num_self_attends_per_block": 2,
    "num_self_attention_heads": 4,
}
ADAPTERS = {
    "fourier": lambda: FourierInputs(3, (8, 12)),
    "learned": lambda: LearnedInputs(6, 5, 7),
    "conv": lambda: ConvStemInputs(3, (2, 3), content_channels=6),
}


def images_of(random, batch_size=2):
    return random.normal(size=(batch_size, 8, 12, 3)).astype("float32")


def build_perceiver(adapter="fourier", **overrides):
    images = keras.Input((8, 12, 3), name="images")
    settings = {**SMALL, "num_cross_attends": 3, **overrides}
    return perceiver(images, ADAPTERS[adapter](), 4, **settings)


def build_perceiver_io(adapter="fourier", **overrides):
    images = keras.Input((8, 12, 3), name="images")
    settings = {**SMALL, "num_blocks": 2, **overrides}
    return perceiver_io(images, ADAPTERS[adapter](), LatentArray(1, 16), 4, **settings)


FAMILIES = [
    pytest.param(build, adapter, id=f"{build.__name__}-{adapter}")
    for build in (build_perceiver, build_perceiver_io)
    for adapter in ADAPTERS
]


@pytest.mark.parametrize(("build", "adapter"), FAMILIES)
def test_outputs_depend_on_the_inputs(random, build, adapter):
    model, images = build(adapter), images_of(random)
    logits = np.asarray(model(images))
    shuffled = random.permutation(images.reshape(2, 96, 3), axis=1).reshape(images.shape)
    for other in (-images, shuffled, images[::-1]):
        assert np.abs(logits - model(other)).max() > 1e-2


@pytest.mark.parametrize(("build", "adapter"), FAMILIES)
def test_gradients_reach_every_weight(random, build, adapter):
    import tensorflow as tf

    model, images = build(adapter), images_of(random)
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_sum(logits * random.normal(size=logits.shape).astype("float32"))
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        largest = np.abs(gradient).max()
        # The bias of the keys adds the same to all scores of a query: its gradient is zero.
        if variable.path.endswith("key/bias"):
            assert largest < 1e-3
        else:
            assert largest > 0, variable.path


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(("build", "adapter"), FAMILIES)
def test_saved_and_rebuilt_models_give_equal_outputs(random, tmp_path, build, adapter, policy):
    keras.config.set_dtype_policy(policy)
    model, images = build(adapter), images_of(random)
    logits = np.asarray(model(images))
    assert logits.dtype == "float32"
    keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "model.keras")
    loaded = perceiver_tf.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), logits)
    rebuilt = keras.Model.from_config(model.get_config())
    rebuilt.set_weights(model.get_weights())
    np.testing.assert_array_equal(rebuilt(images), logits)


def test_bfloat16_outputs_are_near_those_of_float32():
    """The largest error of a logit over the largest logit, the median of eleven new models.

    Of one model it depends on the draw: 0.006 to 0.05 were seen.
    """
    errors = []
    for seed in range(11):
        keras.utils.set_random_seed(seed)
        keras.config.set_dtype_policy("float32")
        model, images = build_perceiver(), images_of(np.random.default_rng(seed))
        keras.config.set_dtype_policy("mixed_bfloat16")
        mixed = build_perceiver()
        mixed.set_weights(model.get_weights())
        logits = np.asarray(model(images))
        errors.append(np.abs(np.asarray(mixed(images)) - logits).max() / np.abs(logits).max())
    assert 0 < np.median(errors) < 2e-2


def test_perceiver_equals_the_reference(random):
    model, images = build_perceiver(num_cross_attends=3), images_of(random)
    first, second = model.get_layer("cross_attend_0"), model.get_layer("cross_attend_1")
    transformer = model.get_layer("latent_transformer_0")
    rows = perceiver_tf.layers.byte_array.assemble(ADAPTERS["fourier"]()(images))
    latents = np.tile(np.asarray(model.get_layer("latents").latents)[None], (2, 1, 1))
    for cross_attend in (first, second, second):
        latents = reference.cross_attend(cross_attend, latents, np.asarray(rows))
        for self_attend in transformer.self_attends:
            latents = reference.self_attend(self_attend, latents)
    logits = reference.dense(latents.mean(1), model.get_layer("logits"))
    np.testing.assert_allclose(model(images), logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("sharing", "num_cross_attend_weights", "num_transformer_weights"),
    [("all_but_first_cross_attend", 2, 1), ("all", 1, 1), ("none", 3, 3)],
)
def test_perceiver_shares_weights_as_asked(
    sharing, num_cross_attend_weights, num_transformer_weights
):
    names = [layer.name for layer in build_perceiver(sharing=sharing).layers]
    assert sum(name.startswith("cross_attend") for name in names) == num_cross_attend_weights
    assert sum(name.startswith("latent_transformer") for name in names) == num_transformer_weights


def test_perceiver_without_sharing_has_its_own_weights_in_every_block():
    shared = build_perceiver(sharing="all", num_cross_attends=1, num_blocks=3)
    unshared = build_perceiver(sharing="none", num_cross_attends=1, num_blocks=3)
    assert len(shared.get_layer("latent_transformer_0").self_attends) == 2
    assert len(unshared.get_layer("latent_transformer_0").self_attends) == 6


def test_perceiver_takes_any_resolution_at_call_time(random):
    images = keras.Input((None, None, 3), name="images")
    model = perceiver(images, FourierInputs(3, (8, 12)), 4, num_cross_attends=2, **SMALL)
    fixed = build_perceiver(num_cross_attends=2)
    model.set_weights(fixed.get_weights())
    small = images_of(random)
    np.testing.assert_allclose(model(small), fixed(small), atol=1e-5)
    large = np.repeat(np.repeat(small, 2, axis=1), 2, axis=2)
    assert np.isfinite(model(large)).all()
    assert model.predict(large[:, :11], verbose=0).shape == (2, 4)


def test_perceiver_does_not_know_the_order_of_the_pixels(random):
    """Permuting pixels together with their positions changes nothing."""
    model, images = build_perceiver(), images_of(random)
    rows = np.asarray(perceiver_tf.layers.byte_array.assemble(ADAPTERS["fourier"]()(images)))
    inputs = keras.Input(rows.shape[1:], name="rows")
    on_rows = perceiver(inputs, lambda rows: rows, 4, num_cross_attends=3, **SMALL)
    on_rows.set_weights(model.get_weights())
    permuted = rows[:, random.permutation(rows.shape[1])]
    np.testing.assert_allclose(on_rows(permuted), model(images), atol=1e-5)


def test_point_clouds_ignore_their_padding(random):
    inputs = {
        "points": keras.Input((None, 3), name="points"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    model = perceiver(inputs, PointInputs(3, (20, 20, 20)), 4, num_cross_attends=2, **SMALL)
    points = random.uniform(-1, 1, (2, 9, 3)).astype("float32")
    mask = np.tile(np.arange(9) < 6, (2, 1))
    np.testing.assert_allclose(
        model({"points": points, "mask": mask}),
        model({"points": points[:, :6], "mask": mask[:, :6]}),
        atol=1e-5,
    )


def test_perceiver_io_decodes_any_queries(random):
    images = images_of(random)
    on_grid = perceiver_io(
        keras.Input((8, 12, 3), name="images"),
        ADAPTERS["fourier"](),
        FourierQueries(3, (8, 12), grid_shape=(4, 6)),
        2,
        **SMALL,
        num_blocks=1,
        use_decoder_query_residual=False,
    )
    assert on_grid(images).shape == (2, 24, 2)
    inputs = {
        "images": keras.Input((8, 12, 3), name="images"),
        "queries": keras.Input((None, 7), name="queries"),
    }
    given = perceiver_io(
        inputs,
        lambda inputs: ADAPTERS["fourier"]()(inputs["images"]),
        lambda inputs: inputs["queries"],
        2,
        **SMALL,
    )
    queries = random.normal(size=(2, 5, 7)).astype("float32")
    decoded = np.asarray(given({"images": images, "queries": queries}))
    one = given({"images": images, "queries": queries[:, 3:4]})
    np.testing.assert_allclose(decoded[:, 3:4], one, atol=1e-5)


def test_perceiver_io_takes_a_dict_of_inputs_and_masks_queries(random):
    inputs = {
        "points": keras.Input((None, 3), name="points"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
        "queries": keras.Input((None, 7), name="queries"),
        "queries_mask": keras.Input((None,), dtype="bool", name="queries_mask"),
    }
    adapter = PointInputs(3, (20, 20, 20))
    trained = perceiver_io(inputs, adapter, LatentArray(2, 16), 4, **SMALL)
    given = perceiver_io(
        inputs,
        adapter,
        lambda inputs: inputs["queries"],
        4,
        queries_mask=lambda inputs: inputs["queries_mask"],
        use_decoder_query_residual=False,
        **SMALL,
    )
    values = {
        "points": random.uniform(-1, 1, (2, 9, 3)).astype("float32"),
        "mask": np.ones((2, 9), bool),
        "queries": random.normal(size=(2, 5, 7)).astype("float32"),
        "queries_mask": np.tile(np.arange(5) < 3, (2, 1)),
    }
    assert trained(values).shape == (2, 2, 4)
    outputs = np.asarray(given(values))
    np.testing.assert_allclose(outputs[:, 3], outputs[:, 4], atol=1e-6)
    assert np.abs(outputs[:, 0] - outputs[:, 1]).max() > 1e-4


def test_counting_a_large_model_takes_no_memory():
    code = (
        "import resource, zoo; from zoo.configs import MODELS; import zoo.registry\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "zoo.parameter_count(MODELS['perceiver_digits_tiny']); before = peak()\n"
        "zoo.parameter_count(MODELS['perceiver_imagenet_unshared'])\n"
        "print(peak() - before)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 200_000  # kB; its weights would be 1,300,000


def test_models_refuse_the_configuration_of_another():
    images = keras.Input((8, 12, 3))
    with pytest.raises(TypeError, match="must be a PerceiverConfig. Received: PerceiverIOConfig"):
        perceiver(images, ADAPTERS["fourier"](), 4, PerceiverIOConfig())


def test_counting_parameters_equals_the_built_model():
    assert count_parameters(build_perceiver) == sum(
        np.prod(v.shape) for v in build_perceiver().trainable_variables
    )
    with pytest.raises(TypeError):
        count_parameters(lambda: build_perceiver(no_such_field=1))


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (PerceiverConfig, {"num_latents": 0}, "`num_latents` must be an integer of at least 1"),
        (PerceiverConfig, {"sharing": "some"}, "Received: sharing='some'"),
        (PerceiverConfig, {"latent_channels": 10}, "divisible by `num_self_attention_heads`"),
        (PerceiverConfig, {"dropout": 1.5}, r"in \[0, 1\). Received: dropout=1.5"),
        (PerceiverConfig, {"gelu": "swish"}, "Received: gelu='swish'"),
        (PerceiverIOConfig, {"decoder_qk_channels": 5, "num_decoder_heads": 2}, "divisible"),
    ],
)
def test_configs_refuse_invalid_values(config, fields, message):
    with pytest.raises(ValueError, match=message):
        config(**fields)


def test_configs_refuse_unknown_fields():
    with pytest.raises(TypeError, match="num_latent"):
        dataclasses.replace(PerceiverConfig(), num_latent=3)


def test_load_model_says_which_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model file at .*nothing.keras"):
        perceiver_tf.load_model(tmp_path / "nothing.keras")
