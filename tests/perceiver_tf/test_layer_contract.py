"""What every layer owes to Keras: shapes before values, a config that rebuilds it, precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import perceiver_tf

IMAGES, POINTS, LATENTS, ROWS = (2, 8, 12, 3), (2, 5, 3), (2, 4, 8), (2, 6, 7)
FRAMES = (2, 2, 6, 9, 3)
TOKENS = (2, 6)
ENTITIES = {"categories": (2, 5, 2), "numbers": (2, 5, 3), "mask": (2, 5)}
CLIP = {"audio": (2, 12, 1), "image": (2, 2, 4, 8, 3)}
STREAMS = {"audio": (2, 3, 4), "image": (2, 1, 2, 2, 5), "image_mask": (2, 4)}
CLIP_SIZES = {"image_shape": (2, 4, 8, 3), "num_audio_samples": 12, "num_classes": 5}

LAYERS = [
    ("Attention", {"num_heads": 2, "qk_channels": 4}, (LATENTS, ROWS)),
    ("CrossAttention", {"num_heads": 2, "qk_channels": 4}, (LATENTS, ROWS)),
    ("CrossAttend", {"dropout": 0.1, "use_query_residual": False}, (LATENTS, ROWS)),
    ("SelfAttend", {"num_heads": 4}, (LATENTS,)),
    ("LatentTransformer", {"num_self_attends_per_block": 2, "num_heads": 2}, (LATENTS,)),
    ("LatentTransformer", {"num_heads": 2, "rematerialise": True}, (LATENTS,)),
    ("MLP", {"widening_factor": 2, "gelu": "erf"}, (LATENTS,)),
    ("LatentArray", {"num_latents": 3, "latent_channels": 5}, (IMAGES,)),
    ("FourierPositions", {"num_frequency_bands": 3, "max_resolution": (8, 8)}, (IMAGES,)),
    ("LearnedPositions", {"channels": 5}, (IMAGES,)),
    ("FourierInputs", {"num_frequency_bands": 3, "max_resolution": (8, 8)}, (IMAGES,)),
    ("LearnedInputs", {"content_channels": 4, "position_channels": 5}, (IMAGES,)),
    ("LearnedInputs", {"content_channels": None, "projected_position_channels": None}, (IMAGES,)),
    ("ConvStemInputs", {"num_frequency_bands": 3, "max_resolution": (8, 8)}, (IMAGES,)),
    (
        "ConvStemInputs",
        {"num_frequency_bands": 3, "max_resolution": (8, 8), "padding": "symmetric"},
        (IMAGES,),
    ),
    ("ModalityPadding", {"num_channels": 9}, (ROWS,)),
    ("FlowInputs", {"num_frequency_bands": 3, "max_resolution": (8, 8)}, (FRAMES,)),
    (
        "FlowInputs",
        {"num_frequency_bands": 3, "max_resolution": (8, 8), "initializer": "spectral"},
        (FRAMES,),
    ),
    (
        "FlowInputs",
        {"num_frequency_bands": 3, "max_resolution": (8, 8), "max_displacement": 1},
        (FRAMES,),
    ),
    ("CostVolume", {"max_displacement": 1, "channels": 5}, (FRAMES,)),
    ("PointInputs", {"num_frequency_bands": 3, "max_resolution": (8, 8, 8)}, (POINTS,)),
    ("EntityInputs", {"channels": 6, "category_sizes": (3, 2), "hidden_channels": 4}, (ENTITIES,)),
    ("MaskedMean", {}, (ROWS, (2, 6))),
    ("FourierQueries", {"num_frequency_bands": 3, "max_resolution": (8, 8)}, (IMAGES,)),
    ("TokenEmbedding", {"vocabulary_size": 9, "channels": 5}, (TOKENS,)),
    ("TokenInputs", {"max_length": 8}, (ROWS,)),
    ("TokenQueries", {"max_length": 8, "channels": 5}, (TOKENS,)),
    ("TokenQueries", {"max_length": 8, "channels": 5, "position_init": "sinusoidal"}, (TOKENS,)),
    (
        "NgramEmbedding",
        {"channels": 5, "sizes": (1, 3), "num_buckets": 7, "dropout": 0.1},
        ({"token_ids": TOKENS, "mask": TOKENS},),
    ),
    ("OutputBias", {}, (ROWS,)),
    ("AssembledRows", {"permutation_seed": 3}, (IMAGES,)),
    ("AverageWindows", {}, ((6, 5), (2, 3, 4))),
    ("SpaceToDepth", {"patch_shape": (4, 3)}, (IMAGES,)),
    ("Motion", {}, (FRAMES,)),
    ("ImageViews", {"mirrored": True, "shift": 1}, (IMAGES,)),
    ("FrameViews", {}, (FRAMES,)),
    ("MeanOfFlows", {}, ((8, 6, 9, 2),)),
    ("MeanOfViews", {"num_views": 2}, ((6, 5),)),
    ("RelativeSelfAttention", {"num_heads": 2, "qk_channels": 8, "v_channels": 4}, (IMAGES,)),
    ("MaskToken", {"num_channels": 9}, (ROWS,)),
    (
        "VideoInputs",
        {"patch_shape": (2, 3, 9), "num_frequency_bands": 3, "max_resolution": (8, 8, 8)},
        (FRAMES,),
    ),
    ("ClipInputs", {**CLIP_SIZES, "audio_patch": 4}, (CLIP,)),
    (
        "StreamInputs",
        {
            "streams": ("image", "audio"),
            "num_frequency_bands": (1, 3),
            "max_resolution": ((4, 4, 4), (8,)),
        },
        (STREAMS,),
    ),
    ("ClipDecoder", {**CLIP_SIZES, "audio_patch": 4, "output_channels": 9}, (LATENTS,)),
]


def values(random, shapes):
    def value(shape):
        return random.normal(size=shape).astype("float32")

    return [keras.tree.map_shape_structure(value, shape) for shape in shapes]


def described(result):
    return keras.tree.map_structure(
        lambda x: (tuple(x.shape), keras.backend.standardize_dtype(x.dtype)), result
    )


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(("name", "arguments", "shapes"), LAYERS)
def test_layer_keeps_its_contract(random, name, arguments, shapes, policy):
    layer = getattr(perceiver_tf, name)(**arguments, dtype=policy)
    symbolic = layer(
        *[keras.tree.map_shape_structure(keras.KerasTensor, shape) for shape in shapes]
    )
    inputs = values(random, shapes)
    result = layer(*inputs)
    assert described(result) == described(symbolic)

    rebuilt = type(layer).from_config(layer.get_config())
    rebuilt(*inputs)
    assert rebuilt.get_config() == layer.get_config()
    rebuilt.set_weights(layer.get_weights())
    for one, other in zip(
        keras.tree.flatten(rebuilt(*inputs)), keras.tree.flatten(result), strict=True
    ):
        np.testing.assert_array_equal(
            np.asarray(keras.ops.cast(one, "float32")), np.asarray(keras.ops.cast(other, "float32"))
        )


@pytest.mark.parametrize(("name", "arguments", "shapes"), LAYERS)
def test_layer_makes_tensors_and_hands_on_no_variable(random, name, arguments, shapes):
    """What reads a variable reads its own copy: rows made from it are made again by each reader."""
    layer = getattr(perceiver_tf, name)(**arguments)
    made = []

    @tf.function(autograph=False)
    def call(*inputs):
        made.extend(keras.tree.flatten(layer(*inputs)))

    call(*values(random, shapes))
    assert made
    assert not any(isinstance(x, (keras.Variable, tf.Variable)) for x in made)


def test_layer_contract_covers_every_public_layer():
    public = {
        name
        for name in perceiver_tf.__all__
        if isinstance(getattr(perceiver_tf, name), type)
        and issubclass(getattr(perceiver_tf, name), keras.layers.Layer)
    }
    assert public == {name for name, _, _ in LAYERS}
