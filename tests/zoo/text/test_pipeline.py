"""Text from files to batches: windows, splits, labels, and errors that name what is wrong."""

import dataclasses

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.text.bytes_tokenizer import CLS, MASK, SEP
from zoo.text.configs import MaskedLanguageConfig, TextClassifierConfig
from zoo.text.pipeline import (
    masked_language_pipeline,
    text_classifier_pipeline,
    with_classes_of_the_data,
)

LANGUAGE = MaskedLanguageConfig("", "", 1, max_length=24, window=12)
CLASSIFIER = TextClassifierConfig("", "", 1, max_length=24, window=16)


@pytest.fixture
def text_file(tmp_path):
    """1,003 bytes, the last tenth of which are capitals."""
    random = np.random.default_rng(0)
    letters = [chr(i) for i in random.integers(ord("a"), ord("z") + 1, 1003)]
    letters[4::5] = " " * len(letters[4::5])
    text = "".join(letters)
    path = tmp_path / "text.txt"
    path.write_text(text[:903] + text[903:].upper())
    return path


@pytest.fixture
def labelled_folder(tmp_path):
    folder = tmp_path / "labelled"
    folder.mkdir()
    rows = [(f"good number {i}", "yes") for i in range(7)] + [("bad é", "no"), ("", "")]
    (folder / "train.tsv").write_text("\n".join("\t".join(row) for row in rows[:-1]) + "\n\n")
    (folder / "dev.tsv").write_text("sentence\tlabel\nsome text\tno\r\n")
    return folder


def examples(dataset):
    """All batches of a dataset as one, as numpy arrays."""
    inputs, *others = zip(*dataset.as_numpy_iterator(), strict=True)
    joined = {name: np.concatenate([part[name] for part in inputs]) for name in inputs[0]}
    return (joined, *(np.concatenate(part) for part in others))


def text_of(token_ids):
    return bytes((token_ids[token_ids >= 6] - 6).astype("uint8")).decode()


def test_windows_cover_the_text_and_hide_words(text_file):
    pipeline = masked_language_pipeline(LANGUAGE, text_file)
    assert pipeline.splits == ("train", "validation")
    assert (pipeline.num_examples("train"), pipeline.num_examples("validation")) == (75, 8)
    text = text_file.read_text()
    for split, start in (("train", 0), ("validation", 903)):
        inputs, targets, hidden = examples(pipeline.batches(split, 4))
        assert "".join(map(text_of, targets)) == text[start : start + targets.size]
        np.testing.assert_array_equal(
            inputs["token_ids"], np.where(hidden > 0, MASK, targets).astype("int32")
        )
        assert inputs["mask"].all() and inputs["mask"].shape == targets.shape
        assert (hidden.sum(axis=1) > 0).all() and hidden.dtype == np.float32


def test_training_windows_are_shifted_and_never_held_out(text_file):
    pipeline = masked_language_pipeline(LANGUAGE, text_file)
    text = text_file.read_text()[:903]
    starts = set()
    for epoch in range(4):
        inputs, targets, hidden = examples(pipeline.batches("train", 9, training=True, epoch=epoch))
        windows = [text_of(row) for row in targets]
        assert all(window in text for window in windows)
        starts |= {text.index(window) % 12 for window in windows}
        np.testing.assert_array_equal(inputs["token_ids"][hidden == 0], targets[hidden == 0])
    assert len(starts) == 12


def test_batches_depend_on_seed_and_epoch_alone(text_file):
    pipeline = masked_language_pipeline(LANGUAGE, text_file)

    def batch(seed, epoch):
        return examples(pipeline.batches("train", 9, training=True, seed=seed, epoch=epoch))[1]

    np.testing.assert_array_equal(batch(1, 2), batch(1, 2))
    assert (batch(1, 2) != batch(1, 3)).any()
    assert (batch(1, 2) != batch(2, 2)).any()


def test_windows_are_framed_under_the_numerics_of_transformers(text_file):
    config = dataclasses.replace(LANGUAGE, numerics="huggingface")
    inputs, targets, hidden = examples(
        masked_language_pipeline(config, text_file).batches("validation", 4)
    )
    assert targets.shape[1] == 12
    assert set(targets[:, 0]) == {CLS} and set(targets[:, -1]) == {SEP}
    assert not hidden[:, [0, -1]].any()
    assert "".join(map(text_of, targets)) == text_file.read_text()[903 : 903 + 10 * len(targets)]


def test_a_folder_of_text_is_read_in_the_order_of_names(text_file, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.txt").write_text(text_file.read_text())
    (folder / "a.txt").write_text("first words ")
    (folder / "c.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ZooError, match="valid UTF-8. Received: .*c.txt, with an invalid byte at 0"):
        masked_language_pipeline(LANGUAGE, folder).num_examples("train")
    pipeline = masked_language_pipeline(LANGUAGE, folder, skip_corrupt=True)
    targets = examples(pipeline.batches("train", 9))[1]
    assert "".join(map(text_of, targets)).startswith("first words \n" + text_file.read_text()[:20])


def test_no_file_is_opened_before_it_is_needed(tmp_path):
    missing = tmp_path / "missing.txt"
    language = masked_language_pipeline(LANGUAGE, missing)
    classifier = text_classifier_pipeline(CLASSIFIER, missing)
    with pytest.raises(ZooError, match="missing.txt cannot be read: no such file"):
        language.num_examples("train")
    with pytest.raises(ZooError, match="missing.txt cannot be read: no such file"):
        classifier.batches("train", 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "UTF-8 file, or a folder of .txt files .*an empty file"),
        (b" \n" * 999, "UTF-8 file, or a folder of .txt files .*an empty file"),
        (b"short text", r"at least 120 bytes for windows of 12 tokens .*with 10 bytes"),
        (b"ab\xffcd" * 99, "must be valid UTF-8. Received: .*, with an invalid byte at 2"),
    ],
)
def test_bad_text_is_a_clear_error(tmp_path, content, message):
    (tmp_path / "bad.txt").write_bytes(content)
    with pytest.raises(ZooError, match=message):
        masked_language_pipeline(LANGUAGE, tmp_path / "bad.txt").num_examples("train")


def test_a_vocabulary_that_was_not_released_reads_no_text(text_file):
    settings = {"tokenizer": "sentencepiece", "vocabulary_size": 99}
    for config, build in (
        (LANGUAGE, masked_language_pipeline),
        (CLASSIFIER, text_classifier_pipeline),
    ):
        pipeline = build(dataclasses.replace(config, **settings), text_file)
        assert pipeline.preprocess is None
        with pytest.raises(ZooError, match="must have a vocabulary to read text"):
            pipeline.num_examples("train")


def test_labels_that_only_other_splits_have_are_left_out_and_counted(labelled_folder):
    (labelled_folder / "dev.tsv").write_text("some text\tperhaps\nmore\tyes\n")
    pipeline = text_classifier_pipeline(CLASSIFIER, labelled_folder, skip_corrupt=True)
    assert pipeline.num_examples("validation") == 1
    (reason,) = pipeline.skipped
    assert "'perhaps' in" in reason and "dev.tsv line 1" in reason


def test_labelled_sentences_become_padded_ids_and_one_hot_labels(labelled_folder):
    pipeline = text_classifier_pipeline(CLASSIFIER, labelled_folder)
    assert pipeline.class_names is None
    assert pipeline.splits == ("train", "validation")
    assert pipeline.class_names == ("no", "yes")
    inputs, labels = examples(pipeline.batches("train", 3))
    assert [text_of(row) for row in inputs["token_ids"]][-2:] == ["good number 6", "bad é"]
    assert inputs["token_ids"].shape == inputs["mask"].shape == (8, 16)
    np.testing.assert_array_equal(inputs["mask"], inputs["token_ids"] > 0)
    np.testing.assert_array_equal(labels, [[0, 1]] * 7 + [[1, 0]])
    (inputs, labels) = examples(pipeline.batches("validation", 3))
    assert text_of(inputs["token_ids"][0]) == "some text" and labels.tolist() == [[1, 0]]


def test_a_classifier_gets_as_many_outputs_as_the_data_has_classes(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text("".join(f"text {i}\t{i % 3 + 9}\n" for i in range(31)))
    pipeline = text_classifier_pipeline(CLASSIFIER, path)
    with pytest.raises(ZooError, match="2 outputs for the 3 classes"):
        pipeline.num_examples("train")
    config, pipeline = with_classes_of_the_data(CLASSIFIER, pipeline)
    assert config.num_classes == 3
    assert pipeline.class_names == ("9", "10", "11")  # as numbers
    assert {name: pipeline.num_examples(name) for name in pipeline.splits} == {
        "train": 28,
        "validation": 3,
    }
    assert examples(pipeline.batches("train", 5))[1].shape == (28, 3)


BAD_LINES = {
    b"no tab": "bad.tsv line 3: A line must be a sentence, a tab and its label. .*'no tab'",
    b"no label\t ": "line 3: A line must be a sentence, a tab and its label",
    b"\tno": "line 3: A text must not be empty",
    b"ab\xff\tno": "line 3: A text must be valid UTF-8",
    b"longer than the window\tno": "line 3: A text must not be longer .*here 16. .*22 tokens",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_named_or_left_out(tmp_path, line):
    path = tmp_path / "bad.tsv"
    path.write_bytes(b"good\tyes\nbad\tno\n" + line + b"\nfine\tyes\n")
    with pytest.raises(ZooError, match=BAD_LINES[line]):
        text_classifier_pipeline(CLASSIFIER, path).num_examples("train")
    assert text_classifier_pipeline(CLASSIFIER, path, skip_corrupt=True).num_examples("train") == 3


def test_an_unknown_label_and_a_folder_without_train_are_named(labelled_folder, tmp_path):
    (labelled_folder / "dev.tsv").write_text("some text\tperhaps\n")
    with pytest.raises(ZooError, match="data's, no, yes. Received: 'perhaps' in .*dev.tsv line 1"):
        text_classifier_pipeline(CLASSIFIER, labelled_folder).num_examples("train")
    with pytest.raises(ZooError, match="must hold train.tsv"):
        text_classifier_pipeline(CLASSIFIER, tmp_path).num_examples("train")
    (tmp_path / "empty.tsv").write_text("\n")
    with pytest.raises(ZooError, match="at least one line"):
        text_classifier_pipeline(CLASSIFIER, tmp_path / "empty.tsv").num_examples("train")


def test_a_table_has_its_columns_by_name(tmp_path):
    (tmp_path / "train.csv").write_bytes(
        b'\xef\xbb\xbfid, Label ,text\r\n1,no,"one, ""two""\nthree"\r\n2,yes,caf\xc3\xa9\r\n'
    )
    (tmp_path / "valid.csv").write_text("sentence,label\nsome text,yes\n")
    pipeline = text_classifier_pipeline(dataclasses.replace(CLASSIFIER, window=20), tmp_path)
    inputs, labels = examples(pipeline.batches("train", 3))
    assert [text_of(row) for row in inputs["token_ids"]] == ['one, "two"\nthree', "café"]
    np.testing.assert_array_equal(labels, [[1, 0], [0, 1]])
    assert pipeline.class_names == ("no", "yes") and pipeline.num_examples("validation") == 1


BAD_TABLES = {
    b"text,lable\na,b\n": "columns text or sentence, and label. Received: .*with text, lable",
    b"": "columns text or sentence, and label. Received: .*no line",
    b"text,label\n": "at least one line",
    b"text,label\nfine,yes\n,no\nok,no\n": "line 3: A text must not be empty",
    b"text,label\nfine,yes\nbad\nok,no\n": "line 3: A text must have a label",
    b"text,label\nfine,yes\nb\xffd,no\nok,no\n": "line 3: A text must be valid UTF-8",
}


@pytest.mark.parametrize("content", BAD_TABLES)
def test_a_bad_table_is_named_or_its_line_left_out(tmp_path, content):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(ZooError, match=BAD_TABLES[content]) as caught:
        text_classifier_pipeline(CLASSIFIER, path).num_examples("train")
    assert "\n" not in str(caught.value)
    if "line 3" in BAD_TABLES[content]:
        pipeline = text_classifier_pipeline(CLASSIFIER, path, skip_corrupt=True)
        assert pipeline.num_examples("train") == 2
        (reason,) = pipeline.skipped
        assert "bad.csv line 3" in reason


def test_folders_of_text_files_by_class(tmp_path):
    files = {"train/good/a": "fine\n", "train/bad/b": "poor", "test/bad/c": "", "test/good/d": "ok"}
    for name, text in files.items():
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with pytest.raises(ZooError, match="c.txt: A text must not be empty"):
        text_classifier_pipeline(CLASSIFIER, tmp_path).num_examples("train")
    (tmp_path / "test/bad/c.txt").write_text("worse")
    pipeline = text_classifier_pipeline(CLASSIFIER, tmp_path)
    assert pipeline.splits == ("train", "test") and pipeline.class_names == ("bad", "good")
    inputs, labels = examples(pipeline.batches("train", 2))
    assert [text_of(row) for row in inputs["token_ids"]] == ["poor", "fine"]
    np.testing.assert_array_equal(labels, [[1, 0], [0, 1]])
