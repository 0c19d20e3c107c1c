"""What a method without learning reaches on the held-out pairs of an optical-flow model.

    pip install -e ".[benchmark]"
    python benchmarks/classical_optical_flow.py --data flyingchairs12 [--downscales 16 8 4]

For each scale, the mean end-point error, in pixels of that scale, of predicting zero and of TV-L1
(Zach, Pock and Bischof 2007, by scikit-image with its default arguments, of grey frames) on whole
frames: the pipeline's validation warps, and the held-out pairs one by one.
"""

import argparse
import dataclasses

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from skimage.registration import optical_flow_tvl1

from zoo.errors import ZooError
from zoo.optical_flow.configs import FLOW_MODELS
from zoo.optical_flow.pairs import open_pairs
from zoo.optical_flow.pipeline import flow_pipeline

TINY = FLOW_MODELS["perceiver_io_flow_tiny"]


def tvl1(pair):
    """Return the flow (height, width, 2) of frames (2, height, width, 3) in [-1, 1]."""
    down, right = optical_flow_tvl1(*(pair.mean(axis=-1) / 2 + 0.5))
    return np.stack([right, down], axis=-1)


def whole_frames(data, downscale):
    """Return the tiny model's pipeline at another scale, of whole frames."""
    height, width = open_pairs(data)["test"][0].size
    config = dataclasses.replace(
        TINY,
        downscale=downscale,
        frame_shape=(height // downscale, width // downscale),
        max_motion=TINY.max_motion * TINY.downscale / downscale,
    )
    return flow_pipeline(config, data)


def errors(pipeline, split):
    """Return for each example (error of predicting zero, error of TV-L1)."""
    results = []
    for pairs, flows in pipeline.batches(split, 16):
        for pair, flow in zip(pairs.numpy(), flows.numpy(), strict=True):
            distances = (np.linalg.norm(x, axis=-1).mean() for x in (flow, tvl1(pair) - flow))
            results.append(tuple(distances))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a folder of pairs, as of `perceiver-zoo`")
    parser.add_argument("--downscales", type=int, nargs="+", default=[16, 8, 4])
    args = parser.parse_args()
    try:
        open_pairs(args.data)
    except ZooError as error:
        parser.error(str(error))

    table = Table(title="end-point error in pixels of the scale")
    for column in ("downscale", "examples", "predicting zero", "TV-L1", "ratio"):
        table.add_column(column, justify="right")
    for downscale in track(args.downscales, "scales", console=Console(stderr=True)):
        pipeline = whole_frames(args.data, downscale)
        groups = {"warps": errors(pipeline, "validation"), "pairs": errors(pipeline, "test")}
        groups |= {f"pair {n}": [pair] for n, pair in enumerate(groups["pairs"], start=1)}
        for name, results in groups.items():
            zero, found = np.mean(results, axis=0)
            row = (f"{zero:.3f}", f"{found:.3f}", f"{found / zero:.2f}")
            table.add_row(str(downscale), name, *row)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
