import dataclasses

import pytest

import zoo
from zoo.configs import configuration
from zoo.costs import costs
from zoo.recipes.named import RECIPES
from zoo.training import evaluation_batch as module
from zoo.training.evaluation_batch import evaluation_batch


def of(name, batch_size=16, **changes):
    config = dataclasses.replace(configuration(name), **changes)
    return config, RECIPES[config.recipe].replace(batch_size=batch_size)


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_model_has_one(name):
    config, recipe = of(name)
    batch_size = evaluation_batch(config, recipe)
    assert 1 <= batch_size <= 256
    assert batch_size in {2**power for power in range(9)}


def test_small_models_are_evaluated_in_batches_of_256():
    assert evaluation_batch(*of("perceiver_digits_tiny")) == 256
    assert evaluation_batch(*of("perceiver_actions_small")) == 256


@pytest.mark.parametrize(
    ("name", "changes", "times"),
    [
        ("perceiver_io_flow_tiny", {}, 1),
        ("perceiver_digits_tiny", {"shifted_views": 2}, 1),
        ("perceiver_actions_small", {"num_windows": 8}, 8),
    ],
)
def test_views_and_windows_take_no_more_memory_than_a_training_step(
    name, changes, times, monkeypatch
):
    monkeypatch.setattr(module, "_UNNOTICED", 0)
    config, recipe = of(name, **changes)
    batch_size = evaluation_batch(config, recipe)
    limit = costs(config, 16, recipe).memory.training
    assert batch_size < 256
    assert costs(config, batch_size * times, recipe).memory.forward <= limit
    assert costs(config, 2 * batch_size * times, recipe).memory.forward > limit
