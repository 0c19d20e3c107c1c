"""The optical-flow model equals DeepMind's own code, weight for weight, on a small model.

The array beside this file holds what DeepMind's released Haiku modules gave (JAX, float32) for
random weights; its output is scaled to pixels already.
"""

import keras
import numpy as np
import pytest
from test_deepmind import REFERENCE, assign, assign_block

from perceiver_tf.models.configs import PerceiverIOConfig
from zoo.optical_flow.configs import OpticalFlowConfig
from zoo.optical_flow.models import optical_flow_model

ENCODER, DECODER = "perceiver_encoder/~", "flow_decoder/~/basic_decoder"


def small_config(implementation="auto"):
    return OpticalFlowConfig(
        summary="DeepMind's model, small",
        source="released code",
        parameters=0,
        architecture=PerceiverIOConfig(
            num_latents=11,
            latent_channels=32,
            num_blocks=1,
            num_self_attends_per_block=2,
            num_self_attention_heads=4,
            cross_attention_qk_channels=86,  # as wide as the inputs, also where the latents are not
            decoder_qk_channels=32,
            decoder_v_channels=32,
            use_decoder_query_residual=False,
            cross_attention_implementation=implementation,
        ),
        frame_shape=(12, 20),
        num_frequency_bands=5,
    )


def small_model(stored, implementation="auto"):
    """Return the model with the stored weights."""
    arrays = {k.removeprefix("param:"): v for k, v in stored.items() if k.startswith("param:")}
    model = optical_flow_model(small_config(implementation))
    latents = arrays.pop(f"{ENCODER}/trainable_position_encoding/pos_embs")
    model.get_layer("latents").latents.assign(latents)
    projection = model.get_layer("inputs").content_projection
    assign(projection, arrays, "image_preprocessor/patches_linear")
    assign_block(model.get_layer("cross_attend"), arrays, f"{ENCODER}/cross_attention")
    for index, block in enumerate(model.get_layer("latent_transformer").self_attends):
        suffix = f"_{index}" if index else ""
        assign_block(block, arrays, f"{ENCODER}/self_attention{suffix}", is_self=True)
    assign_block(model.get_layer("decoder"), arrays, f"{DECODER}/cross_attention")
    assign(model.get_layer("outputs"), arrays, f"{DECODER}/output")
    assert not arrays, f"left over: {sorted(arrays)}"
    return model


@pytest.fixture(scope="module")
def stored():
    return dict(np.load(REFERENCE / "optical_flow_small.npz"))


@pytest.mark.parametrize("implementation", ["auto", "dense"])
def test_flow_equals_deepmind(stored, implementation):
    model = small_model(stored, implementation)
    np.testing.assert_allclose(model(stored["input:images"]), stored["output:"], atol=1e-4)


def test_flow_from_a_file_equals_deepmind(stored, tmp_path):
    small_model(stored).save(tmp_path / "flow.keras")
    model = keras.saving.load_model(tmp_path / "flow.keras")
    np.testing.assert_allclose(model(stored["input:images"]), stored["output:"], atol=1e-4)
