"""The classifiers equal DeepMind's own code, weight for weight, on small models.

The arrays beside this file are figures that DeepMind's released Haiku modules gave (JAX, float32)
for random weights: inputs, parameters by name, and outputs.
"""

import pathlib

import keras
import numpy as np
import pytest

from perceiver_tf import ConvStemInputs, FourierInputs, LatentArray, LearnedInputs, perceiver_io

REFERENCE = pathlib.Path(__file__).parent / "deepmind"
ADAPTERS = {
    "imagenet_fourier": lambda: FourierInputs(6, (20, 20)),
    "imagenet_learned": lambda: LearnedInputs(12, 12, 12),
    "imagenet_conv": lambda: ConvStemInputs(6, (8, 8)),
}
IN_BLOCK = {
    "layer_norm": ["queries_norm"],
    "layer_norm_1": ["attention", "inputs_norm"],
    "layer_norm_2": ["mlp_norm"],
    "attention/linear": ["attention", "query"],
    "attention/linear_1": ["attention", "key"],
    "attention/linear_2": ["attention", "value"],
    "attention/linear_3": ["attention", "attention_output"],
    "mlp/linear": ["mlp", "hidden"],
    "mlp/linear_1": ["mlp", "output_projection"],
}


def assign(layer, arrays, prefix):
    """Assign a Haiku module's (weight, bias) or (scale, offset) to a Keras layer."""
    first, second = ("w", "b") if f"{prefix}/w" in arrays else ("scale", "offset")
    weights = [arrays.pop(f"{prefix}/{first}")]
    if f"{prefix}/{second}" in arrays:
        weights.append(arrays.pop(f"{prefix}/{second}"))
    layer.set_weights([w.reshape(v.shape) for w, v in zip(weights, layer.weights, strict=True)])


def assign_block(block, arrays, prefix, is_self=False):
    names = dict(IN_BLOCK)
    if is_self:
        names["layer_norm_1"] = names.pop("layer_norm_2")
    for name, path in names.items():
        layer = block
        for attribute in path:
            layer = getattr(layer, attribute)
        assign(layer, arrays, f"{prefix}/{name}")


def assign_inputs(adapter, arrays, state):
    prefix = "image_preprocessor/~_build_network_inputs"
    if isinstance(adapter, LearnedInputs):
        positions = arrays.pop(f"{prefix}/trainable_position_encoding/pos_embs")
        adapter.positions.positions.assign(positions)
        assign(adapter.position_projection, arrays, f"{prefix}/position_encoding_projector/linear")
        assign(adapter.content_projection, arrays, "image_preprocessor/~/conv2_d")
    if isinstance(adapter, ConvStemInputs):
        prefix = "image_preprocessor/~/conv2_d_downsample/~"
        assign(adapter.convolution, arrays, f"{prefix}/conv")
        weights = [arrays.pop(f"{prefix}/batchnorm/{name}") for name in ("scale", "offset")]
        for name in ("mean_ema", "var_ema"):
            weights.append(state[f"{prefix}/batchnorm/~/{name}/average"])
        adapter.normalization.set_weights([w.reshape(-1) for w in weights])


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("implementation", ["auto", "dense"])
def test_classifier_equals_deepmind(name, implementation):
    stored = dict(np.load(REFERENCE / f"{name}_small.npz"))
    arrays = {k.removeprefix("param:"): v for k, v in stored.items() if k.startswith("param:")}
    state = {k.removeprefix("state:"): v for k, v in stored.items() if k.startswith("state:")}
    images = stored["input:images"]

    encoder, decoder = "perceiver_encoder/~", "classification_decoder/~/basic_decoder"
    adapter = ADAPTERS[name]()
    model = perceiver_io(
        keras.Input(images.shape[1:], name="images"),
        adapter,
        LatentArray(1, 32, name="query"),
        5,
        num_latents=7,
        latent_channels=32,
        num_blocks=3,
        num_self_attends_per_block=2,
        cross_attention_qk_channels=arrays[f"{encoder}/cross_attention/attention/linear/b"].size,
        use_decoder_query_residual=name != "imagenet_learned",
        cross_attention_implementation=implementation,
    )
    latents = arrays.pop(f"{encoder}/trainable_position_encoding/pos_embs")
    model.get_layer("latents").latents.assign(latents)
    query = arrays.pop(f"{decoder}/~/trainable_position_encoding/pos_embs")
    model.get_layer("query").latents.assign(query)
    assign_block(model.get_layer("cross_attend"), arrays, f"{encoder}/cross_attention")
    for index, block in enumerate(model.get_layer("latent_transformer").self_attends):
        suffix = f"_{index}" if index else ""
        assign_block(block, arrays, f"{encoder}/self_attention{suffix}", is_self=True)
    assign_block(model.get_layer("decoder"), arrays, f"{decoder}/cross_attention")
    assign(model.get_layer("outputs"), arrays, f"{decoder}/output")
    assign_inputs(adapter, arrays, state)
    assert not arrays, f"left over: {sorted(arrays)}"
    np.testing.assert_allclose(model(images)[:, 0], stored["output:"], atol=1e-4)
