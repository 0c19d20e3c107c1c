"""Reconstruct clip files with a trained or converted autoencoder, or with a SavedModel."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.table import Table

from zoo.clips.codec import read_clip, write_clip
from zoo.errors import ZooError
from zoo.images.pipeline import GREY_WEIGHTS
from zoo.multimodal.pictures import clip_sheet
from zoo.predictions.labels import best_labels, served_class_names


def predict_clips(
    endpoints, items, *, out, console, top=3, skip_corrupt=False, batch_size=1
) -> dict[str, Any]:
    """Prints a table of clips, how well they were reconstructed, and their labels.

    For each clip `NAME_reconstructed.mp4`, picture and sound, and `NAME_reconstructed.png`, frames
    above reconstructed frames and waveforms, appear in `out`, each complete or not at all; see
    `zoo.task.Task.predict`. Of a clip its start counts, as long as the model reads.

    Args:
        endpoints: dict of callables with "reconstruct" and "clip_format", see
            `zoo.multimodal.served.ServedAutoencoder`.
        items: list of str, files of moving pictures with sound.
        out: folder to write to, made if it is missing; None: nothing is written.
        console: `rich.console.Console`.
        top: how many labels to report of each clip.
        skip_corrupt: leave out clips that cannot be read, are too short or mute.
        batch_size: not used; clips go one by one, they are large.

    Returns:
        dict of "clips" (dicts of "file", "label", "top" (list of labels and scores), "video_psnr"
        in dB, "audio_l1", "clip_file" and "picture_file") and "skipped", for JSON.

    Raises:
        ZooError: if a clip cannot be read, with `skip_corrupt` if none can, or `top` is below 1.
    """
    if top < 1:
        raise ZooError(f"`top` must be at least 1. Received: top={top}.")
    form = {name: value.numpy().item() for name, value in endpoints["clip_format"]().items()}
    names = served_class_names(endpoints)
    clips: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    for item in items:
        try:
            video, audio = _read(item, form)
        except ZooError as error:
            if not skip_corrupt:
                raise
            skipped.append({"file": item, "reason": str(error)})
            continue
        report = _reconstruct(endpoints["reconstruct"], video, audio, form, names, top)
        outputs = report.pop("outputs")
        clips.append({"file": item, **report, "clip_file": None, "picture_file": None})
        if out is not None:
            _write(Path(out), clips, (video, audio), outputs, form)
    if skipped and not clips:
        raise ZooError(f"None of the clips can be read. {skipped[0]['reason']}")
    _print(console, clips, skipped, out)
    return {"clips": clips, "skipped": skipped}


def _read(item, form):
    return read_clip(
        item,
        num_frames=form["num_frames"],
        frame_rate=form["frame_rate"],
        side=(form["height"], form["width"]),
        num_samples=form["num_audio_samples"] if form["sees_audio"] else None,
        sample_rate=form["sample_rate"],
    )


def _reconstruct(reconstruct, video, audio, form, names, top):
    tensors = {}
    if form["sees_video"]:
        tensors["video"] = tf.constant(video[None])
    if form["sees_audio"]:
        tensors["audio"] = tf.constant(audio[None])
    outputs = {name: value.numpy()[0] for name, value in reconstruct(**tensors).items()}
    shown = video if outputs["video"].shape[-1] == 3 else _grey(video)
    error = np.mean(np.square(shown.astype("float64") - outputs["video"]))
    best = best_labels(outputs["scores"], names, top)
    l1 = None if audio is None else float(np.mean(np.abs(audio - outputs["audio"])))
    return {
        "label": best[0]["label"],
        "top": best,
        "video_psnr": float(10.0 * np.log10(255.0**2 / max(error, 1e-5))),
        "audio_l1": l1,
        "outputs": outputs,
    }


def _grey(video):
    return np.round(video @ np.array(GREY_WEIGHTS))[..., None].astype("uint8")


def _write(folder, clips, clip, outputs, form):
    """Writes the files of the last of `clips` and says so in its report."""
    report, (video, audio) = clips[-1], clip
    stem = f"{Path(report['file']).stem}_reconstructed"
    if any(other["clip_file"] == str(folder / f"{stem}.mp4") for other in clips[:-1]):
        stem += f"_{len(clips)}"
    written = write_clip(
        folder / f"{stem}.mp4",
        outputs["video"],
        form["frame_rate"],
        outputs["audio"],
        form["sample_rate"],
    )
    if outputs["video"].shape[-1] == 1:
        video = _grey(video)
    sheet = clip_sheet(
        folder / f"{stem}.png",
        video,
        outputs["video"],
        np.zeros_like(outputs["audio"]) if audio is None else audio,
        outputs["audio"],
        form["sample_rate"],
        title=f"{Path(report['file']).name}: {report['label']}, {report['video_psnr']:.1f} dB",
    )
    report["clip_file"], report["picture_file"] = str(written), str(sheet)


def _print(console, clips, skipped, out):
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("clip", "label", "score", "video PSNR (dB)", "sound L1"):
        table.add_column(column, overflow="fold")
    for clip in clips:
        l1 = "" if clip["audio_l1"] is None else f"{clip['audio_l1']:.4f}"
        score = f"{clip['top'][0]['score']:.3f}"
        table.add_row(clip["file"], clip["label"], score, f"{clip['video_psnr']:.1f}", l1)
    console.print(table)
    for item in skipped:
        console.print(f"left out: {item['reason']}", markup=False)
    if out is not None and clips:
        console.print(f"wrote clips and pictures to {out}", markup=False)
