"""The named classifiers of graphs: one row each, with its source and pinned parameters.

This module loads neither Keras nor TensorFlow, so that listing the models is instant.
"""

from dataclasses import dataclass, field

from perceiver_tf.models.configs import PerceiverConfig
from zoo.config_checks import is_count, require
from zoo.numerics import check_numerics


@dataclass(frozen=True)
class GraphClassifierConfig:
    """A classifier of graphs: what it reads, how it is built, what it is trained on.

    A graph is a set of nodes and edges, see `zoo.graphs.preprocess`.

    Attributes:
        summary: one line for the list of models.
        source: paper and table, or why the configuration was chosen.
        parameters: number of trainable parameters as configured here.
        architecture: `PerceiverConfig`.
        node_labels: the labels that nodes may have, different integers; () if they have none.
        edge_labels: those of edges.
        num_node_attributes: numbers of each node.
        num_classes: width of the logits.
        num_positions: eigenvectors of the Laplacian that give the nodes positions.
        num_walks: lengths of random walks whose chance to end where they began is told of each
            node: 2, 3, ... `num_walks` + 1 steps; 0: none.
        label_counts: whether every token says how many nodes of each label the graph has.
        num_degree_counts: and how many nodes of 1, 2, ... so many neighbours; 0: none.
        max_nodes, max_edges: of larger graphs so many nodes and edges are read, evenly spaced
            ones. What each says of its surroundings is of the whole graph.
        token_channels: width of the byte array's rows.
        hidden_channels: width of a hidden layer before them; 0: none.
        random_signs: whether training turns the sign of each eigenvector at random.
        num_folds: into how many parts the data is divided for cross-validation.
        fold: from 0, which part is the test split.
        fold_seed: what the division depends on.
        dataset: where the pipeline reads by default, see `zoo.graphs.files`.
        recipe: name of the default training recipe.
        numerics: whose gelu the model computes, see `zoo.numerics`.
    """

    summary: str
    source: str
    parameters: int
    architecture: PerceiverConfig = field(default_factory=PerceiverConfig)
    node_labels: tuple[int, ...] = ()
    edge_labels: tuple[int, ...] = ()
    num_node_attributes: int = 0
    num_classes: int = 2
    num_positions: int = 8
    num_walks: int = 0
    label_counts: bool = False
    num_degree_counts: int = 0
    max_nodes: int = 64
    max_edges: int = 128
    token_channels: int = 64
    hidden_channels: int = 0
    random_signs: bool = True
    num_folds: int = 10
    fold: int = 0
    fold_seed: int = 0
    dataset: str = "graphs/"
    recipe: str = "mutag"
    numerics: str = "deepmind"

    def __post_init__(self):
        check_numerics(self.numerics)
        for name in ("num_classes", "max_nodes", "max_edges", "token_channels"):
            require(self, name, "an integer of at least 1", is_count(getattr(self, name), 1))
        for name in (
            *("num_node_attributes", "num_positions", "num_walks", "num_degree_counts"),
            *("hidden_channels", "fold", "fold_seed"),
        ):
            require(self, name, "an integer of at least 0", is_count(getattr(self, name), 0))
        for name in ("node_labels", "edge_labels"):
            require(self, name, "a tuple of different integers", _are_labels(getattr(self, name)))
        for name in ("label_counts", "random_signs"):
            require(self, name, "True or False", isinstance(getattr(self, name), bool))
        require(self, "num_folds", "an integer of at least 2", is_count(self.num_folds, 2))
        require(self, "fold", f"less than num_folds={self.num_folds}", self.fold < self.num_folds)

    @property
    def reads(self):
        """What an example is, for the list of models."""
        return f"graphs of {self.max_nodes} nodes, {self.max_edges} edges"


def _are_labels(values):
    return (
        isinstance(values, tuple)
        and all(type(value) is int for value in values)
        and len(set(values)) == len(values)
    )


def _small(num_latents):
    return PerceiverConfig(
        num_latents=num_latents,
        latent_channels=64,
        num_cross_attends=1,
        num_cross_attention_heads=4,
        cross_attention_qk_channels=64,
        cross_attention_v_channels=64,
        num_self_attends_per_block=1,
        num_self_attention_heads=4,
        dropout=0.2,
    )


GRAPH_MODELS = {
    "perceiver_mutag_small": GraphClassifierConfig(
        summary="Molecules as sets of atoms and bonds, trains in seconds",
        source="sized for MUTAG, 188 molecules",
        parameters=64_130,
        architecture=_small(8),
        node_labels=(0, 1, 2, 3, 4, 5, 6),
        edge_labels=(0, 1, 2, 3),
        num_positions=4,
        num_walks=6,
        label_counts=True,
        num_degree_counts=4,
        max_nodes=28,
        max_edges=33,
        hidden_channels=64,
        dataset="MUTAG/",
        recipe="mutag",
    ),
    "perceiver_proteins_small": GraphClassifierConfig(
        summary="Proteins as sets of secondary structures and who is near whom",
        source="sized for PROTEINS, 1,113 proteins, of which 9 % are read in part",
        parameters=53_954,
        architecture=_small(16),
        node_labels=(0, 1, 2),
        num_node_attributes=1,
        num_positions=4,
        num_walks=6,
        max_nodes=96,
        max_edges=160,
        dataset="PROTEINS/",
        recipe="proteins",
    ),
}
