import dataclasses

import pytest

from zoo.costs import costs
from zoo.images.configs import IMAGE_MODELS
from zoo.optical_flow.configs import FLOW_MODELS
from zoo.recipes.named import RECIPES
from zoo.training.evaluation_batch import evaluation_batch

DIGITS = IMAGE_MODELS["perceiver_digits_tiny"]
FLOW = FLOW_MODELS["perceiver_io_flow_tiny"]


def test_batches_are_of_256_examples_or_the_recipes():
    recipe = RECIPES[DIGITS.recipe]
    assert recipe.batch_size < 256 == evaluation_batch(DIGITS, recipe)
    assert evaluation_batch(DIGITS, recipe.replace(batch_size=1000)) == 1000


@pytest.mark.parametrize("config", [FLOW, dataclasses.replace(DIGITS, shifted_views=2)])
def test_predicting_several_views_takes_no_more_memory_than_a_training_step(config):
    recipe = RECIPES[config.recipe].replace(batch_size=16)
    batch_size = evaluation_batch(config, recipe)
    limit = costs(config, 16, recipe).memory.training
    assert costs(config, batch_size, recipe).memory.forward <= limit
    assert costs(config, 2 * batch_size, recipe).memory.forward > limit or batch_size == 256
    assert batch_size < 256
