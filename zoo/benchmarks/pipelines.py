"""How many examples a pipeline delivers in a second, beside the bare decoder of its files."""

import statistics

from rich.table import Table
from rich.text import Text

from zoo.benchmarks import measuring
from zoo.benchmarks.measuring import Contender
from zoo.benchmarks.report import show_failures
from zoo.benchmarks.worker import Prepared
from zoo.cores import num_cores
from zoo.errors import ZooError

BARE = "bare decoder"
DECODING = "decoding"
BATCHES = "batches"
KEPT = "batches, kept in memory"
WANTED = 0.8


def contenders(name, data, overrides, batch_size, num_examples, streams) -> list[Contender]:
    """Returns what is measured, the bare decoder first.

    Each runs in a process of its own and goes through as many examples of the training split in
    a step: the bare decoder through files chosen at random, the same in each step.

    Args:
        name: str, a model of the zoo.
        data: str, where its pipeline reads; None: its own.
        overrides: dict of changed fields of the configuration.
        batch_size, num_examples: ints.
        streams: bool, whether the pipeline can keep nothing, see
            `zoo.benchmarks.decoders.Decoders`.
    """
    arguments = {"name": name, "data": data, "overrides": overrides, "num_examples": num_examples}
    batches = {**arguments, "batch_size": batch_size}
    found = [
        Contender(BARE, prepare_bare, arguments, "reads and decodes files, on all cores"),
        Contender(DECODING, prepare_decoding, arguments, "what the pipeline does up to examples"),
    ]
    if streams:
        streamed = {**batches, "keep": False}
        found.append(Contender(BATCHES, prepare_batches, streamed, "as for training"))
    kept = {**batches, "keep": True}
    found.append(Contender(KEPT, prepare_batches, kept, "as for training, from the second epoch"))
    return found


def open_decoders(name, data, overrides):
    """Returns the `zoo.benchmarks.decoders.Decoders` of a model's pipeline.

    Raises:
        ZooError: if the data cannot be read, or no file is decoded for an example.
    """
    from zoo.benchmarks.decoders import decoders_of
    from zoo.registry import open_pipeline

    return decoders_of(*open_pipeline(name, data, **overrides))


def prepare_bare(name, data, overrides, num_examples):
    """Prepares a step of the bare decoder, on as many threads as there are cores."""
    decoders = open_decoders(name, data, overrides)
    return Prepared(decoders.bare(_chosen(decoders, num_examples), num_cores()), lambda: None)


def prepare_decoding(name, data, overrides, num_examples):
    """Prepares a step of what the pipeline does up to decoded examples, when first read."""
    decoders = open_decoders(name, data, overrides)
    return Prepared(decoders.own(_chosen(decoders, num_examples)), lambda: None)


def prepare_batches(name, data, overrides, num_examples, batch_size, keep):
    """Prepares a step of training batches: shuffled, augmented, preprocessed."""
    from zoo.benchmarks.decoders import keep_nothing
    from zoo.recipes.named import RECIPES
    from zoo.registry import open_pipeline

    if not keep:
        keep_nothing()
    config, pipeline = open_pipeline(name, data, **overrides)
    batches = pipeline.batches(
        "train",
        batch_size,
        training=True,
        augmentation=RECIPES[config.recipe].augmentation,
        epoch=0,
    ).take(-(-num_examples // batch_size))

    def step():
        for _ in batches:
            pass

    return Prepared(step, lambda: None)


def _chosen(decoders, num_examples):
    """Returns the numbers of files chosen at random, the same in each process."""
    import numpy as np

    return np.random.RandomState(0).permutation(decoders.num_files)[:num_examples]


def rows_of(found, num_examples):
    """Returns the rows of a report, a dict for each contender.

    Args:
        found: list of `zoo.benchmarks.measuring.Measured`, the bare decoder first.
        num_examples: int, of a step.

    Raises:
        ZooError: if nothing could be measured.
    """
    if all(one.failure is not None for one in found):
        reasons = "; ".join(f"{one.name}: {one.failure}" for one in found)
        raise ZooError(f"Nothing could be measured. {reasons}")
    bare = found[0]
    rows = []
    for one in found:
        if one.failure is not None:
            rows.append({"name": one.name, "failure": one.failure})
            continue
        row = {
            "name": one.name,
            "note": one.note,
            "examples_per_second": num_examples / one.median,
            "processor_seconds_per_example": statistics.median(one.processor_seconds)
            / num_examples,
            "peak_bytes": one.peak_bytes,
            "seconds_by_round": one.seconds,
        }
        if bare.failure is None:
            row["of_bare"] = 1 / measuring.ratio(one, bare)
            row["of_bare_by_processor"] = 1 / measuring.ratio(one, bare, "processor_seconds")
        rows.append(row)
    return rows


def show(out, title, report):
    """Prints a report as a table."""
    out.print(Text(title, style="bold"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for heading in ("examples/s", "of bare", "CPU time", "of bare"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold", style="dim")
    for row in report["contenders"]:
        if "failure" in row:
            continue
        shares = (row.get("of_bare"), row.get("of_bare_by_processor"))
        shares = ["-" if share is None else f"{share:.0%}" for share in shares]
        cpu = f"{1e3 * row['processor_seconds_per_example']:.3f} ms"
        rate = f"{row['examples_per_second']:,.0f}"
        table.add_row(Text(row["name"]), rate, shares[0], cpu, shares[1], Text(row["note"]))
    out.print(table)
    show_failures(out, report)
    hardware = report["hardware"]
    out.print(
        Text(
            f"{report['num_examples']:,} examples in a step, {report['rounds']} rounds, bare "
            f"decoder: {report['bare_decoder']}. CPU time: of an example, all threads together; "
            "its share hardly depends on other work on the machine. Wanted: decoding at "
            f"{WANTED:.0%} of bare."
        )
    )
    machine = f"{hardware['cores']} cores of {hardware['processor']}, load {hardware['load']}"
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    out.print(Text(f"{machine} at the start; {versions}"))
