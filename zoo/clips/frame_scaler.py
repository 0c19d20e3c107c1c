"""From the frames of PyAV to pixels of the wanted size, by FFmpeg's own scaler."""

import numpy as np

from zoo.data.pyav import import_av

AVERAGED_BELOW = 0.5


class FrameScaler:
    """Makes upright RGB pixels of frames, at the least size that covers `side`.

    Sizes keep their ratio, but for rounding to whole pixels. Frames are turned as their file says.
    The scaler is bicubic and antialiased; frames that become less than half as large are averaged
    over areas, which takes less than half the time and differs by less than half a level of 255.

    Args:
        side: (height, width) that a frame shall cover.
        margin: float, at least 1: how much larger than that it is left.
        enlarges: bool. Frames that are smaller are made larger, instead of left as they are.

    Call arguments:
        frame: `av.VideoFrame` of any size and pixel format.

    Returns:
        uint8 (h, w, 3).
    """

    def __init__(self, side, margin=1.0, enlarges=False):
        self._side, self._margin, self._enlarges = tuple(side), margin, enlarges
        # One for all frames: a frame's own would prepare the conversion anew.
        self._reformatter = import_av().video.reformatter.VideoReformatter()

    def __call__(self, frame):
        turns = round(getattr(frame, "rotation", 0) / 90) % 4
        needed = self._side[::-1] if turns % 2 else self._side
        sides = (frame.height, frame.width)
        scale = max(need / side for need, side in zip(needed, sides, strict=True))
        scale *= self._margin
        if not self._enlarges:
            scale = min(scale, 1.0)
        rows, columns = (max(round(side * scale), 1) for side in sides)
        # Threads would wait for one another: files are read in parallel already.
        reformatted = self._reformatter.reformat(
            frame,
            columns,
            rows,
            format="rgb24",
            interpolation="AREA" if scale < AVERAGED_BELOW else "BICUBIC",
            threads=1,
        )
        pixels = reformatted.to_ndarray()
        return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
