"""Training where XLA could compile and where it could not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from perceiver_tf.layers import reading
from zoo.errors import ZooError
from zoo.recipes.named import RECIPES
from zoo.training.train import compile_entry
from zoo.training.xla import has_loops

SMALL = {"num_latents": 4, "latent_channels": 16, "num_self_attends_per_block": 1}
RECIPE = RECIPES["digits"].replace(batch_size=3)


@pytest.fixture(params=["dense", "folded", "separable"])
def entry(request):
    form = {"cross_attention_implementation": request.param}
    return zoo.build("perceiver_digits_tiny", data="digits", **SMALL, **form)


def compiled(entry, jit_compile):
    compile_entry(entry, RECIPE, tf.distribute.get_strategy(), jit_compile)
    return entry.model


def test_blocks_are_loops_and_nothing_else_is(entry, monkeypatch):
    assert not has_loops(entry.model, 3)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1)
    assert has_loops(entry.model, 3)


def test_xla_is_left_out_where_attention_is_in_blocks(entry, monkeypatch):
    # As on a machine with a GPU, where Keras turns XLA on by itself.
    monkeypatch.setattr(keras.Model, "_resolve_auto_jit_compile", lambda model: True)
    assert compiled(entry, "auto").jit_compile
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1)
    model = compiled(entry, "auto")
    assert not model.jit_compile
    loss = model.train_on_batch(np.zeros((3, 8, 8, 1), "float32"), np.eye(10)[:3])[0]
    assert np.isfinite(loss)
    with pytest.raises(ZooError, match="attention is computed in blocks.* 3 examples in a batch"):
        compiled(entry, True)
    assert not compiled(entry, False).jit_compile
