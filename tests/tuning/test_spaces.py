import keras_tuner
import numpy as np
import pytest

from tuning import spaces
from zoo.augment import Augmentation
from zoo.configs import MODELS, configuration
from zoo.costs import costs, has_costs
from zoo.errors import ZooError
from zoo.recipes import RECIPES

NAMES = [name for name, config in MODELS.items() if has_costs(config)]


def space_and_point(name):
    config = configuration(name)
    space = spaces.space_of(config)
    hp = keras_tuner.HyperParameters()
    return space, hp, config, RECIPES[config.recipe]


def drawn(hp, seed):
    point = hp.copy()
    for i, entry in enumerate(hp.space):
        point.values[entry.name] = entry.random_sample(seed * len(hp.space) + i)
    return point


@pytest.mark.parametrize("name", NAMES)
def test_the_first_point_of_a_space_is_the_model_of_the_zoo(name):
    space, hp, config, recipe = space_and_point(name)
    proposal = space(hp, config, recipe)
    assert configuration(name, **proposal.overrides) == config
    assert recipe.replace(**proposal.recipe) == recipe


@pytest.mark.parametrize("name", NAMES)
def test_every_point_of_a_space_is_a_valid_model(name):
    space, hp, config, recipe = space_and_point(name)
    space(hp, config, recipe)
    seen = set()
    for seed in range(60):
        proposal = space(drawn(hp, seed), config, recipe)
        changed = configuration(name, **proposal.overrides)
        assert costs(changed, 1, recipe.replace(**proposal.recipe)).parameters > 0
        seen.add(repr(proposal))
    assert len(seen) == 60


def test_heads_divide_all_widths():
    space, hp, config, recipe = space_and_point("perceiver_digits_tiny")
    space(hp, config, recipe)
    for seed in range(60):
        overrides = space(drawn(hp, seed), config, recipe).overrides
        assert overrides["latent_channels"] % overrides["num_self_attention_heads"] == 0
        heads = overrides["num_cross_attention_heads"]
        assert heads == 1 or overrides["cross_attention_qk_channels"] % heads == 0


def test_augmentation_gets_stronger_up_to_its_limits():
    augmentation = Augmentation(
        random_resized_crop=(0.4, 1.0), max_shift=0.8, flip=True, rand_augment=(2, 8.0), mix_up=0.2
    )
    assert Augmentation(**spaces.strengthened(augmentation, 1.0)) == augmentation
    assert Augmentation(**spaces.strengthened(augmentation, 0.0)) == Augmentation()
    stronger = Augmentation(**spaces.strengthened(augmentation, 1.5))
    assert (stronger.max_shift, stronger.rand_augment) == (1.0, (2, 10.0))
    np.testing.assert_allclose(stronger.mix_up, 0.3)
    np.testing.assert_allclose(stronger.random_resized_crop, (0.1, 1.0))


def test_a_space_for_another_kind_of_model_is_refused():
    with pytest.raises(ZooError, match="its own space is 'perceiver_io'"):
        spaces.check_fits(spaces.perceiver, configuration("perceiver_io_imagenet_fourier"))
    with pytest.raises(ZooError, match="must be given a space of your own"):
        spaces.space_of(configuration("perceiver_io_flow"))
