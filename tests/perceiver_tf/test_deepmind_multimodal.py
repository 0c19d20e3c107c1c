"""The autoencoder of clips equals DeepMind's own code, weight for weight, on a small model."""

import pathlib

import numpy as np
import pytest
from test_deepmind import assign, assign_block

from perceiver_tf.models.configs import PerceiverIOConfig
from perceiver_tf.models.skeleton import count_parameters
from zoo.multimodal.configs import MULTIMODAL_MODELS, MultimodalAutoencoderConfig
from zoo.multimodal.models import multimodal_autoencoder, reconstructor

REFERENCE = pathlib.Path(__file__).parent / "deepmind" / "kinetics_autoencoder_small.npz"


@pytest.fixture(scope="module")
def stored():
    return dict(np.load(REFERENCE))


def small_config(**changes):
    architecture = PerceiverIOConfig(
        num_latents=9,
        latent_channels=32,
        num_blocks=1,
        num_self_attends_per_block=2,
        cross_attention_qk_channels=79,
        decoder_qk_channels=32,
        use_decoder_query_residual=False,
        cross_attention_implementation=changes.pop("implementation", "auto"),
    )
    settings = {
        "image_shape": (4, 16, 16, 3),
        "num_audio_samples": 640,
        "num_classes": 6,
        "num_image_bands": 4,
        "image_max_resolution": (4, 4, 4),
        "num_audio_bands": 7,
        "audio_max_resolution": 640,
        "label_query_channels": 40,
        "output_channels": 32,
        "num_image_points": 1,
        "num_audio_points": 1,
    }
    return MultimodalAutoencoderConfig("", "", 0, architecture, **(settings | changes))


def load_reference(model, stored):
    """Give the model the reference's weights; every array is used once."""
    arrays = {k.removeprefix("param:"): v for k, v in stored.items() if k.startswith("param:")}
    adapter, decoder = model.get_layer("inputs"), model.get_layer("decoder")
    vectors = {
        "encoder/~/trainable_position_encoding": model.get_layer("latents").latents,
        "classification_decoder/~/basic_decoder/~/trainable_position_encoding": (
            decoder.label_query.latents
        ),
    }
    for name in ("audio", "image", "label"):
        prefix = "multimodal_preprocessor/"
        vectors[f"{prefix}{name}_padding"] = getattr(adapter, f"{name}_padding").padding
        vectors[f"{prefix}{name}_mask_token"] = getattr(adapter, f"{name}_mask_token").token
        padding = getattr(decoder, f"{name}_padding").padding
        vectors[f"multimodal_decoder/~decoder_query/{name}_padding"] = padding
    for name, variable in vectors.items():
        variable.assign(arrays.pop(f"{name}/pos_embs").reshape(variable.shape))
    assign_block(model.get_layer("cross_attend"), arrays, "encoder/~/cross_attention")
    for index, block in enumerate(model.get_layer("latent_transformer").self_attends):
        suffix = f"_{index}" if index else ""
        assign_block(block, arrays, f"encoder/~/self_attention{suffix}", is_self=True)
    basic = "multimodal_decoder/~/basic_decoder"
    assign_block(decoder.cross_attend, arrays, f"{basic}/cross_attention")
    assign(decoder.outputs, arrays, f"{basic}/output")
    for head, name in (
        (decoder.audio_head, "audio_postprocessor"),
        (decoder.image_head, "projection_postprocessor"),
        (decoder.label_head, "classification_postprocessor"),
    ):
        assign(head, arrays, f"{name}/linear")
    assert not arrays, f"left over: {sorted(arrays)}"


def inputs_of(stored):
    return {
        "audio": stored["input:audio"],
        "image": stored["input:images"],
        "audio_points": stored["input:audio_points"][None],
        "image_points": stored["input:image_points"][None],
    }


@pytest.mark.parametrize("implementation", ["auto", "dense"])
def test_autoencoder_equals_deepmind(stored, implementation):
    model = multimodal_autoencoder(small_config(implementation=implementation))
    load_reference(model, stored)
    outputs = model(inputs_of(stored))
    assert outputs["image"].shape == (1, 205, 3)
    np.testing.assert_allclose(outputs["image"], stored["output:image"], atol=1e-4)
    audio = stored["output:audio"].reshape(1, 20, 16)
    np.testing.assert_allclose(outputs["audio"], audio, atol=1e-4)
    np.testing.assert_allclose(outputs["label"], stored["output:label"], atol=1e-4)


def test_whole_clips_have_deepminds_numbers_at_the_points(stored):
    model = multimodal_autoencoder(small_config())
    load_reference(model, stored)
    whole = reconstructor(model)({k: v for k, v in inputs_of(stored).items() if "_" not in k})
    pixels = np.reshape(whole["image"], (1, -1, 3))[:, stored["input:image_points"]]
    np.testing.assert_allclose(pixels, stored["output:image"], atol=1e-4)
    patches = np.reshape(whole["audio"], (1, -1, 16))[:, stored["input:audio_points"]]
    np.testing.assert_allclose(patches.reshape(1, -1), stored["output:audio"], atol=1e-4)
    np.testing.assert_allclose(whole["label"], stored["output:label"], atol=1e-4)


def test_published_model_has_the_published_parameters():
    config = MULTIMODAL_MODELS["perceiver_io_multimodal"]
    count = count_parameters(lambda: multimodal_autoencoder(config))
    assert count == config.parameters == 19_858_855
