"""Classify the graphs of files through the endpoints of a model."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from zoo.errors import ZooError
from zoo.graphs.files import read_graphs
from zoo.graphs.pipeline import check_fields, raw_batch
from zoo.predictions.labels import served_class_names
from zoo.predictions.of_files import check_settings, predictions_of, print_predictions, report_of

LABELS_AND_ATTRIBUTES = ("node_labels", "node_attributes", "edge_labels")


def predict_graphs(
    endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=32
) -> dict[str, Any]:
    """Prints a table of graphs and their best classes; see `zoo.task.Task.predict`.

    Args:
        endpoints: dict of callables with "classify_graphs", "graph_format" and, if the names are
            known, "class_names", see `zoo.graphs.served.ServedGraphs`.
        items: list of str, files or folders of graphs, see `zoo.graphs.files.read_graphs`; all
            graphs of each are classified.
        out: must be None: there is nothing to write.
        console: `rich.console.Console`.
        top: how many classes to name for each graph.
        skip_corrupt: leave out files that cannot be read, and graphs that cannot be used, and list
            them in "skipped".
        batch_size: graphs scored together.

    Returns:
        dict of "predictions" and "skipped", for JSON. Where a file holds several graphs, "file"
        is its path and the graph's number from 1, as in "MUTAG.zip: graph 3".

    Raises:
        ZooError: if a file cannot be read, with `skip_corrupt` if none can, a setting is below 1,
            or `out` is given.
    """
    check_settings(top, batch_size)
    if out is not None:
        raise ZooError("Predictions of graphs have no pictures: leave out `--out`; see `--json`.")
    accepted = SimpleNamespace(**_numbers(endpoints["graph_format"]()))
    found, skipped = _read(items, accepted, skip_corrupt)
    # Graphs of like sizes together need little padding.
    order = sorted(range(len(found)), key=lambda index: found[index][1].num_nodes)
    scores: dict[int, np.ndarray] = {}
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = raw_batch([found[row][1] for row in rows])
        batch = {name: v for name, v in batch.items() if _is_taken(name, accepted)}
        answer = endpoints["classify_graphs"](**batch)["scores"].numpy()
        scores.update(zip(rows, answer, strict=True))
    scored = [(name, scores[index]) for index, (name, _) in enumerate(found)]
    predictions = predictions_of(scored, skipped, served_class_names(endpoints), top)
    print_predictions(console, predictions)
    return report_of(predictions)


def _numbers(tensors):
    """Returns what `graph_format` says, in Python's numbers and tuples."""
    values = {name: tensor.numpy().tolist() for name, tensor in tensors.items()}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def _is_taken(name, accepted):
    if name not in LABELS_AND_ATTRIBUTES:
        return True
    count = "num_node_attributes" if name == "node_attributes" else name
    return bool(getattr(accepted, count))


def _read(items, accepted, skip_corrupt):
    """Returns a list of (name, `Graph`), and a dict from what was left out to reasons."""
    found: list[tuple[Path, Any]] = []
    skipped: dict[Path, str] = {}
    for item in map(Path, items):
        try:
            source = read_graphs(item, skip_corrupt)
            check_fields(source, accepted, with_classes=False)
        except ZooError as error:
            if not skip_corrupt:
                hint = "" if "--skip-corrupt" in str(error) else " Or pass --skip-corrupt."
                raise ZooError(f"{error}{hint}") from error
            skipped[item] = str(error)
            continue
        for number, reason in source.skipped.items():
            skipped[Path(f"{item}: graph {number}")] = reason
        several = len(source.graphs) + len(source.skipped) > 1
        for number, graph in zip(source.numbers, source.graphs, strict=True):
            found.append((Path(f"{item}: graph {number}") if several else item, graph))
    return found, skipped
