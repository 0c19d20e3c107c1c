"""Sets of entities from arrays to a served classifier: fields, masks, splits, bad input."""

import dataclasses
import io
import json

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

import zoo
from perceiver_tf.models.configs import PerceiverIOConfig
from zoo.errors import ZooError
from zoo.recipes.named import RECIPES
from zoo.sets.configs import SetClassifierConfig
from zoo.sets.models import set_classifier
from zoo.sets.pipeline import read_sets, set_pipeline, with_fields_of_the_data
from zoo.sets.predict import predict_sets

NAME = "perceiver_io_starcraft_entities"
TINY = {"num_latents": 4, "latent_channels": 16, "num_self_attends_per_block": 1}
FIELDS = {"category_sizes": (5, 3), "num_numbers": 2, "num_classes": 3, "entity_channels": 16}
CONFIG = SetClassifierConfig(
    "", "", 1, architecture=PerceiverIOConfig(num_blocks=1, **TINY), num_entities=7, **FIELDS
)


def which_is_largest(count, seed=0):
    """Returns sets whose label is the first category of the entity with the largest number.

    Entities that are not there have larger numbers than all others.
    """
    random = np.random.default_rng(seed)
    mask = np.arange(7) < random.integers(3, 8, count)[:, None]
    categories = random.integers(0, (3, 2), (count, 7, 2))
    numbers = random.normal(size=(count, 7, 2)).astype("float32")
    largest = np.where(mask, numbers[..., 0], -np.inf).argmax(axis=1)
    numbers[~mask] += 9
    label = categories[np.arange(count), largest, 0]
    return {"categories": categories, "numbers": numbers, "mask": mask, "label": label}


def write(path, **changed):
    arrays = {
        **which_is_largest(20),
        "test": np.arange(20) >= 14,
        "names": np.array(["ape", "bee", "cow"]),
    }
    np.savez(path, **{k: v for k, v in (arrays | changed).items() if v is not None})
    return path


@pytest.fixture
def npz(tmp_path):
    return write(tmp_path / "sets.npz")


@pytest.fixture(scope="module")
def entry():
    entry = zoo.build(NAME, **TINY, **FIELDS)
    random = np.random.default_rng(3)
    entry.model.set_weights([random.normal(0, 0.3, w.shape) for w in entry.model.get_weights()])
    return entry


@pytest.fixture(scope="module")
def served(entry):
    return zoo.endpoints_of(entry, class_names=("ape", "bee", "cow"))


def test_published_configuration_is_the_papers():
    config = zoo.configuration(NAME)
    architecture = config.architecture
    assert (architecture.num_latents, config.num_entities, config.entity_channels) == (32, 512, 128)
    assert architecture.num_self_attends_per_block * architecture.num_blocks == 3
    assert config.recipe in RECIPES and config.reads == "512 entities"


def test_batches_are_the_arrays_with_zeros_for_who_is_not_there(npz):
    pipeline = set_pipeline(CONFIG, npz)
    assert pipeline.splits == ("train", "test") and pipeline.num_examples("train") == 14
    inputs, targets = next(iter(pipeline.batches("test", 9)))
    arrays = {name: values[14:] for name, values in np.load(npz).items() if name != "names"}
    present = arrays["mask"][..., None]
    np.testing.assert_array_equal(inputs["mask"], arrays["mask"])
    np.testing.assert_array_equal(inputs["categories"], arrays["categories"] * present)
    np.testing.assert_array_equal(inputs["numbers"], arrays["numbers"] * present)
    np.testing.assert_array_equal(targets, np.eye(3)[arrays["label"]])
    assert pipeline.class_names == ("ape", "bee", "cow")


def test_classes_without_names_are_called_by_their_numbers(tmp_path):
    sets = read_sets(write(tmp_path / "numbers.npz", names=None))
    assert sets.class_names == ("0", "1", "2") and sets.num_classes == 3


def test_fields_follow_the_data(tmp_path):
    path = write(tmp_path / "sets.npz", categories=None, mask=None)
    config, pipeline = with_fields_of_the_data(CONFIG, set_pipeline(CONFIG, path))
    assert config.category_sizes == () and (config.num_numbers, config.num_entities) == (2, 7)
    inputs, _ = next(iter(pipeline.batches("train", 2)))
    assert set(inputs) == {"numbers", "mask"} and inputs["mask"].numpy().all()
    assert set_classifier(config)(inputs).shape == (2, 3)
    path = write(tmp_path / "other.npz", categories=np.full((20, 7, 3), 6), numbers=None)
    config, _ = with_fields_of_the_data(CONFIG, set_pipeline(CONFIG, path))
    assert (config.category_sizes, config.num_numbers) == ((7, 7, 7), 0)
    same = with_fields_of_the_data(CONFIG, set_pipeline(CONFIG, write(tmp_path / "same.npz")))
    assert same[0] == CONFIG  # the data needs fewer categories


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"categories": None, "numbers": None}, "the arrays `categories` or `numbers`. Received"),
        ({"categories": np.ones((20, 7, 2))}, r"`categories` of .* must be integers .* float64"),
        ({"categories": np.ones((20, 6, 2), int)}, r"`numbers` of .* \(sets, entities, fields\)"),
        ({"categories": np.full((20, 7, 2), -1)}, "`categories` of .* must be at least 0"),
        ({"numbers": np.full((20, 7, 2), np.nan)}, "`numbers` of .* must be finite"),
        ({"mask": np.ones((20, 7))}, r"`mask` of .* must be bool of shape \(20, 7\)"),
        ({"label": None}, "must hold the array `label`. Received: categories, numbers, mask"),
        ({"label": np.arange(19)}, "an integer from 0 for each of the 20 sets. .*shape .19,."),
        ({"label": np.arange(20)}, "must be less than 3, the number of class names. .*19 of set"),
        ({"test": np.ones(20, bool)}, "`test` of .* must leave sets to train on"),
        ({"categories": np.full((20, 7, 2), 4)}, "Field 1 of `categories` .* less than 3. .*: 4"),
        ({"categories": np.ones((20, 7, 3), int)}, "`categories` must have 2 fields, .*: 3 in"),
        ({"numbers": None}, "`numbers` must have 2 fields, as the model takes. Received: 0 in"),
        ({"names": np.array(list("abcd"))}, "3 outputs for the 4 classes of"),
    ],
)
def test_bad_arrays_are_one_clear_line(tmp_path, changed, message):
    with pytest.raises(ZooError, match=message) as caught:
        set_pipeline(CONFIG, write(tmp_path / "bad.npz", **changed)).num_examples("train")
    assert "\n" not in str(caught.value)


def test_missing_data_is_one_clear_line(tmp_path):
    with pytest.raises(ZooError, match="no such .npz file of sets: .*none.npz"):
        set_pipeline(CONFIG, tmp_path / "none.npz").num_examples("train")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(ZooError, match="no complete .npz file"):
        read_sets(tmp_path / "text.npz")


def test_scores_are_the_models_and_who_is_not_there_does_not_matter(entry, served, random):
    sets = which_is_largest(4)
    del sets["label"]
    scores = served["classify_sets"](**sets)["scores"].numpy()
    inputs = entry.pipeline.preprocess(
        {
            "categories": sets["categories"].astype("int32"),
            "numbers": sets["numbers"],
            "mask": tf.constant(sets["mask"]),
        }
    )
    np.testing.assert_allclose(scores, tf.nn.softmax(entry.model(inputs)), atol=1e-5)
    assert np.abs(scores[0] - scores[1]).max() > 1e-3
    other = {name: values.copy() for name, values in sets.items()}
    other["numbers"][~sets["mask"]], other["categories"][~sets["mask"]] = np.nan, 99
    np.testing.assert_allclose(served["classify_sets"](**other)["scores"], scores, atol=1e-6)
    for name, value, message in (
        ("numbers", np.inf, "numbers must be finite"),
        ("categories", 4, "categories must be from 0 to less than 5, 3"),
    ):
        wrong = {**sets, name: sets[name].copy()}
        wrong[name][0, 0] = value
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            served["classify_sets"](**wrong)


def run(served, items, **settings):
    text = io.StringIO()
    settings = {"out": None, "console": Console(file=text, width=140), **settings}
    report = predict_sets(served, list(map(str, items)), **settings)
    return json.loads(json.dumps(report)), text.getvalue()


def test_predict_names_the_best_classes_of_every_set(served, npz, tmp_path):
    unlabelled = write(tmp_path / "unlabelled.npz", label=None, names=None, test=None)
    report, text = run(served, [npz, unlabelled], batch_size=8)
    sets = which_is_largest(20)
    del sets["label"]
    expected = served["classify_sets"](**sets)["label"].numpy().tolist()
    assert [p["label"].encode() for p in report["predictions"]] == expected * 2
    assert report["predictions"][2]["file"] == f"{npz}: set 3"
    assert f"{npz}: set 3" in text
    bad = write(tmp_path / "bad.npz", categories=None)
    with pytest.raises(ZooError, match="must have 2 fields, .* Or pass --skip-corrupt"):
        run(served, [npz, bad])
    report, _ = run(served, [npz, bad], skip_corrupt=True)
    assert len(report["predictions"]) == 20 and report["skipped"][0]["file"] == str(bad)
    with pytest.raises(ZooError, match="leave out `--out`"):
        run(served, [npz], out=tmp_path)


@pytest.mark.slow
def test_training_learns_which_entity_is_largest_and_the_export_says_so(tmp_path):
    data = tmp_path / "sets.npz"
    np.savez(data, **which_is_largest(1500), test=np.arange(1500) >= 1300)
    result = zoo.train(
        NAME,
        data=str(data),
        out=tmp_path / "run",
        overrides={**TINY, "entity_channels": 16, "category_sizes": (3, 2)},
        epochs=1,
        passes_per_epoch=12,
        batch_size=50,
        learning_rate=1e-2,
        console=Console(file=io.StringIO()),
        jit_compile=False,
    )
    assert result.num_test_examples == 200 and result.test_figures["accuracy"] > 0.75
    entry, _ = zoo.load_run(tmp_path / "run", with_data=False)
    assert entry.config.num_numbers == 2 and entry.config.num_entities == 7
    path = zoo.export(entry, tmp_path / "exported")
    loaded = tf.saved_model.load(str(path))
    sets = which_is_largest(300, seed=5)
    label = sets.pop("label")
    sets["categories"] = sets["categories"].astype("int32")
    scores = loaded.signatures["classify_sets"](**{k: tf.constant(v) for k, v in sets.items()})
    assert (scores["scores"].numpy().argmax(axis=1) == label).mean() > 0.75


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_entities": 0}, "`num_entities` must be an integer of at least 1"),
        ({"num_numbers": -1}, "`num_numbers` must be an integer of at least 0"),
        ({"category_sizes": (3, 0)}, "`category_sizes` must be a tuple of integers of at least 1"),
        ({"category_sizes": (), "num_numbers": 0}, "`num_numbers` must be at least 1 without"),
        ({"numerics": "jax"}, "`numerics` must be one of"),
    ],
)
def test_a_wrong_field_is_a_clear_error(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, **changes)
