"""The predictions of `perceiver-zoo info` against what built models do."""

import dataclasses
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import types

import keras
import pytest
import tensorflow as tf

import zoo
from perceiver_tf.layers import reading
from perceiver_tf.models.costs import model_blocks
from zoo.cli import main
from zoo.configs import MODELS as ALL_MODELS
from zoo.costs import costs, num_weights, rows_of
from zoo.images.configs import IMAGE_MODELS
from zoo.multimodal.costs import around_clips
from zoo.point_clouds.configs import POINT_CLOUD_MODELS
from zoo.recipes.named import RECIPES

MODELS = IMAGE_MODELS | POINT_CLOUD_MODELS

# Runs one forward pass or training step and prints, in bytes, how far the resident memory rises
# above where it was. The model has run before, at the same size, so that code, graphs and state
# are there, and at another one, so that its graph is one for any size, as in `fit`; freed memory is
# given back first, and the kernel's record of the peak reset. Which operations run at once differs
# from time to time, and the peak with it: hence the median.
PEAK = """
import ast, ctypes, gc, statistics, sys
import keras
import numpy as np
import zoo
from zoo.recipes.optimizers import build_optimizer
from zoo.recipes.named import RECIPES
from zoo.tasks import task_of

def resident(field):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(field))

name, batch_size, mode, overrides, num_steps = sys.argv[1:]
config = zoo.configuration(name, **ast.literal_eval(overrides))
keras.utils.set_random_seed(0)
model = zoo.build_model(config)
random, batch_size = np.random.default_rng(0), int(batch_size)
lengths = ("example_length", "num_points", "num_entities", "max_edges")
length = next((getattr(config, name) for name in lengths if hasattr(config, name)), 1)

def example(tensor):
    rows = config.max_nodes if tensor.name.startswith("node") else length  # or one window
    shape = (batch_size, *(size or rows for size in tensor.shape[1:]))
    if tensor.dtype == "bool":
        return np.ones(shape, bool)
    if "int" in tensor.dtype:
        return random.integers(6, 262, shape)
    return random.normal(size=shape).astype("float32")

inputs = keras.tree.map_structure(example, model.input)
if isinstance(model.output, dict):
    targets = keras.tree.map_structure(example, model.output)
elif hasattr(config, "num_classes"):
    labels = np.arange(batch_size) % config.num_classes
    targets = np.eye(config.num_classes, dtype="float32")[labels]
elif isinstance(inputs, dict):
    targets = inputs["token_ids"]
else:
    targets = example(model.output)
if mode == "forward":
    model.compile(jit_compile=False)
    step, batch = model.predict_on_batch, (inputs,)
else:
    recipe = RECIPES[config.recipe]
    optimizer = build_optimizer(recipe, model.trainable_variables, 1000)
    model.compile(optimizer, task_of(config).compiled(config, recipe)["loss"], jit_compile=False)
    step, batch = model.train_on_batch, (inputs, targets)

def run(num_examples=batch_size):
    step(*keras.tree.map_structure(lambda values: values[:num_examples], batch))

def peak():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident("VmRSS")
    with open("/proc/self/clear_refs", "w") as record:
        record.write("5")
    run()
    return resident("VmHWM") - before

run(1)
run()
print(statistics.median_low(peak() for _ in range(int(num_steps))))
"""

# TensorFlow keeps freed memory for its next use; the system's allocator gives it back at once.
ALLOCATOR = {
    "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}

needs_peaks = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK),
    reason="the kernel has no /proc/self/clear_refs, which resets the record of the peak",
)


def measured_peak(name, batch_size, mode, overrides, num_steps):
    run = subprocess.run(
        [sys.executable, "-c", PEAK, name, str(batch_size), mode, repr(overrides), str(num_steps)],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(zoo.__file__).parent.parent,
        env=os.environ | ALLOCATOR,
    )
    assert run.returncode == 0, run.stderr
    return int(run.stdout.splitlines()[-1])


def assert_predicted(name, batch_size, mode, overrides, num_steps=1):
    memory = costs(zoo.configuration(name, **overrides), batch_size).memory
    predicted = memory.forward if mode == "forward" else memory.training
    measured = measured_peak(name, batch_size, mode, overrides, num_steps)
    mebibytes = f"{predicted / 2**20:.1f} / {measured / 2**20:.1f} MiB"
    print(f"\n{name}, {batch_size}, {overrides}, {mode}: {mebibytes}")
    assert predicted == pytest.approx(measured, rel=0.25)


@needs_peaks
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["forward", "training"])
@pytest.mark.parametrize(
    "name, batch_size, overrides",
    [
        ("perceiver_digits_tiny", 512, {}),
        ("perceiver_mnist_small", 64, {}),
        ("perceiver_cifar10_small", 64, {}),
        ("perceiver_cifar10_small", 64, {"cross_attention_implementation": "dense"}),
        ("perceiver_cifar10_small", 64, {"cross_attention_implementation": "separable"}),
        ("perceiver_cifar10_small", 64, {"mirrored_views": True}),
        ("perceiver_io_language_tiny", 32, {}),
        ("perceiver_sst2_small", 32, {}),
        ("perceiver_modelnet10_small", 32, {}),
        ("perceiver_spoken_digits_raw", 64, {}),
        ("perceiver_actions_small", 64, {}),
        ("perceiver_io_flow_tiny", 4, {}),
        ("baseline_botnet_small", 64, {}),
        ("baseline_botnet_small", 16, {"num_attention_stages": 2, "attention_dropout": 0.1}),
        ("baseline_vit_small", 64, {}),
        ("perceiver_proteins_small", 64, {}),
        ("perceiver_audio_video_digits", 64, {}),
        ("perceiver_io_multimodal_tiny", 64, {}),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else None,
)
def test_memory_of_small_models_is_predicted(name, batch_size, overrides, mode):
    assert_predicted(name, batch_size, mode, overrides, num_steps=9)


@needs_peaks
@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["digits", "imagenet_perceiver_io"])
def test_memory_of_weights_is_predicted(recipe):
    """Next to no activations: gradients are what is held."""
    overrides = {"recipe": recipe, "num_latents": 16, "num_blocks": 1, "image_shape": (32, 32, 3)}
    assert_predicted("perceiver_io_imagenet_conv", 1, "training", overrides)


@needs_peaks
@pytest.mark.slow
@pytest.mark.parametrize(
    "name, mode, overrides",
    [
        ("perceiver_imagenet", "forward", {}),
        ("perceiver_imagenet", "training", {}),
        (
            "perceiver_io_imagenet_fourier",
            "training",
            {"rematerialise": True, "recipe": "digits", "num_blocks": 1},
        ),
        ("perceiver_io_imagenet_learned", "forward", {}),
        ("perceiver_io_imagenet_conv", "training", {}),
        ("perceiver_audioset_video", "forward", {}),
        ("perceiver_io_flow", "forward", {}),
        ("botnet_50", "forward", {}),
        ("botnet_50", "training", {}),
    ],
)
def test_memory_of_large_models_is_predicted(name, mode, overrides):
    assert_predicted(name, 1, mode, overrides)


def products_of(op):
    """Return the multiply-adds of an operation of a graph, 0 unless it is a product."""
    shapes = [tensor.shape.as_list() for tensor in op.inputs]
    if op.type == "MatMul":
        inner = shapes[0][0 if op.get_attr("transpose_a") else 1]
    elif op.type == "BatchMatMulV2":
        inner = shapes[0][-2 if op.get_attr("adj_x") else -1]
    elif op.type == "Conv2D":
        inner = math.prod(shapes[1][:3])
    elif op.type == "Einsum":
        letters = op.get_attr("equation").decode().split("->")[0].split(",")
        sizes = {}
        for operand, shape in zip(letters, shapes, strict=True):
            sizes |= zip(operand, shape, strict=True)
        return math.prod(sizes.values())
    else:
        return 0
    return inner * op.outputs[0].shape.num_elements()


@pytest.mark.parametrize(
    "name, implementation, overrides",
    [
        ("perceiver_cifar10_small", "dense", {}),
        ("perceiver_cifar10_small", "folded", {}),
        ("perceiver_cifar10_small", "separable", {}),
        ("perceiver_cifar10_small", "auto", {}),
        ("perceiver_cifar10_small", "auto", {"permutation": "pixels"}),
        ("perceiver_cifar10_small", "auto", {"permutation": "rows"}),
        ("perceiver_imagenet", "auto", {"image_shape": (32, 64, 3), "permutation": "rows"}),
        ("perceiver_digits_tiny", "auto", {"sharing": "none", "num_blocks": 2}),
        ("perceiver_imagenet", "auto", {"image_shape": (40, 64, 3), "num_cross_attends": 2}),
        ("perceiver_io_imagenet_conv", "auto", {"image_shape": (90, 64, 3), "num_blocks": 1}),
        ("perceiver_io_imagenet_learned", "auto", {"image_shape": (20, 9, 3), "num_blocks": 1}),
        ("perceiver_modelnet10_small", "dense", {"num_points": 33}),
        ("perceiver_modelnet10_small", "auto", {"num_points": 200, "num_frequency_bands": 24}),
        ("perceiver_spoken_digits_mel", "auto", {}),
        ("perceiver_spoken_digits_mel", "dense", {"mel_patch": (2, 8), "max_resolution": (24, 5)}),
        ("perceiver_spoken_digits_raw", "auto", {}),
        ("perceiver_audioset_mel", "auto", {"num_samples": 12288, "num_latents": 64}),
        ("perceiver_depth_actions_small", "auto", {}),
        ("perceiver_actions_small", "separable", {"patch": (1, 1, 1), "num_frames": 4}),
        ("perceiver_io_flow_tiny", "auto", {"frame_shape": (32, 48)}),  # not in blocks
        ("perceiver_io_flow", "auto", {"frame_shape": (24, 32), "num_latents": 256}),
        ("perceiver_io_flow", "auto", {"frame_shape": (16, 20), "num_decoder_heads": 2}),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_multiply_adds_are_those_of_the_graph(name, implementation, overrides):
    config = zoo.configuration(name, cross_attention_implementation=implementation, **overrides)
    model, batch_size = zoo.build_model(config), 2
    length = getattr(config, "num_points", 1)  # or one window

    def spec(tensor):
        shape = (batch_size, *(size or length for size in tensor.shape[1:]))
        return tf.TensorSpec(shape, tensor.dtype)

    takes = keras.tree.map_structure(spec, model.input)
    traced = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(takes)
    counted = sum(map(products_of, traced.graph.get_operations())) / batch_size
    assert costs(config, batch_size).multiply_adds == pytest.approx(counted, rel=0.02)


SMALL_AUDIOSET = {"image_shape": (16, 64, 64, 3), "image_patch": (1, 4, 4), "num_latents": 64}


@pytest.mark.parametrize(
    "name, implementation, overrides, chosen",
    [
        ("perceiver_io_starcraft_entities", "auto", {}, "folded"),
        ("perceiver_io_starcraft_entities", "dense", {"num_entities": 40}, "dense"),
        ("perceiver_io_starcraft_entities", "dense", {"category_sizes": ()}, "dense"),
        ("perceiver_mutag_small", "auto", {}, "folded"),
        ("perceiver_mutag_small", "dense", {"hidden_channels": 5, "max_nodes": 3}, "dense"),
        ("perceiver_proteins_small", "auto", {}, "folded"),
        ("perceiver_proteins_small", "dense", {}, "dense"),
        ("perceiver_audio_video_digits", "auto", {}, "folded"),
        ("perceiver_audio_video_digits", "separable", {}, "separable"),
        ("perceiver_audio_video_digits", "dense", {"streams": ("video",)}, "dense"),
        ("perceiver_audio_video_digits", "auto", {"streams": ("audio",)}, "folded"),
        ("perceiver_utd_depth_inertial", "auto", {}, "dense"),
        ("perceiver_utd_depth_inertial", "folded", {}, "folded"),
        ("perceiver_audioset_audio_video", "auto", SMALL_AUDIOSET, "separable and folded"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_costs_of_several_modalities_are_those_of_the_model(
    name, implementation, overrides, chosen
):
    config = zoo.configuration(name, cross_attention_implementation=implementation, **overrides)
    model, batch_size = zoo.build_model(config), 2

    def spec(tensor):
        field = {"nodes": "max_nodes", "node_mask": "max_nodes"}.get(tensor.name, "max_edges")
        length = getattr(config, field, getattr(config, "num_entities", None))
        shape = (batch_size, *(size or length for size in tensor.shape[1:]))
        return tf.TensorSpec(shape, tensor.dtype)

    takes = keras.tree.map_structure(spec, model.input)
    traced = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(takes)
    counted = sum(map(products_of, traced.graph.get_operations())) / batch_size
    predicted = costs(config, batch_size)
    assert next(iter(predicted.implementations.values())) == chosen
    assert predicted.parameters == sum(math.prod(w.shape) for w in model.trainable_weights)
    # Folded rows have a 1 and their mask beside them, which is not counted: 2 of 64 channels more.
    within = 1e-6 if chosen == "dense" else 0.025
    assert predicted.multiply_adds == pytest.approx(counted, rel=within)


IN_PIECES = {"image_shape": (12, 32, 32, 1), "image_output_patch": (4, 4, 4)}


@pytest.mark.parametrize(
    "overrides, block_bytes, forms",
    [
        ({}, 2**26, ("folded and separable and folded", "dense and folded")),
        ({"cross_attention_implementation": "dense"}, 2**26, ("dense", "dense and folded")),
        ({"masked": ("image",)}, 2**26, ("folded and separable and folded", "dense and folded")),
        ({"masked": ("audio",), "num_image_points": 20}, 2**26, None),
        ({"num_audio_points": 7, "num_latents": 300, "num_decoder_heads": 1}, 2**26, None),
        (IN_PIECES, 2**18, None),  # one of two indices of the first axis, then one of the third
    ],
)
def test_costs_of_clips_are_those_of_the_model(monkeypatch, overrides, block_bytes, forms):
    monkeypatch.setattr(reading, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(reading, "UNPROJECTED_SHARE", 1)
    config = zoo.configuration("perceiver_io_multimodal_tiny", **overrides)
    model = zoo.build_model(config)
    number = {"audio_points": config.num_audio_points, "image_points": config.num_image_points}
    takes = {
        name: tf.TensorSpec((1, *(size or number[name] for size in tensor.shape[1:])), tensor.dtype)
        for name, tensor in model.input.items()
    }
    traced = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(takes)
    operations = traced.graph.get_operations()
    assert not any("While" in op.type for op in operations)  # of its blocks one would be counted
    predicted = costs(config)
    assert predicted.multiply_adds == pytest.approx(sum(map(products_of, operations)), rel=0.0025)
    assert predicted.parameters == sum(math.prod(w.shape) for w in model.trainable_weights)
    if forms:
        assert tuple(predicted.implementations.values()) == forms


def decoded(name, **overrides):
    """Return the decoder's blocks of an autoencoder of clips."""
    config = zoo.configuration(name, **overrides)
    around, drops = around_clips(config), config.architecture.dropout > 0
    blocks = model_blocks(config.architecture, around.rows, around.queries, drops)
    return [block for block in blocks if block.name == "decoder"]


def test_points_are_read_as_if_their_number_were_the_typical_one():
    settings = {"image_output_patch": (2, 16, 8), "num_latents": 300}
    (_, points, _), (_, whole, _) = (
        decoded("perceiver_io_multimodal_tiny", **settings, num_image_points=number)
        for number in (32, None)
    )
    assert points.reading.num_queries == whole.reading.num_queries == 32
    assert (points.reading.chosen, whole.reading.chosen) == ("dense", "folded")


def test_clips_are_decoded_in_pieces_of_the_first_axis_but_under_dropout():
    name = "perceiver_io_multimodal"
    audio, *frames, label = decoded(name)
    assert (audio.reading.num_queries, label.reading.num_queries) == (1920, 1)
    assert [frame.reading.query_sizes for frame in frames] == [(1, 224, 224)] * 16
    assert all(frame.rematerialised and frame.reading.reads_queries_by_axis for frame in frames)
    assert not (audio.rematerialised or label.rematerialised)
    at_once = decoded(name, dropout=0.1)
    assert [block.reading.num_queries for block in at_once] == [1920, 802816, 1]
    whole, dropping = (
        costs(zoo.configuration(name, dropout=dropout)).memory for dropout in (0.0, 0.1)
    )
    assert whole.forward == dropping.forward
    assert dropping.training > 10 * whole.training


def test_rows_of_several_modalities_are_joint():
    config = ALL_MODELS["perceiver_audioset_audio_video"]
    rows = rows_of(config)
    assert (rows.length, rows.channels) == (16 * 28 * 28 + 480, config.row_channels)
    assert rows_of(ALL_MODELS["perceiver_mutag_small"]).length == 28 + 33


def test_info_says_how_long_an_example_is_assumed_to_be(capsys):
    for name, length in (
        ("perceiver_mutag_small", "28 nodes and 33 edges"),
        ("perceiver_io_starcraft_entities", "512 entities"),
    ):
        assert main(["info", name, "--training"]) == 0
        printed = re.sub(r"\s+", " ", capsys.readouterr().out)
        assert f"length of an example {length}, padding included" in printed
        assert main(["info", name, "--json", "-"]) == 0
        assert json.loads(capsys.readouterr().out)["costs"]["assumed_length"] == length


@pytest.mark.parametrize("name", ["perceiver_io_language_tiny", "perceiver_io_language_classifier"])
def test_multiply_adds_of_text_are_those_of_the_graph(name):
    overrides = {"num_latents": 5, "max_length": 24, "num_self_attends_per_block": 2}
    config = zoo.configuration(name, window=24, **overrides)
    model, batch_size = zoo.build_model(config), 2
    shape = (batch_size, config.example_length)
    specs = {"token_ids": tf.TensorSpec(shape, tf.int32), "mask": tf.TensorSpec(shape, tf.bool)}
    traced = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(specs)
    counted = sum(map(products_of, traced.graph.get_operations())) / batch_size
    assert costs(config, batch_size).multiply_adds == pytest.approx(counted, rel=0.02)


@pytest.mark.parametrize(
    "name, overrides",
    [
        ("baseline_botnet_small", {}),
        ("baseline_botnet_small", {"num_frequency_bands": 3, "image_shape": (9, 6, 3)}),
        ("baseline_botnet_small", {"num_attention_stages": 3, "last_strides": 1, "num_heads": 2}),
        ("botnet_50", {"image_shape": (70, 64, 3)}),
        ("botnet_50", {"image_shape": (64, 64, 3), "num_attention_stages": 0}),
        ("baseline_resnet_small", {}),
        ("baseline_resnet_small", {"num_frequency_bands": 3, "image_shape": (9, 6, 3)}),
        ("baseline_vit_small", {}),
        ("baseline_vit_small", {"num_frequency_bands": 3, "image_shape": (12, 8, 3)}),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_costs_of_baselines_are_those_of_the_model(name, overrides):
    config = zoo.configuration(name, **overrides)
    model, batch_size = zoo.build_model(config), 2
    takes = tf.TensorSpec((batch_size, *config.image_shape))
    traced = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(takes)
    counted = sum(map(products_of, traced.graph.get_operations())) / batch_size
    predicted = costs(config, batch_size)
    assert predicted.multiply_adds == predicted.dense_multiply_adds
    assert predicted.multiply_adds == pytest.approx(counted, rel=1e-6)
    assert predicted.parameters == sum(math.prod(w.shape) for w in model.trainable_weights)


def test_costs_of_botnets_in_memory():
    config = ALL_MODELS["baseline_botnet_small"]
    one, many = (costs(config, batch_size).memory for batch_size in (1, 64))
    assert (many.forward, many.kept) == (64 * one.forward, 64 * one.kept)
    assert many.gradients == 4 * config.parameters
    assert many.forward < many.kept < many.training
    wider = costs(zoo.configuration("baseline_botnet_small", num_attention_stages=2), 64).memory
    assert wider.training - many.training > 4 * 64 * 4 * 32**4  # 4 heads, 32 x 32 places
    recipe = RECIPES["imagenet_resnet"]
    assert costs(config, 64, recipe).optimizer_state == 4 * config.parameters
    large = ALL_MODELS["botnet_50"]  # its momentum waits for gradients, of the size of the weights
    with_momentum = costs(large, recipe=recipe).memory.training
    without = costs(large, recipe=recipe.replace(momentum=0.0)).memory.training
    assert with_momentum - without == 4 * large.parameters


def test_unknown_kinds_of_models_have_no_prediction():
    config = types.SimpleNamespace(recipe="digits")
    with pytest.raises(zoo.ZooError, match="no prediction of costs for a SimpleNamespace"):
        costs(config)


def test_info_prints_costs_of_botnets(capsys):
    assert main(["info", "botnet_50", "--training"]) == 0
    printed = re.sub(r"\s+", " ", capsys.readouterr().out)
    memory = costs(ALL_MODELS["botnet_50"]).memory
    for text in (
        "parameters 20,852,008",
        "num_attention_stages 1",
        "implementations each attention dense",
        f"training step {memory.training / 2**20:,.1f} MiB",
        "optimiser's state 79.5 MiB",
    ):
        assert text in printed


def test_dense_is_what_dense_executes_and_auto_never_costs_more():
    for name in MODELS:
        auto = costs(zoo.configuration(name))
        dense = costs(zoo.configuration(name, cross_attention_implementation="dense"))
        assert auto.multiply_adds <= dense.multiply_adds <= dense.dense_multiply_adds
        assert auto.dense_multiply_adds == dense.dense_multiply_adds
        assert "auto" not in auto.implementations.values()


def test_all_weights_are_counted():
    assert {name: num_weights(config) for name, config in ALL_MODELS.items()} == {
        name: config.parameters for name, config in ALL_MODELS.items()
    }


def test_memory_grows_with_the_batch_and_is_more_in_training():
    config = MODELS["perceiver_cifar10_small"]
    one, many = (costs(config, batch_size).memory for batch_size in (1, 64))
    assert many.forward == 64 * one.forward
    assert many.kept == 64 * one.kept
    assert many.gradients == one.gradients == 4 * config.parameters
    assert many.forward < many.kept < many.training


@pytest.mark.parametrize("positions", ["fourier", "learned"])
@pytest.mark.parametrize(
    ("num_views", "views"),
    [
        (2, {"mirrored_views": True}),
        (5, {"shifted_views": 1}),
        (10, {"mirrored_views": True, "shifted_views": 1}),
    ],
)
def test_views_cost_as_many_predictions_except_in_training(positions, num_views, views):
    settings = {"positions": positions, "image_shape": (9, 6, 3)}
    one = costs(zoo.configuration("perceiver_cifar10_small", **settings), 8 * num_views)
    many = costs(zoo.configuration("perceiver_cifar10_small", **settings, **views), 8)
    assert many.multiply_adds == num_views * one.multiply_adds
    assert many.dense_multiply_adds == num_views * one.dense_multiply_adds
    assert many.memory.forward == one.memory.forward  # of fewer images
    assert num_views * many.memory.kept == one.memory.kept
    assert many.parameters == one.parameters


def test_info_prints_costs(capsys):
    assert main(["info", "perceiver_imagenet", "--batch-size", "2", "--training"]) == 0
    printed = re.sub(r"\s+", " ", capsys.readouterr().out)
    memory = costs(MODELS["perceiver_imagenet"], 2).memory
    for text in (
        "predicted costs, batch of 2 examples, float32",
        "multiply-adds per example 207 billion",
        "all attention dense 353 billion",
        "cross_attend_0 separable, cross_attend_1 separable",
        f"forward pass {memory.forward / 2**20:,.1f} MiB",
        f"training step {memory.training / 2**20:,.1f} MiB",
        "gradients 171.3 MiB",
        "optimiser's state 342.7 MiB",
    ):
        assert text in printed


def test_info_prints_costs_of_a_window(capsys):
    assert main(["info", "perceiver_audioset_video"]) == 0
    printed = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "predicted costs, batch of 1 window, float32" in printed
    assert "multiply-adds per window 30.09 billion" in printed


def test_queries_on_a_grid_go_through_in_blocks_of_its_first_axis():
    def decoder(**overrides):
        config = zoo.configuration("perceiver_io_flow", **overrides)
        rows = rows_of(config)
        return model_blocks(config.architecture, rows, rows)[-1].reading

    whole, small = decoder(), decoder(frame_shape=(24, 32), num_latents=256)
    assert whole.decodes and whole.reads_queries_by_axis and small.reads_queries_by_axis
    assert whole.query_sizes == (16, 496)  # 2,048 latents, 64 MiB of scores
    assert not whole.is_streamed and whole.streams_queries
    assert small.query_sizes == (24, 32) and not small.streams_queries
    assert not dataclasses.replace(whole, implementation="dense").reads_queries_by_axis
    # No more queries than latents: these are read in blocks, as `CrossAttend` does.
    many = decoder(num_latents=8192, num_decoder_heads=2, frame_shape=(64, 96))
    assert many.is_streamed and not (many.decodes or many.streams_queries)
    # One row of queries has more scores than a block: the latents are whole all the same.
    long = decoder(num_latents=8192, num_decoder_heads=8)
    assert long.query_sizes == (1, 496) and not long.is_streamed


def test_multiply_adds_of_queries_in_blocks_are_those_of_the_graph(monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 2**20)
    monkeypatch.setattr(reading, "UNPROJECTED_SHARE", 1)
    settings = {"frame_shape": (24, 32), "num_latents": 256, "num_decoder_heads": 2}
    config = zoo.configuration("perceiver_io_flow", **settings, num_self_attends_per_block=1)
    decoder = model_blocks(config.architecture, rows_of(config), rows_of(config))[-1].reading
    assert decoder.reads_queries_by_axis and decoder.query_sizes == (16, 32)  # then 8 more
    model = zoo.build_model(config)
    takes = tf.TensorSpec((1, 2, 24, 32, 3))
    traced = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(takes)
    counted = sum(map(products_of, traced.graph.get_operations()))
    assert costs(config).multiply_adds == pytest.approx(counted, rel=0.01)
    at_once = dataclasses.replace(decoder, streams=False).multiply_adds
    assert decoder.multiply_adds - at_once > 0.02 * counted  # what every block folds anew


def test_memory_of_queries_in_blocks_is_more_under_dropout():
    whole, dropping = (
        costs(zoo.configuration("perceiver_io_flow", dropout=dropout)).memory
        for dropout in (0.0, 0.1)
    )
    scores = 4 * 368 * 496 * 2048
    assert whole.forward == dropping.forward
    assert dropping.training - whole.training > 2 * scores


def test_info_writes_costs_as_json(capsys):
    assert main(["info", "perceiver_digits_tiny", "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)["costs"]
    expected = costs(MODELS["perceiver_digits_tiny"])
    assert report["multiply_adds"] == expected.multiply_adds
    assert report["dense_multiply_adds"] == expected.dense_multiply_adds
    assert report["forward_bytes"] == expected.memory.forward
    assert report["batch_size"] == 1 and "training_bytes" not in report
    assert report["of"] == "example"
    assert main(["info", "perceiver_digits_tiny", "--training", "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)["costs"]
    assert report["training_bytes"] == expected.memory.training
    assert report["optimizer_state_bytes"] == 2 * report["gradient_bytes"]


def test_info_refuses_an_empty_batch(capsys):
    assert main(["info", "perceiver_digits_tiny", "--batch-size", "0"]) == 2
    assert "`batch_size` must be at least 1. Received: batch_size=0." in capsys.readouterr().err
