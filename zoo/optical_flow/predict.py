"""Predict the optical flow of frames in files."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.table import Table
from rich.text import Text

from zoo.data.pipeline import NO_IMAGE
from zoo.errors import ZooError
from zoo.optical_flow.files import decode_frame, write_flo
from zoo.optical_flow.pictures import write_flow_picture


def predict_flow(
    endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=1
) -> dict[str, Any]:
    """Prints a table of the motion from each frame to the next, and writes it to files.

    For each pair `FIRST_to_SECOND.flo` (Middlebury's format) and `FIRST_to_SECOND.png` (the colour
    wheel) appear in `out`, each complete or not at all; see `zoo.task.Task.predict`.

    Args:
        endpoints: dict of callables with "flow", see `zoo.optical_flow.served.ServedFlow`.
        items: list of str, image files of one size, in the order of time: two or more.
        out: folder to write to, made if it is missing; None: nothing is written.
        console: `rich.console.Console`.
        top, batch_size: not used; pairs go one by one, they may be large.
        skip_corrupt: leave out frames that cannot be read.

    Returns:
        dict of "pairs" (dicts of "first", "second", "height", "width", "mean_motion",
        "max_motion" in pixels, "flow_file", "picture_file") and "skipped", for JSON.

    Raises:
        ZooError: if there are fewer than two frames, one cannot be read, two frames that follow
            one another differ in size, or the disk is full.
    """
    if len(items) < 2:
        raise ZooError(
            f"Optical flow needs at least two frames. Received: {', '.join(items) or 'none'}."
        )
    skipped: list[dict[str, str]] = []
    files = _readable(items, skip_corrupt, skipped)
    pairs: list[dict[str, Any]] = []
    for first, second in zip(files[:-1], files[1:], strict=True):
        frames = [_read(path) for path in (first, second)]
        _check_sizes((first, second), frames)
        flow = endpoints["flow"](first=frames[0][None], second=frames[1][None])["flow"].numpy()[0]
        pairs.append(_pair_report(first, second, flow))
        if out is not None:
            _write(Path(out), len(pairs), pairs[-1], {pair["flow_file"] for pair in pairs}, flow)
    _print(console, pairs, skipped, out)
    return {"pairs": pairs, "skipped": skipped}


def _readable(items, skip_corrupt, skipped):
    """Returns the paths of the frames that can be read."""
    files = []
    for path in map(Path, items):
        try:
            _read(path)
            files.append(path)
        except ZooError as error:
            if not skip_corrupt:
                raise
            skipped.append({"file": str(path), "reason": str(error)})
    if len(files) < 2:
        raise ZooError(f"Fewer than two frames can be read. {skipped[0]['reason']}")
    return files


def _read(path: Path) -> tf.Tensor:
    """Returns the frame of a file, uint8 (height, width, 3)."""
    try:
        return decode_frame(tf.constant(path.expanduser().read_bytes()))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    except (tf.errors.OpError, ValueError):
        reason = f"not a readable image: {NO_IMAGE}, and no binary PPM"
    raise ZooError(f"{path}: {reason}. Pass --skip-corrupt to leave out such frames.")


def _check_sizes(paths, frames) -> None:
    sizes = [tuple(frame.shape[:2]) for frame in frames]
    if sizes[0] != sizes[1]:
        described = ", ".join(
            f"{path} of {width} x {height}"
            for path, (height, width) in zip(paths, sizes, strict=True)
        )
        raise ZooError(f"Both frames of a pair must have the same size. Received: {described}.")


def _pair_report(first: Path, second: Path, flow: np.ndarray) -> dict[str, Any]:
    motion = np.hypot(flow[..., 0], flow[..., 1])
    return {
        "first": str(first),
        "second": str(second),
        "height": flow.shape[0],
        "width": flow.shape[1],
        "mean_motion": float(motion.mean()),
        "max_motion": float(motion.max()),
        "flow_file": None,
        "picture_file": None,
    }


def _write(out: Path, number: int, report: dict[str, Any], taken: set, flow: np.ndarray) -> None:
    """Writes the files of a pair, and their names into its report."""
    name = f"{Path(report['first']).stem}_to_{Path(report['second']).stem}"
    if str(out / f"{name}.flo") in taken:
        name = f"{name}_{number}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        report["flow_file"] = str(write_flo(out / f"{name}.flo", flow))
        report["picture_file"] = str(write_flow_picture(out / f"{name}.png", flow))
    except OSError as error:
        raise ZooError(f"Cannot write to the folder {out}: {error.strerror}.") from error


def _print(console, pairs, skipped, out) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("first", "second"):
        table.add_column(column, overflow="fold")
    table.add_column("mean motion", justify="right")
    table.add_column("largest", justify="right")
    if out is not None:
        table.add_column("written", overflow="fold")
    for pair in pairs:
        cells = [pair["first"], pair["second"]]
        cells += [f"{pair['mean_motion']:.2f} px", f"{pair['max_motion']:.2f} px"]
        if out is not None:
            cells.append(f"{Path(pair['flow_file']).stem}.{{flo,png}}")
        table.add_row(*map(Text, cells))
    console.print(table)
    if out is None:
        console.print("Nothing was written: --out FOLDER writes .flo files and pictures.")
    else:
        console.print(Text(f"Wrote {len(pairs)} .flo files and pictures to {out}"))
    for item in skipped:
        console.print(Text(f"Left out: {item['reason']}"))
