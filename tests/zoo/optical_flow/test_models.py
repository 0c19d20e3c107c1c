import dataclasses

import keras
import numpy as np
import pytest

from perceiver_tf import FlowInputs
from perceiver_tf.layers.patches import SpectralInitializer, neighbourhoods
from perceiver_tf.models.configs import PerceiverIOConfig
from perceiver_tf.models.skeleton import count_parameters
from zoo.optical_flow.configs import FLOW_MODELS, OpticalFlowConfig
from zoo.optical_flow.models import optical_flow_model
from zoo.optical_flow.pipeline import flow_pipeline


def tiny(**changes):
    config = OpticalFlowConfig(
        summary="tiny",
        source="a test",
        parameters=0,
        architecture=PerceiverIOConfig(
            num_latents=3,
            latent_channels=8,
            num_blocks=1,
            num_self_attends_per_block=1,
            num_self_attention_heads=2,
            use_decoder_query_residual=False,
        ),
        frame_shape=(4, 7),
        num_frequency_bands=2,
        content_channels=5,
    )
    return dataclasses.replace(config, **changes)


def with_random_outputs(model, random):
    """Gives the last layer weights, which starts with zeros."""
    layer = model.get_layer("outputs")
    layer.set_weights([random.normal(size=weights.shape) for weights in layer.get_weights()])
    return model


@pytest.mark.parametrize("name", FLOW_MODELS)
def test_parameter_counts_are_pinned(name):
    config = FLOW_MODELS[name]
    assert count_parameters(lambda: optical_flow_model(config)) == config.parameters


def test_patches_are_in_the_order_row_column_channel(random):
    images = random.normal(size=(2, 4, 5, 3)).astype("float32")
    patches = np.asarray(neighbourhoods(images, 3)).reshape(2, 4, 5, 3, 3, 3)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for row, column in ((0, 0), (2, 3), (3, 4)):
        np.testing.assert_array_equal(
            patches[:, row, column], padded[:, row : row + 3, column : column + 3]
        )


def test_rows_join_the_patches_of_the_first_and_the_second_frame(random):
    frames = random.normal(size=(1, 2, 4, 5, 3)).astype("float32")
    layer = FlowInputs(2, (4, 5), content_channels=54)
    layer(frames)
    layer.content_projection.set_weights([np.eye(54), np.zeros(54)])
    content = layer(frames)["content"]
    for index in range(2):
        np.testing.assert_allclose(
            content[..., 27 * index : 27 * (index + 1)],
            neighbourhoods(frames[:, index], 3),
            rtol=1e-6,
        )


def test_spectral_start_separates_what_a_patch_is_made_of():
    kernel = np.asarray(SpectralInitializer(2, 3, 3)((54, 54)))
    gram = kernel.T @ kernel
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-4)  # orthogonal columns
    assert (np.diff(np.diag(gram)) > -1e-4).all()  # the largest usual amplitude first
    plain = np.ones((1, 54)) @ kernel
    np.testing.assert_allclose(plain[0, 1:], 0, atol=1e-5)  # a plain surface is one channel


def test_spectral_start_evens_patches_of_photographs():
    """Of all that can vary in a patch, the main part is less above the median than usually."""
    pipeline = flow_pipeline(tiny(frame_shape=(20, 30), downscale=8, max_motion=2.0), "samples")
    frames, _ = next(iter(pipeline.batches("test", 8)))

    def unevenness(initializer):
        layer = FlowInputs(2, (20, 30), content_channels=54, initializer=initializer)
        content = np.asarray(layer(frames)["content"])[:, 1:-1, 1:-1].reshape(-1, 54)
        variances = np.linalg.eigvalsh(np.cov(content.T))
        return variances[-1] / np.median(variances)

    assert unevenness("spectral") < unevenness("random") / 20


def test_spectral_start_takes_any_number_of_channels():
    assert np.asarray(SpectralInitializer(2, 3, 3)((54, 20))).shape == (54, 20)
    wide = np.asarray(SpectralInitializer(1, 3, 1)((9, 12)))
    assert np.linalg.matrix_rank(wide) == 9 and not wide[:, 9:].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": 4}, "`patch_size` must be odd and at least 1. Received: patch_size=4"),
        (
            {"initializer": "cosine"},
            "`initializer` must be one of .*Received: initializer='cosine'",
        ),
    ],
)
def test_flow_inputs_reject_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        FlowInputs(2, (4, 5), **arguments)


def test_an_untrained_model_says_that_nothing_moves(random):
    frames = random.normal(size=(2, 2, 4, 7, 3)).astype("float32")
    np.testing.assert_array_equal(optical_flow_model(tiny())(frames), np.zeros((2, 4, 7, 2)))


def test_flow_depends_on_both_frames_and_their_order(random):
    model = with_random_outputs(optical_flow_model(tiny()), random)
    frames = random.normal(size=(1, 2, 4, 7, 3)).astype("float32")
    flow = np.asarray(model(frames))
    for other in (frames[:, ::-1], frames * [[[[[1.0]]], [[[0.5]]]]]):
        assert np.abs(np.asarray(model(other.astype("float32"))) - flow).max() > 1e-3


def test_flow_is_a_fifth_of_the_last_layers_output(random):
    """Divided by 100 as the published model's, times 20 to be in pixels."""
    model = with_random_outputs(optical_flow_model(tiny()), random)
    frames = random.normal(size=(2, 2, 4, 7, 3)).astype("float32")
    raw = keras.Model(model.input, model.get_layer("outputs").output)(frames)
    np.testing.assert_allclose(model(frames), np.reshape(raw, (2, 4, 7, 2)) / 5, rtol=1e-5)


def test_mirrored_views_average_the_flow_of_all_mirror_images(random):
    config = tiny(content_channels=6, max_displacement=1, cost_volume_channels=3)
    plain = with_random_outputs(optical_flow_model(config), random)
    model = optical_flow_model(dataclasses.replace(config, mirrored_views=True))
    model.set_weights(plain.get_weights())
    frames = random.uniform(-1, 1, (3, 2, 4, 7, 3)).astype("float32")
    total = 0.0
    for down in (1, -1):
        for right in (1, -1):
            flow = plain(frames[:, :, ::down, ::right])[:, ::down, ::right]
            total = total + np.asarray(flow) * (right, down)
    np.testing.assert_allclose(model(frames), total / 4, atol=1e-5)
    np.testing.assert_allclose(
        model(frames[:, :, ::-1])[:, ::-1] * (1, -1), model(frames), atol=1e-5
    )
    np.testing.assert_allclose(model(frames, training=True), plain(frames), atol=1e-5)


def test_numerics_choose_the_gelu(random):
    frames = random.normal(size=(1, 2, 4, 7, 3)).astype("float32")
    models = [
        with_random_outputs(optical_flow_model(tiny(numerics=numerics)), random)
        for numerics in ("deepmind", "huggingface")
    ]
    models[1].set_weights(models[0].get_weights())
    difference = np.abs(np.asarray(models[0](frames)) - np.asarray(models[1](frames))).max()
    assert 0 < difference < 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_shape": (4, 0)}, r"`frame_shape` must be \(height, width\). Received"),
        ({"patch_size": 2}, "`patch_size` must be odd. Received: patch_size=2"),
        ({"downscale": 3}, "`downscale` must be 1 or even. Received: downscale=3"),
        ({"warp_share": 1.5}, r"`warp_share` must be in \[0, 1\]. Received: warp_share=1.5"),
        ({"max_motion": 0.0}, "`max_motion` must be greater than 0"),
        ({"max_resolution": (3,)}, "`max_resolution` must be None or"),
        ({"views_per_pair": 0}, "`views_per_pair` must be an integer of at least 1"),
        ({"numerics": "torch"}, "`numerics` must be one of"),
        ({"patch_initializer": "x"}, "`patch_initializer` must be one of"),
    ],
)
def test_bad_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)
