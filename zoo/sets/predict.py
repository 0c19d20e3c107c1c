"""Classify the sets of files through the endpoints of a model."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from zoo.errors import ZooError
from zoo.predictions.labels import served_class_names
from zoo.predictions.of_files import check_settings, predictions_of, print_predictions, report_of
from zoo.sets.pipeline import check_fields, read_sets


def predict_sets(
    endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=32
) -> dict[str, Any]:
    """Prints a table of sets and their best classes; see `zoo.task.Task.predict`.

    Args:
        endpoints: dict of callables with "classify_sets", "set_format" and, if the names are
            known, "class_names", see `zoo.sets.served.ServedSets`.
        items: list of str, `.npz` files of sets, see `zoo.sets.pipeline.read_sets`; labels need not
            be there.
        out: must be None: there is nothing to write.
        console: `rich.console.Console`.
        top: how many classes to name for each set.
        skip_corrupt: leave out files that cannot be used, and list them in "skipped".
        batch_size: sets scored together.

    Returns:
        dict of "predictions" and "skipped", for JSON; "file" is the file's path and the set's
        number from 1, as in "sets.npz: set 3".

    Raises:
        ZooError: if a file cannot be used, with `skip_corrupt` if none can, a setting is below 1,
            or `out` is given.
    """
    check_settings(top, batch_size)
    if out is not None:
        raise ZooError("Predictions of sets have no pictures: leave out `--out`; see `--json`.")
    told = endpoints["set_format"]()
    accepted = SimpleNamespace(
        category_sizes=tuple(told["category_sizes"].numpy().tolist()),
        num_numbers=int(told["num_numbers"]),
    )
    scored: list[tuple[Path, Any]] = []
    skipped: dict[Path, str] = {}
    for item in map(Path, items):
        try:
            fields = read_sets(item, with_labels=False).fields
            check_fields(fields, accepted, item)
        except ZooError as error:
            if not skip_corrupt:
                raise ZooError(f"{error} Or pass --skip-corrupt.") from error
            skipped[item] = str(error)
            continue
        for start in range(0, len(fields["mask"]), batch_size):
            batch = {name: values[start : start + batch_size] for name, values in fields.items()}
            scores = endpoints["classify_sets"](**batch)["scores"].numpy()
            numbers = range(start + 1, start + 1 + len(scores))
            scored += [(Path(f"{item}: set {n}"), s) for n, s in zip(numbers, scores, strict=True)]
    predictions = predictions_of(scored, skipped, served_class_names(endpoints), top)
    print_predictions(console, predictions)
    return report_of(predictions)
