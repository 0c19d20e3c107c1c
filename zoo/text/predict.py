"""Fill in and classify texts from the command line."""

import re

import numpy as np
import tensorflow as tf
from rich.table import Table
from rich.text import Text

from zoo.errors import ZooError
from zoo.predictions.labels import best_labels, served_class_names
from zoo.text.bytes_tokenizer import NUM_SPECIAL

_MASK = re.compile(r"\[MASK(:\d+)?\]")


def predict_masked(endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=32):
    """Prints texts with their hidden bytes filled in and marked; see `zoo.task.Task.predict`.

    Args:
        endpoints: dict of callables with "fill_in", see `zoo.text.served.ServedLanguageModel`.
        items: list of str, texts with `[MASK]` or `[MASK:n]`.
        out: must be None: nothing is written.
        console: `rich.console.Console`.
        top: unused, each hidden byte gets its most likely value.
        skip_corrupt: leave out texts that cannot be read, and list them in "skipped".
        batch_size: texts filled in together.

    Returns:
        dict of "predictions" (of each text: "input", "text", and "filled", a list of "start",
        "text" and "score" of each run of hidden bytes) and "skipped", for JSON. A start counts
        the bytes of the filled text; a score is the least probable byte's, 0-1.

    Raises:
        ZooError: if a text holds no mask or cannot be read, or `out` is given.
    """
    _require_no_folder(out)

    def fill_in(texts):
        outputs = endpoints["fill_in"](text=texts)
        names = ("token_ids", "filled", "scores")
        return zip(*(outputs[name].numpy() for name in names), strict=True)

    found, skipped = _in_batches(fill_in, items, batch_size, skip_corrupt, _require_mask)
    predictions = []
    for text, (token_ids, filled, scores) in found:
        prediction = {"input": text, **_describe(token_ids, filled, scores)}
        console.print(_marked(prediction))
        predictions.append(prediction)
    _print_skipped(console, skipped)
    return {"predictions": predictions, "skipped": skipped}


def predict_labels(endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=32):
    """Prints a table of texts and their best classes; see `zoo.task.Task.predict`.

    Args:
        endpoints: dict of callables with "classify_text" and, if the names are known,
            "class_names", see `zoo.text.served.ServedTextClassifier`.
        items: list of str, texts.
        out, console, skip_corrupt, batch_size: see `predict_masked`.
        top: how many classes to name for each text.

    Returns:
        dict of "predictions" (of each text: "text", "label", "score" and "top", a list of labels
        and scores) and "skipped", for JSON.

    Raises:
        ZooError: if a text cannot be read, `top` is less than 1 or `out` is given.
    """
    _require_no_folder(out)
    if top < 1:
        raise ZooError(f"`top` must be at least 1. Received: top={top}.")

    def classify(texts):
        return endpoints["classify_text"](text=texts)["scores"].numpy()

    found, skipped = _in_batches(classify, items, batch_size, skip_corrupt, lambda text: None)
    names = served_class_names(endpoints)
    predictions = []
    for text, scores in found:
        best = best_labels(scores, names, top)
        predictions.append({"text": text, **best[0], "top": best})
    _print_labels(console, predictions)
    _print_skipped(console, skipped)
    return {"predictions": predictions, "skipped": skipped}


def _in_batches(function, items, batch_size, skip_corrupt, check):
    """Returns a list of (text, result) and a list of the texts that were skipped, with reasons."""
    if batch_size < 1:
        raise ZooError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")
    found, skipped = [], []
    for start in range(0, len(items), batch_size):
        readable = []
        for text in items[start : start + batch_size]:
            try:
                check(text)
                readable.append((text, _encoded(text)))
            except ZooError as error:
                _skip(text, error, skipped, skip_corrupt)
        found += _results(function, readable, skipped, skip_corrupt)
    if skipped and not found:
        raise ZooError(f"None of the texts could be predicted. {skipped[0]['reason']}")
    return found, skipped


def _results(function, readable, skipped, skip_corrupt):
    """Runs a batch of (text, bytes); when it fails, each text by itself to find those at fault."""
    if not readable:
        return []
    texts = [text for text, _ in readable]
    try:
        return list(zip(texts, function(tf.constant([x for _, x in readable])), strict=True))
    except tf.errors.InvalidArgumentError as error:
        if len(readable) == 1:
            reason = re.search(r"assertion failed: \[(.*?)\. Received: the text", str(error))
            if reason is None:
                raise
            _skip(texts[0], ZooError(f"{reason.group(1)}."), skipped, skip_corrupt)
            return []
    parts = [_results(function, [item], skipped, skip_corrupt) for item in readable]
    return sum(parts, [])


def _skip(text, error, skipped, skip_corrupt):
    if not skip_corrupt:
        raise ZooError(
            f"{error} In: {_shortened(text)!r}. Pass --skip-corrupt to predict the other texts."
        ) from error
    skipped.append({"text": _shortened(text), "reason": str(error)})


def _encoded(text):
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ZooError(
            f"A text must be valid UTF-8. Received: an invalid byte at {error.start}."
        ) from error


def _require_mask(text):
    if text and not _MASK.search(text):
        raise ZooError("A text to fill in must contain [MASK], or [MASK:n] for n bytes.")


def _require_no_folder(out):
    if out is not None:
        raise ZooError(f"`--out` must be left out for text: nothing is written. Received: {out}")


def _describe(token_ids, filled, scores):
    """Returns the filled text and its runs of filled bytes, special tokens left out."""
    in_text = token_ids >= NUM_SPECIAL
    values = (token_ids[in_text] - NUM_SPECIAL).astype(np.uint8)
    filled, scores = filled[in_text].astype(int), scores[in_text]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], filled, [0]]))).tolist()
    spans = [
        {
            "start": start,
            "text": values[start:stop].tobytes().decode(errors="replace"),
            "score": float(scores[start:stop].min()),
        }
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    ]
    pieces = np.split(values, edges)
    whole = [piece.tobytes().decode(errors="replace") for piece in pieces]
    return {"text": "".join(whole), "filled": spans, "pieces": whole}


def _marked(prediction):
    """Returns the text with what was filled in between brackets, in bold and with its score."""
    marked = Text()
    for number, piece in enumerate(prediction.pop("pieces")):
        marked.append(f"[{piece}]" if number % 2 else piece, "bold green" if number % 2 else "")
    scores = ", ".join(f"{span['score']:.1%}" for span in prediction["filled"])
    return marked.append(f"  ({scores})", "dim")


def _print_labels(console, predictions):
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("text", overflow="fold")
    for rank in range(len(predictions[0]["top"])):
        table.add_column("prediction" if rank == 0 else f"{rank + 1}.")
    for prediction in predictions:
        cells = [f"{best['label']} {best['score']:.1%}" for best in prediction["top"]]
        table.add_row(*map(Text, (_shortened(prediction["text"]), *cells)))
    console.print(table)


def _print_skipped(console, skipped):
    if skipped:
        console.print(f"Left out, as they could not be read: {len(skipped)}")
        for item in skipped:
            console.print(Text(f"  {item['text']}: {item['reason']}"))


def _shortened(text):
    printable = text.encode(errors="replace").decode()
    return printable if len(printable) <= 60 else f"{printable[:57]}..."
