"""What a trained model of optical flow gets wrong on whole held-out frames, as it is served.

    python benchmarks/served_optical_flow.py RUN [--set mirrored_views=true] [--data flyingchairs12]

The mean end-point error in pixels of the frames, pair by pair, beside that of predicting zero: what
`perceiver-zoo evaluate` cannot say, which looks at the middle of each pair in the model's pixels.
"""

import argparse

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import zoo
from zoo.commands.settings import parse_settings
from zoo.errors import ZooError
from zoo.optical_flow.pairs import load_pairs, open_pairs
from zoo.serving.trained_runs import load_run


def errors(flow_of, pairs):
    """Return for each pair (error of predicting zero, error of the model)."""
    results = []
    for frames, flow in track(
        list(zip(*load_pairs(pairs), strict=True)), "pairs", console=Console(stderr=True)
    ):
        found = flow_of(first=frames[:1], second=frames[1:])["flow"][0].numpy()
        results.append([np.linalg.norm(x, axis=-1).mean() for x in (flow, found - flow)])
    return np.array(results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN", help="a run folder of an optical-flow model")
    parser.add_argument("--data", help="a folder of pairs (default: that of the run)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="settings")
    args = parser.parse_args()
    try:
        changes = parse_settings("--set", args.settings)
        entry, config = load_run(args.run, changes=changes, with_data=False)
        endpoints = zoo.endpoints_of(entry)
        if "flow" not in endpoints:
            raise ZooError(f"The run must be of optical flow. Received: {args.run}.")
        pairs = open_pairs(args.data or config["data"])["test"]
        results = errors(endpoints["flow"], pairs)
    except ZooError as error:
        parser.error(str(error))

    table = Table(title="end-point error in pixels of the frames")
    for column in ("pair", "predicting zero", "model", "ratio"):
        table.add_column(column, justify="right")
    rows = [(pair.name, *result) for pair, result in zip(pairs, results, strict=True)]
    for name, zero, found in [*rows, ("all", *results.mean(axis=0))]:
        table.add_row(name, f"{zero:.2f}", f"{found:.2f}", f"{found / zero:.3f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
