"""Text on disk: plain text to train a language model on, and sentences with labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.errors import ZooError

SPLIT_FILES = {
    "train": ("train.tsv",),
    "validation": ("validation.tsv", "valid.tsv", "dev.tsv"),
    "test": ("test.tsv",),
}
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
    if not text:
        found = "a folder without any text in .txt files" if path.is_dir() else "an empty file"
        raise ZooError(
            "The text must be a UTF-8 file, or a folder of .txt files (--data). "
            f"Received: {path}, {found}."
        )
    return np.frombuffer(text, np.uint8)


def read_labelled(source, check, *, skip_corrupt=False):
    """Reads sentences with labels: files of lines `sentence TAB label`.

    Args:
        source: path of a folder with train.tsv and, if there are such, dev.tsv (or validation.tsv,
            valid.tsv) and test.tsv; or of one .tsv file, whose last tenth is held out.
        check: callable from the bytes of a sentence, raises a `ZooError` if the model cannot
            take it.
        skip_corrupt: bool. Leave out lines that are not as they must be.

    Returns:
        (splits, class_names): dict from the name of a split to `LabelledTexts`, and a tuple of
        str: the labels of "train", in the order of numbers if all are, else of the alphabet.

    Raises:
        ZooError: if a file is missing, a line is wrong, or a label is not one of "train".
    """
    path = Path(source).expanduser()
    files = _split_files(path)
    rows = {name: _rows(file, check, skip_corrupt) for name, file in files.items()}
    if len(rows) == 1:
        cut = len(rows["train"]) - len(rows["train"]) // 10
        rows = {"train": rows["train"][:cut], "validation": rows["train"][cut:]}
        rows = {name: part for name, part in rows.items() if part}
    names = sorted({label for _, label, _ in rows["train"]}, key=_label_order)
    splits = {name: _numbered(part, names, skip_corrupt) for name, part in rows.items()}
    return splits, tuple(names)


def _numbered(rows, names, skip_corrupt):
    """Returns the `LabelledTexts` of a list of (sentence, label, where it is)."""
    numbers = {name: number for number, name in enumerate(names)}
    known = [(text, numbers[label]) for text, label, _ in rows if label in numbers]
    if len(known) < len(rows) and not skip_corrupt:
        label, place = next(row[1:] for row in rows if row[1] not in numbers)
        raise ZooError(
            f"A label must be one of the training data's, {', '.join(names)}. "
            f"Received: {label!r} in {place}."
        )
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


def _split_files(path):
    if not path.is_dir():
        return {"train": path}
    files = {}
    for split, names in SPLIT_FILES.items():
        found = [path / name for name in names if (path / name).is_file()]
        if found:
            files[split] = found[0]
    if "train" not in files:
        raise ZooError(
            "The folder of labelled texts must hold train.tsv, lines of a sentence, a tab and its "
            f"label. Received: {path}, without it."
        )
    return files


def _rows(path, check, skip_corrupt):
    """Returns a list of (sentence, label, where it is) of a file."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ZooError(f"The labelled texts {path} cannot be read: {reason} (--data).") from error
    rows = []
    for number, line in enumerate(lines, 1):
        line = line.rstrip(b"\r")
        if not line.strip() or (number == 1 and line.lower() == _HEADER):
            continue
        try:
            rows.append((*_sentence_and_label(line, check), f"{path} line {number}"))
        except ZooError as error:
            if not skip_corrupt:
                raise ZooError(f"{path} line {number}: {error}") from error
    if not rows:
        raise ZooError(f"The labelled texts must hold at least one line. Received: {path}, none.")
    return rows


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
