import math

import keras
import numpy as np
import pytest

from zoo.recipes.schedules import FlatCosine, StepDecay


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_flat_cosine_is_flat_then_half_a_cosine():
    schedule = FlatCosine(0.2, total_steps=20, constant_fraction=0.5)
    expected = [0.1 * (1 + math.cos(math.pi * k / 10)) for k in range(11)]
    np.testing.assert_allclose(rates(schedule, range(11)), [0.2] * 11, rtol=1e-6)
    np.testing.assert_allclose(rates(schedule, range(10, 21)), expected, rtol=1e-5, atol=1e-8)


def test_flat_cosine_warms_up_before_it_falls():
    schedule = FlatCosine(0.8, total_steps=12, warmup_steps=4)
    np.testing.assert_allclose(rates(schedule, range(5)), [0.2, 0.4, 0.6, 0.8, 0.8], rtol=1e-6)
    assert rates(schedule, [5])[0] < 0.8
    assert rates(schedule, [12])[0] == pytest.approx(0.0, abs=1e-7)


def test_flat_cosine_with_full_constant_fraction_is_constant():
    schedule = FlatCosine(0.3, total_steps=7, constant_fraction=1.0)
    np.testing.assert_allclose(rates(schedule, range(8)), [0.3] * 8, rtol=1e-6)


def test_step_decay_falls_at_each_boundary():
    schedule = StepDecay(4.0, (3, 5), 0.1, total_steps=7)
    expected = [4.0, 4.0, 4.0, 0.4, 0.4, 0.04, 0.04]
    np.testing.assert_allclose(rates(schedule, range(7)), expected, rtol=1e-6)


def test_step_decay_warms_up():
    schedule = StepDecay(4.0, (3,), 0.1, total_steps=5, warmup_steps=2)
    np.testing.assert_allclose(rates(schedule, range(4)), [2.0, 4.0, 4.0, 0.4], rtol=1e-6)


@pytest.mark.parametrize(
    "schedule",
    [
        FlatCosine(0.2, total_steps=20, warmup_steps=3, constant_fraction=0.5),
        StepDecay(4.0, (3, 5), 0.1, total_steps=7, warmup_steps=2),
    ],
)
def test_schedules_survive_serialisation_inside_an_optimizer(schedule):
    optimizer = keras.optimizers.SGD(schedule)
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    optimizer.iterations.assign(4)
    restored.iterations.assign(4)
    assert float(restored.learning_rate) == float(optimizer.learning_rate)
    registered = keras.saving.get_registered_name(type(schedule))
    assert registered == f"perceiver_zoo>{type(schedule).__name__}"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: FlatCosine(0.1, total_steps=0), "`total_steps` must be at least 1.*total_steps=0"),
        (lambda: FlatCosine(0.1, 5, warmup_steps=6), "`warmup_steps` must be.*warmup_steps=6"),
        (lambda: FlatCosine(0.1, 5, constant_fraction=2), "`constant_fraction` must be between"),
        (lambda: StepDecay(0.1, (4, 2), 0.1, 5), "`boundaries` must be rising"),
    ],
)
def test_schedules_refuse_values_out_of_range(build, message):
    with pytest.raises(ValueError, match=message):
        build()
