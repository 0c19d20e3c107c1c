import pytest

from tuning.budget import Budget, ModelCosts
from tuning.hypermodel import PerceiverHyperModel
from tuning.searching import check_admits_something
from zoo.errors import ZooError

MODEL = ModelCosts(parameters=300, multiply_adds=2000, training_bytes=70_000)


def test_a_budget_admits_what_is_within_all_bounds():
    assert Budget().admits(MODEL)
    assert Budget(300, 2000, 70_000).admits(MODEL)
    assert not Budget(parameters=299).admits(MODEL)
    assert not Budget(parameters=1000, training_bytes=69_999).admits(MODEL)


def test_a_bound_must_be_above_zero():
    with pytest.raises(ZooError, match=r"`multiply_adds` must be .* Received: multiply_adds=0"):
        Budget(multiply_adds=0)


def test_the_tightest_bound_is_named():
    hypermodel = PerceiverHyperModel("perceiver_digits_tiny")
    check_admits_something(hypermodel, Budget(parameters=300_000))
    with pytest.raises(ZooError, match="at most 50 parameters keeps out 200 of 200; the least"):
        check_admits_something(hypermodel, Budget(parameters=50, multiply_adds=1e6))


def test_memory_of_a_point_grows_with_its_batch():
    hypermodel = PerceiverHyperModel("perceiver_digits_tiny")
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hypermodel.declare_hyperparameters(hp)
    small = hypermodel.costs(hp)
    hp.values["batch_size"] = 128
    large = hypermodel.costs(hp)
    assert small.parameters == large.parameters == 280_172
    assert large.training_bytes > 1.5 * small.training_bytes
