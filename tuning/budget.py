"""What a model may cost at most, known before it is built."""

from dataclasses import dataclass

from zoo.errors import ZooError

_FIELDS = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds for one example or window",
    "training_bytes": "bytes of memory for a training step",
}


@dataclass(frozen=True)
class ModelCosts:
    """What a model costs, predicted from its configuration.

    Attributes:
        parameters: int, trainable parameters.
        multiply_adds: int, of a forward pass for one example (of sounds and videos: one window),
            as executed.
        training_bytes: int, peak memory of a training step with the recipe's batch, without the
            runtime itself: weights, the optimiser's state, gradients, activations.
    """

    parameters: int
    multiply_adds: int
    training_bytes: int


@dataclass(frozen=True)
class Budget:
    """Upper bounds on what a model costs; None: no bound.

    Attributes:
        parameters, multiply_adds, training_bytes: as in `ModelCosts`.

    Raises:
        ZooError: If a bound is not a number above 0.

    Example:

    >>> Budget(multiply_adds=5e6).admits(ModelCosts(280_172, 4_100_000, 30_000_000))
    True
    """

    parameters: float | None = None
    multiply_adds: float | None = None
    training_bytes: float | None = None

    def __post_init__(self):
        for name in _FIELDS:
            bound = getattr(self, name)
            if bound is not None and not bound > 0:
                raise ZooError(f"`{name}` must be a number above 0. Received: {name}={bound!r}.")

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that there are, by name."""
        return {name: getattr(self, name) for name in _FIELDS if getattr(self, name) is not None}

    def admits(self, costs: ModelCosts) -> bool:
        """Returns whether a model with these costs is within all bounds."""
        return all(getattr(costs, name) <= bound for name, bound in self.bounds.items())

    def tightest(self, sampled: list[ModelCosts]) -> str:
        """Returns in words which bound keeps out most of some models, with the least of them.

        Args:
            sampled: costs of models, at least one, none of them admitted.
        """
        excluded = {
            name: sum(getattr(costs, name) > bound for costs in sampled)
            for name, bound in self.bounds.items()
        }
        name = max(excluded, key=excluded.get)
        least = min(getattr(costs, name) for costs in sampled)
        return (
            f"at most {self.bounds[name]:,.0f} {_FIELDS[name]} keeps out {excluded[name]} of "
            f"{len(sampled)}; the least of them has {least:,}"
        )
