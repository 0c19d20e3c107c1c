"""An opened checkpoint: whose it is, and its tensors by name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perceiver_tf.checkpoints.names import Names


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a published model; none is read yet, or all of them are, as the file has it.

    Attributes:
        source: str, what the user called it.
        format: "huggingface" or "deepmind".
        head: one of `heads.HEADS`.
        names: `Names` of that format and head.
        shapes: dict from the tensors' names to their shapes.
        read: function from a tensor's name to its numpy array.
        config: dict, the contents of config.json, empty for DeepMind's.
    """

    source: str
    format: str
    head: str
    names: Names
    shapes: dict[str, tuple[int, ...]]
    read: Callable
    config: dict[str, Any] = field(default_factory=dict)
