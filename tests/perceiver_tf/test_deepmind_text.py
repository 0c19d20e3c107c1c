"""The masked language model equals DeepMind's own code, weight for weight, on a small model."""

import numpy as np
import pytest
from test_deepmind import REFERENCE, assign_block

from zoo.text.configs import MaskedLanguageConfig, language_architecture
from zoo.text.models import masked_language_model


def small_model(implementation="auto"):
    architecture = language_architecture(
        num_latents=9,
        latent_channels=40,
        num_self_attends_per_block=3,
        cross_attention_qk_channels=16,
        cross_attention_v_channels=40,
        self_attention_qk_channels=16,
        self_attention_v_channels=40,
        decoder_qk_channels=16,
        decoder_v_channels=24,
        cross_attention_implementation=implementation,
    )
    return masked_language_model(
        MaskedLanguageConfig("", "", 1, architecture, token_channels=24, max_length=33)
    )


def assign_all(model, arrays):
    positions = "trainable_position_encoding/pos_embs"
    encoder, decoder = "perceiver_encoder/~", "basic_decoder"
    model.get_layer("token_embedding").embeddings.assign(arrays.pop("embed/embeddings"))
    model.get_layer("inputs").positions.assign(arrays.pop(positions))
    model.get_layer("latents").latents.assign(arrays.pop(f"{encoder}/{positions}"))
    model.get_layer("queries").queries.assign(arrays.pop(f"{decoder}/~/{positions}"))
    assign_block(model.get_layer("cross_attend"), arrays, f"{encoder}/cross_attention")
    for index, block in enumerate(model.get_layer("latent_transformer").self_attends):
        suffix = f"_{index}" if index else ""
        assign_block(block, arrays, f"{encoder}/self_attention{suffix}", is_self=True)
    assign_block(model.get_layer("decoder"), arrays, f"{decoder}/cross_attention")
    model.get_layer("logits").bias.assign(arrays.pop("embedding_decoder/bias"))
    assert not arrays, f"left over: {sorted(arrays)}"


@pytest.mark.parametrize("implementation", ["auto", "dense"])
def test_masked_language_model_equals_deepmind(implementation):
    stored = dict(np.load(REFERENCE / "language_bytes_small.npz"))
    arrays = {k.removeprefix("param:"): v for k, v in stored.items() if k.startswith("param:")}
    model = small_model(implementation)
    assign_all(model, arrays)
    inputs = {"token_ids": stored["input:inputs"], "mask": stored["input:input_mask"] > 0}

    np.testing.assert_allclose(model(inputs), stored["output:"], atol=1e-4)

    # The second text is 22 tokens long: alone and unpadded it gives the same.
    short = {name: values[1:, :22] for name, values in inputs.items()}
    np.testing.assert_allclose(model(short), stored["output:"][1:, :22], atol=1e-4)
