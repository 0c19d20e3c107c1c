"""How a byte array of several modalities is read in one softmax, from static shapes alone.

Like `reading`, it does not import Keras.
"""

import dataclasses
from dataclasses import dataclass

from perceiver_tf.layers.reading import Reading, Rows


@dataclass(frozen=True)
class JointReading:
    """Attention of queries to several modalities, each in a form of its own.

    It stands where a `Reading` may. Queries are folded once for all modalities. Dense are all of
    them or none, and then only to count what that would cost (`costs.densely`).

    Attributes:
        rows: `Rows` of all together, see `joint_rows`.
        parts: tuple of `Reading`, one for each modality.
    """

    rows: Rows
    parts: tuple[Reading, ...]

    decodes = False
    reads_queries_by_axis = False
    streams_queries = False

    @property
    def num_queries(self):
        """How many queries read."""
        return self.parts[0].num_queries

    @property
    def queries_at_once(self):
        """How many queries are computed at once."""
        return self.num_queries

    @property
    def num_heads(self):
        """Heads of the attention."""
        return self.parts[0].num_heads

    @property
    def qk_channels(self):
        """Width of the queries, all heads together."""
        return self.parts[0].qk_channels

    @property
    def v_channels(self):
        """Width of the values, all heads together."""
        return self.parts[0].v_channels

    @property
    def chosen(self):
        """The implementations of the modalities, in words."""
        forms = [part.chosen for part in self.parts]
        return forms[0] if len(set(forms)) == 1 else " and ".join(forms)

    @property
    def multiply_adds(self):
        """Multiply-adds for one example, see `Reading.multiply_adds`."""
        folding = 0 if self.chosen == "dense" else self.parts[0].folding
        return sum(part.multiply_adds for part in self.parts) - (len(self.parts) - 1) * folding

    def changed(self, **settings):
        """Return the same reading with fields of the parts replaced."""
        return dataclasses.replace(
            self, parts=tuple(part.changed(**settings) for part in self.parts)
        )


def joint_rows(rows):
    """Return the `Rows` of a byte array as one: those of several modalities are no grid."""
    if isinstance(rows, Rows):
        return rows
    return Rows((sum(one.length for one in rows),), rows[0].channels)


def joint_reading(rows, **settings):
    """Return the `Reading` of all modalities as one where it is dense, or else a `JointReading`.

    Args:
        rows: tuple of `Rows`, one for each modality.
        **settings: other fields of `Reading`.
    """
    parts = [Reading(rows=one, **settings) for one in rows]
    forms = [part.implementation for part in parts]
    if "auto" in forms:
        forms = chosen_together(parts)
    whole = joint_rows(rows)
    if "dense" in forms:
        return Reading(rows=whole, **settings).changed(implementation="dense")
    pairs = zip(parts, forms, strict=True)
    return JointReading(whole, tuple(part.changed(implementation=form) for part, form in pairs))


def chosen_together(readings):
    """Return the implementation of each of several readings that share one softmax.

    Args:
        readings: list of `Reading`, one for each modality.

    Returns:
        list of "folded" and "separable", or of nothing but "dense".
    """
    costs = [reading.costs for reading in readings]
    dense = sum(cost.pop("dense") for cost in costs)
    if dense <= sum(min(cost.values()) for cost in costs):
        return ["dense"] * len(readings)
    return [min(cost, key=cost.get) for cost in costs]
