"""Pictures of clips: frames above their reconstruction, and both waveforms."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zoo.atomic_files import replaced_atomically

_ORIGINAL, _RECONSTRUCTED = "#888888", "#cc0000"


def clip_sheet(
    path, video, reconstructed, audio, reconstructed_audio, sample_rate, title="", columns=8
):
    """Saves a PNG of a clip's frames above the reconstructed ones, and of the sound.

    Args:
        path: file to write; it appears complete or not at all.
        video, reconstructed: uint8 (num_frames, height, width, 1 or 3), of equal size.
        audio, reconstructed_audio: float32 (num_samples,) in [-1, 1].
        sample_rate: samples of a second.
        title: line above the frames.
        columns: how many frames are shown, evenly chosen.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ZooError: if the disk is full.
    """
    chosen = np.unique(np.linspace(0, len(video) - 1, columns).round().astype(int))
    figure = Figure(figsize=(1.4 * len(chosen), 5.2), layout="constrained")
    figure.suptitle(title, parse_math=False)
    grid = figure.add_gridspec(4, len(chosen), height_ratios=(1.4, 1.4, 1, 1))
    for row, (frames, name) in enumerate(((video, "clip"), (reconstructed, "reconstructed"))):
        for column, index in enumerate(chosen):
            axis = figure.add_subplot(grid[row, column])
            _draw_frame(axis, frames[index])
            if column == 0:
                axis.set_ylabel(name)
            if row == 0:
                axis.set_title(f"frame {index}", fontsize=8)
    seconds = np.arange(len(audio)) / sample_rate
    largest = max(np.abs(audio).max(), np.abs(reconstructed_audio).max(), 1e-3)
    for row, (samples, name, colour) in enumerate(
        ((audio, "sound", _ORIGINAL), (reconstructed_audio, "reconstructed", _RECONSTRUCTED))
    ):
        axis = figure.add_subplot(grid[2 + row, :])
        axis.plot(seconds, samples, color=colour, linewidth=0.6)
        axis.set(ylabel=name, xlim=(0, seconds[-1]), ylim=(-largest, largest))
        axis.tick_params(labelbottom=row == 1)
    axis.set_xlabel("seconds")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_atomically(path) as partial:
        FigureCanvasAgg(figure).print_png(str(partial))
    return path


def _draw_frame(axis, frame):
    grey = frame.shape[-1] == 1
    axis.imshow(frame[..., 0] if grey else frame, cmap="gray" if grey else None, vmin=0, vmax=255)
    axis.set(xticks=[], yticks=[])
