"""From the path of a Keras variable to the name of its tensor in a checkpoint."""

import re
from dataclasses import dataclass, field

from perceiver_tf.checkpoints.errors import CheckpointError
from perceiver_tf.checkpoints.layouts import Layout

_SELF_ATTEND = re.compile(r"latent_transformer/self_attend_(\d+)/(.+)")
_CROSS_ATTEND = re.compile(r"(cross_attend|decoder/cross_attend|decoder)/(.+)")


@dataclass(frozen=True)
class Names:
    """How one format names the tensors of one head.

    Attributes:
        separator: between the names of modules, and of a module and its tensor.
        cross_attend, decoder: modules of these blocks.
        self_attend: function from the number of a self-attend to its module.
        cross_attend_parts, self_attend_parts: dict from a layer in a block to its module there.
        layers: dict from any other layer to its module.
        leaves: dict from what a layer calls a variable to (name, `Layout`).
        variables: dict from the whole path of a variable to (whole name, `Layout`); goes first.
        unread: names of tensors that have no meaning for a Keras model, such as the number of
            batches that a batch normalisation has seen. They may be there or not.
    """

    separator: str
    cross_attend: str
    decoder: str
    self_attend: callable
    cross_attend_parts: dict[str, str]
    self_attend_parts: dict[str, str]
    leaves: dict[str, tuple[str, Layout]]
    layers: dict[str, str] = field(default_factory=dict)
    variables: dict[str, tuple[str, Layout]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    def stored(self, path):
        """Return the (name, layout) that the variable at a path has in the checkpoint.

        Raises:
            CheckpointError: if the format has no such tensor.
        """
        if path in self.variables:
            return self.variables[path]
        layer, _, leaf = path.rpartition("/")
        module = self._module(layer)
        if module is None or leaf not in self.leaves:
            raise CheckpointError(
                "The model must consist of layers that the checkpoint's format knows. "
                f"Received: a variable {path!r}."
            )
        name, layout = self.leaves[leaf]
        return f"{module}{self.separator}{name}", layout

    def _module(self, layer):
        if layer in self.layers:
            return self.layers[layer]
        parts, found = self.self_attend_parts, _SELF_ATTEND.fullmatch(layer)
        if found:
            block = self.self_attend(int(found[1]))
        else:
            parts, found = self.cross_attend_parts, _CROSS_ATTEND.fullmatch(layer)
            block = found and (self.cross_attend if found[1] == "cross_attend" else self.decoder)
        if not found or found[2] not in parts:
            return None
        return f"{block}{self.separator}{parts[found[2]]}"
