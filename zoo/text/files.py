"""Text on disk: plain text to train a language model on, and sentences with labels."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.class_folders import list_classes
from zoo.errors import ZooError

SPLIT_FILES = {
    "train": ("train",),
    "validation": ("validation", "valid", "dev"),
    "test": ("test",),
}
TEXT_COLUMNS = ("text", "sentence")
_HEADER = b"sentence\tlabel"


@dataclass(frozen=True)
class LabelledTexts:
    """Sentences and the numbers of their classes.

    Attributes:
        texts: tuple of bytes, valid UTF-8.
        labels: int32 numpy array, as many.
    """

    texts: tuple[bytes, ...]
    labels: np.ndarray


def read_text(source, *, skip_corrupt=False):
    """Reads a text file, or all .txt files of a folder in the order of their names.

    Args:
        source: path of a file or a folder.
        skip_corrupt: bool. Leave out files that cannot be read or are not UTF-8.

    Returns:
        uint8 numpy array (n,), UTF-8; the files of a folder follow on a new line each.

    Raises:
        ZooError: if there is no such file, or it is no text.
    """
    path = Path(source).expanduser()
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    texts = [_read_utf8(file, skip_corrupt and path.is_dir()) for file in files]
    text = b"\n".join(text for text in texts if text)
    if not text.strip():
        found = "a folder without any text in .txt files" if path.is_dir() else "an empty file"
        raise ZooError(
            "The text must be a UTF-8 file, or a folder of .txt files (--data). "
            f"Received: {path}, {found}."
        )
    return np.frombuffer(text, np.uint8)


def read_labelled(source, check, *, skip_corrupt=False):
    """Reads texts with labels.

    Args:
        source: path, one of:
            a `.tsv` file of lines `text TAB label`, or a `.csv` file with the columns `text` (or
            `sentence`) and `label`, whose last tenth is held out;
            a folder of such files: train.tsv and, if there are such, dev.tsv (or validation.tsv,
            valid.tsv) and test.tsv, or the same as `.csv`;
            a folder with one folder of `.txt` files for each class, see `zoo.data.class_folders`.
        check: callable from the bytes of a text, raises a `ZooError` if the model cannot take it.
        skip_corrupt: bool. Leave out texts that are not as they must be.

    Returns:
        (splits, class_names, skipped): dict from the name of a split to `LabelledTexts`; a tuple
        of str: the labels of "train", in the order of numbers if all are, else of the alphabet;
        and a tuple of str, what was left out and why.

    Raises:
        ZooError: if a file or a column is missing, a line is wrong, or a label is not one of
            "train".
    """
    path = Path(source).expanduser()
    skipped = []
    rows = {
        split: list(_kept(found, skip_corrupt, skipped))
        for split, found in _rows_by_split(path, check).items()
    }
    for split, found in rows.items():
        if not found:
            raise ZooError(
                f"The labelled texts must hold at least one line. Received: {path} ({split}), none."
            )
    if len(rows) == 1:
        cut = len(rows["train"]) - len(rows["train"]) // 10
        rows = {"train": rows["train"][:cut], "validation": rows["train"][cut:]}
        rows = {name: part for name, part in rows.items() if part}
    names = sorted({label for _, label, _ in rows["train"]}, key=_label_order)
    splits = {name: _numbered(part, names, skip_corrupt, skipped) for name, part in rows.items()}
    return splits, tuple(names), tuple(skipped)


def _kept(rows, skip_corrupt, skipped):
    """Yields the rows that are no errors; those that are are listed, or raised."""
    for row in rows:
        if not isinstance(row, ZooError):
            yield row
        elif skip_corrupt:
            skipped.append(str(row))
        else:
            raise row


def _numbered(rows, names, skip_corrupt, skipped):
    """Returns the `LabelledTexts` of a list of (text, label, where it is)."""
    numbers = {name: number for number, name in enumerate(names)}
    for _, label, place in rows:
        if label not in numbers:
            error = ZooError(
                f"A label must be one of the training data's, {', '.join(names)}. "
                f"Received: {label!r} in {place}."
            )
            if not skip_corrupt:
                raise error
            skipped.append(str(error))
    known = [(text, numbers[label]) for text, label, _ in rows if label in numbers]
    texts = tuple(text for text, _ in known)
    return LabelledTexts(texts, np.array([number for _, number in known], np.int32))


def _read_utf8(path, skip_corrupt=False):
    try:
        text = path.read_bytes()
        text.decode()
    except (OSError, UnicodeDecodeError) as error:
        if skip_corrupt:
            return b""
        if isinstance(error, UnicodeDecodeError):
            raise ZooError(
                f"A text must be valid UTF-8. Received: {path}, with an invalid byte at "
                f"{error.start}."
            ) from error
        reason = (error.strerror or str(error)).lower()
        raise ZooError(f"The text {path} cannot be read: {reason} (--data).") from error
    return text


def _rows_by_split(path, check):
    """Returns a dict from split to an iterator of rows.

    A row is (bytes, label, where it is), or the `ZooError` about it.
    """
    if not path.is_dir():
        return {"train": _rows(path, check)}
    files = {}
    for split, names in SPLIT_FILES.items():
        found = [path / f"{name}{kind}" for kind in (".tsv", ".csv") for name in names]
        found = [file for file in found if file.is_file()]
        if found:
            files[split] = _rows(found[0], check)
    if "train" in files:
        return files
    if any(any(path.glob(pattern)) for pattern in ("*/*.txt", "*/*/*.txt")):
        listed, names = list_classes(path, "texts", (".txt",))
        return {split: _rows_of_files(*part, names, check) for split, part in listed.items()}
    raise ZooError(
        "The folder of labelled texts must hold train.tsv (lines of a text, a tab and its label), "
        "train.csv (columns text and label), or a folder of .txt files for each class. "
        f"Received: {path}, without."
    )


def _rows(path, check):
    """Returns an iterator of the rows of a `.tsv` or `.csv` file, which is read at once."""
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ZooError(f"The labelled texts {path} cannot be read: {reason} (--data).") from error
    if path.suffix.lower() == ".csv":
        return _rows_of_table(path, content, check)
    return _rows_of_lines(path, content, check)


def _rows_of_lines(path, content, check):
    for number, line in enumerate(content.split(b"\n"), 1):
        line = line.rstrip(b"\r")
        if not line.strip() or (number == 1 and line.lower() == _HEADER):
            continue
        try:
            yield (*_sentence_and_label(line, check), f"{path} line {number}")
        except ZooError as error:
            yield ZooError(f"{path} line {number}: {error}")


def _rows_of_table(path, content, check):
    # What is not UTF-8 stays as it is, so that the check of its text finds it.
    lines = io.StringIO(content.decode("utf-8-sig", "surrogateescape"), newline="")
    try:
        reader = csv.DictReader(lines)
        columns = [name.strip().lower() for name in reader.fieldnames or ()]
        text = next((name for name in TEXT_COLUMNS if name in columns), None)
        if text is None or "label" not in columns:
            raise ZooError(
                f"A table of labelled texts must have the columns {' or '.join(TEXT_COLUMNS)}, "
                f"and label. Received: {path} with {', '.join(columns) or 'no line'}."
            )
        reader.fieldnames = columns
        for row in reader:
            where = f"{path} line {reader.line_num}"
            try:
                label = (row["label"] or "").strip()
                if not label:
                    raise ZooError("A text must have a label. Received: none.")
                yield check((row[text] or "").encode("utf-8", "surrogateescape")), label, where
            except ZooError as error:
                yield ZooError(f"{where}: {error}")
    except csv.Error as error:
        raise ZooError(f"The labelled texts {path} cannot be read: {error}.") from error


def _rows_of_files(paths, labels, names, check):
    for path, label in zip(paths, labels, strict=True):
        try:
            yield check(Path(path).read_bytes().strip()), names[label], path
        except OSError as error:
            yield ZooError(f"The text {path} cannot be read: {error.strerror}.")
        except ZooError as error:
            yield ZooError(f"{path}: {error}")


def _sentence_and_label(line, check):
    text, tab, label = line.rpartition(b"\t")
    if not tab or not label.strip():
        raise ZooError(
            "A line must be a sentence, a tab and its label. Received: "
            f"{line[:40].decode(errors='replace')!r}."
        )
    check(text)
    try:
        return text, label.strip().decode()
    except UnicodeDecodeError as error:
        raise ZooError("A label must be valid UTF-8. Received: an invalid byte.") from error


def _label_order(label):
    return (0, int(label), label) if label.isdecimal() else (1, 0, label)
