import keras_tuner
import numpy as np
import pytest

from tuning import recipe_space, spaces
from zoo.configs import MODELS, configuration
from zoo.costs import costs
from zoo.errors import ZooError
from zoo.recipes.augmentation import Augmentation
from zoo.recipes.named import RECIPES


def has_space(config):
    try:
        return spaces.space_of(config) is not None
    except ZooError:
        return False


NAMES = [name for name, config in MODELS.items() if has_space(config)]


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


@pytest.mark.parametrize("name", ["botnet_50", "baseline_botnet_small"])
def test_heads_of_botnets_divide_the_stages_that_attend(name):
    space, hp, config, recipe = space_and_point(name)
    space(hp, config, recipe)
    drawn_stages, least = set(), set()
    for seed in range(60):
        overrides = space(drawn(hp, seed), config, recipe).overrides
        stages, heads = overrides["num_attention_stages"], overrides["num_heads"]
        drawn_stages.add(stages)
        for channels in overrides["bottleneck_channels"][-stages:] if stages else ():
            assert channels % heads == 0
            least.add(channels // heads)
    assert drawn_stages == {0, 1, 2}
    assert min(least) >= 4


def test_stages_that_the_heads_of_a_botnet_do_not_divide_never_attend():
    settings = {"bottleneck_channels": (6, 10, 24), "num_heads": 8}
    config = configuration("baseline_botnet_small", **settings)
    hp, recipe = keras_tuner.HyperParameters(), RECIPES[config.recipe]
    spaces.botnet(hp, config, recipe)
    for seed in range(60):
        overrides = spaces.botnet(drawn(hp, seed), config, recipe).overrides
        assert overrides["num_attention_stages"] <= 1
        configuration("baseline_botnet_small", **overrides)


def test_gradient_descent_keeps_to_the_scale_of_its_rates():
    space, hp, config, recipe = space_and_point("botnet_50")
    space(hp, config, recipe)
    recipes = [space(drawn(hp, seed), config, recipe).recipe for seed in range(60)]
    assert {drawn["optimizer"] for drawn in recipes} == {"sgd"}
    assert {drawn["weight_decay"] for drawn in recipes} == {0.0, 5e-4, 1e-3, 2e-3}


def test_augmentation_gets_stronger_up_to_its_limits():
    augmentation = Augmentation(
        random_resized_crop=(0.4, 1.0), max_shift=0.8, flip=True, rand_augment=(2, 8.0), mix_up=0.2
    )
    assert Augmentation(**recipe_space.strengthened(augmentation, 1.0)) == augmentation
    assert Augmentation(**recipe_space.strengthened(augmentation, 0.0)) == Augmentation()
    stronger = Augmentation(**recipe_space.strengthened(augmentation, 1.5))
    assert (stronger.max_shift, stronger.rand_augment) == (1.0, (2, 10.0))
    np.testing.assert_allclose(stronger.mix_up, 0.3)
    np.testing.assert_allclose(stronger.random_resized_crop, (0.1, 1.0))


def test_a_space_for_another_kind_of_model_is_refused():
    with pytest.raises(ZooError, match="its own space is 'perceiver_io'"):
        spaces.check_fits(spaces.perceiver, configuration("perceiver_io_imagenet_fourier"))
    with pytest.raises(ZooError, match="its own space is 'botnet'"):
        spaces.check_fits(spaces.perceiver, configuration("baseline_botnet_small"))
    with pytest.raises(ZooError, match="'botnet' must be given a model of its kind"):
        spaces.check_fits(spaces.botnet, configuration("perceiver_digits_tiny"))
    with pytest.raises(ZooError, match="Received: BaselineConfig and no space"):
        spaces.space_of(configuration("baseline_vit_small"))
    with pytest.raises(ZooError, match="must be given a space of your own"):
        spaces.space_of(configuration("perceiver_mutag_small"))
