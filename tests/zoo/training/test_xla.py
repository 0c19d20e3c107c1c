"""Training where XLA can compile and where it cannot."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from perceiver_tf.layers import reading
from zoo.errors import ZooError
from zoo.recipes.named import RECIPES
from zoo.training.train import compile_entry
from zoo.training.xla import decodes_in_blocks

SMALL = {"num_latents": 4, "latent_channels": 16, "num_self_attends_per_block": 1}
RECIPE = RECIPES["digits"].replace(batch_size=3, clip_global_norm=None, optimizer="sgd")


@pytest.fixture
def decoder(monkeypatch):
    entry = zoo.build("perceiver_io_flow_tiny", **SMALL)
    monkeypatch.setattr(entry.pipeline, "num_examples", lambda split: 9)
    return entry


def compiled(entry, jit_compile):
    compile_entry(entry, RECIPE, tf.distribute.get_strategy(), jit_compile)
    return entry.model


@pytest.mark.parametrize("implementation", ["dense", "folded", "separable"])
def test_xla_trains_on_inputs_in_blocks(monkeypatch, random, implementation):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1)
    images = random.normal(size=(3, 8, 8, 1)).astype("float32")
    trained = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        entry = zoo.build(
            "perceiver_digits_tiny",
            data="digits",
            dropout=0.0,
            cross_attention_implementation=implementation,
            **SMALL,
        )
        model = compiled(entry, jit_compile)
        assert model.jit_compile is jit_compile
        before = model.get_weights()
        for _ in range(2):
            model.train_on_batch(images, np.eye(10, dtype="float32")[:3])
        trained.append(model.get_weights())
    assert any((one != other).any() for one, other in zip(before, trained[1], strict=True))
    for one, other in zip(*trained, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_xla_is_left_out_where_outputs_are_in_blocks(decoder, monkeypatch):
    # As on a machine with a GPU, where Keras turns XLA on by itself.
    monkeypatch.setattr(keras.Model, "_resolve_auto_jit_compile", lambda model: True)
    assert not decodes_in_blocks(decoder.model, 3)
    assert compiled(decoder, "auto").jit_compile
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1)
    assert not compiled(decoder, "auto").jit_compile
    with pytest.raises(ZooError, match="outputs are computed in blocks.* 3 examples in a batch"):
        compiled(decoder, True)
    assert not compiled(decoder, False).jit_compile


def test_inputs_in_blocks_are_no_outputs_in_blocks(monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1)
    assert not decodes_in_blocks(zoo.build("perceiver_digits_tiny", **SMALL).model, 3)
