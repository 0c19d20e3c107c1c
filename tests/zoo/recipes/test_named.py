import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from zoo.configs import MODELS
from zoo.errors import ZooError
from zoo.recipes.augmentation import Augmentation
from zoo.recipes.named import RECIPES
from zoo.recipes.optimizers import build_loss, build_optimizer, build_schedule
from zoo.recipes.recipe import Recipe


def test_recipes_import_neither_keras_nor_tensorflow():
    code = (
        "import sys, zoo.recipes.named; "
        "sys.exit(any(m in sys.modules for m in ('keras', 'tensorflow')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_model_names_a_recipe_that_exists():
    assert {config.recipe for config in MODELS.values()} <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_survives_json(name):
    recipe = RECIPES[name]
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_replace_changes_only_what_is_named():
    recipe = Recipe(epochs=3, batch_size=5, learning_rate=0.5, weight_decay=0.1)
    changed = recipe.replace(epochs=7, augmentation={"flip": True})
    assert (changed.epochs, changed.batch_size, changed.weight_decay) == (7, 5, 0.1)
    assert changed.augmentation == Augmentation(flip=True)
    assert recipe.epochs == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "'epoch' is not a setting of a recipe. Did you mean 'epochs'"),
        ({"epochs": 0}, "`epochs` must be an int > 0. Received: epochs=0"),
        ({"batch_size": 2.5}, "`batch_size` must be an int > 0. Received: batch_size=2.5"),
        ({"optimizer": "adamx"}, "`optimizer` must be one of adamw, lamb.*'adamx'"),
        ({"schedule": "linear"}, "`schedule` must be one of constant, cosine.*'linear'"),
        ({"learning_rate": -1.0}, "`learning_rate` must be a finite number > 0"),
        ({"learning_rate": "fast"}, "setting of the recipe is wrong.*'fast'"),
        ({"label_smoothing": 1.0}, "`label_smoothing` must be in"),
        ({"warmup_share": 1.0}, "`warmup_share` must be in"),
        ({"constant_fraction": 2}, "`constant_fraction` must be in"),
        ({"weight_decay": -0.1}, "`weight_decay` must be a number >= 0"),
        ({"ema": 1.0}, "`ema` must be None or in"),
        ({"clip_global_norm": 0}, "`clip_global_norm` must be None or a number > 0"),
        ({"augmentation": {"flop": True}}, "setting of the recipe is wrong.*flop"),
        ({"augmentation": "{flip}"}, "`augmentation` must be an Augmentation.*{flip}"),
    ],
)
def test_replace_refuses_wrong_settings(settings, message):
    with pytest.raises(ZooError, match=message):
        Recipe(epochs=3, batch_size=5).replace(**settings)


def test_published_perceiver_schedule_falls_after_84_102_and_114_epochs():
    schedule = build_schedule(RECIPES["imagenet_perceiver"], steps_per_epoch=10)
    steps = [0, 839, 840, 1019, 1020, 1139, 1140, 1199]
    expected = [4e-3, 4e-3, 4e-4, 4e-4, 4e-5, 4e-5, 4e-6, 4e-6]
    np.testing.assert_allclose([float(schedule(s)) for s in steps], expected, rtol=1e-5)


def test_published_perceiver_io_schedule_scales_with_the_batch_and_is_flat_for_half():
    schedule = build_schedule(RECIPES["imagenet_perceiver_io"], steps_per_epoch=10)
    np.testing.assert_allclose([float(schedule(s)) for s in (0, 549)], [2e-3, 2e-3], rtol=1e-6)
    assert float(schedule(825)) == pytest.approx(1e-3, rel=1e-5)
    assert float(schedule(1100)) == pytest.approx(0.0, abs=1e-8)
    small_batch = RECIPES["imagenet_perceiver_io"].replace(batch_size=128)
    assert float(build_schedule(small_batch, 10)(0)) == pytest.approx(2.5e-4)


def test_warmup_share_counts_all_steps():
    recipe = Recipe(epochs=5, batch_size=4, learning_rate=1.0, warmup_share=0.2)
    schedule = build_schedule(recipe, steps_per_epoch=10)
    assert float(schedule(4)) == pytest.approx(0.5)
    assert float(schedule(9)) == pytest.approx(1.0)


def small_model():
    inputs = keras.Input((3,))
    x = keras.layers.LayerNormalization()(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(x))


@pytest.mark.parametrize("name", ["adamw", "lamb", "adam", "sgd"])
def test_weight_decay_spares_biases_and_norms(name):
    model = small_model()
    model.set_weights([np.full(v.shape, 2.0) for v in model.weights])
    recipe = Recipe(
        epochs=1,
        batch_size=1,
        optimizer=name,
        learning_rate=0.5,
        schedule="constant",
        weight_decay=0.1,
    )
    variables = model.trainable_variables
    optimizer = build_optimizer(recipe, variables, steps_per_epoch=1)
    optimizer.apply([keras.ops.zeros(v.shape) for v in variables], variables)
    after = {v.name: v.numpy() for v in variables}
    # LAMB scales the step, which is the decay alone here, to the norm of the weights.
    step = 0.5 if name == "lamb" else 0.5 * 0.1
    np.testing.assert_allclose(after["kernel"], 2.0 * (1 - step), rtol=1e-6)
    for spared in ("bias", "gamma", "beta"):
        np.testing.assert_array_equal(after[spared], 2.0)


def test_clipping_limits_the_norm_of_all_gradients_together():
    model = small_model()
    before = model.get_weights()
    recipe = Recipe(
        epochs=1,
        batch_size=1,
        optimizer="sgd",
        momentum=0.0,
        learning_rate=1.0,
        schedule="constant",
        clip_global_norm=0.3,
    )
    variables = model.trainable_variables
    optimizer = build_optimizer(recipe, variables, steps_per_epoch=1)
    optimizer.apply([keras.ops.ones(v.shape) for v in variables], variables)
    pairs = zip(model.get_weights(), before, strict=True)
    change = np.concatenate([(after - earlier).ravel() for after, earlier in pairs])
    assert np.linalg.norm(change) == pytest.approx(0.3, rel=1e-5)
    assert build_optimizer(recipe, variables, 1, num_replicas=2).global_clipnorm == 0.15


def test_adam_numbers_and_average_reach_the_optimizer():
    recipe = Recipe(
        epochs=1, batch_size=1, optimizer="lamb", beta_1=0.8, beta_2=0.95, epsilon=1e-4, ema=0.7
    )
    optimizer = build_optimizer(recipe, small_model().trainable_variables, steps_per_epoch=1)
    assert isinstance(optimizer, keras.optimizers.Lamb)
    config = optimizer.get_config()
    assert (config["beta_1"], config["beta_2"], config["epsilon"]) == (0.8, 0.95, 1e-4)
    assert (config["use_ema"], config["ema_momentum"]) == (True, 0.7)


def test_loss_smooths_labels_of_logits():
    logits = np.array([[2.0, -1.0, 0.5]], "float32")
    smoothed = np.array([[0.1, 0.1, 0.8]]) * 1.0
    log_probabilities = logits - np.log(np.exp(logits).sum())
    loss = build_loss(Recipe(epochs=1, batch_size=1, label_smoothing=0.3))
    measured = float(loss(np.array([[0.0, 0.0, 1.0]], "float32"), logits))
    assert measured == pytest.approx(float(-(smoothed * log_probabilities).sum()), rel=1e-5)
