"""How many examples are predicted at once where a model is evaluated."""

from zoo.costs import costs
from zoo.recipes.recipe import Recipe

_MOST = 256
_UNNOTICED = 2**30  # bytes


def evaluation_batch(config, recipe: Recipe) -> int:
    """Returns the batch size of held-out examples, up to 256.

    It is halved until their forward pass is predicted to take no more memory than a training step,
    or 1 GiB if that is more: models may average over several views or windows of each example,
    which they do not in training.

    Args:
        config: of a model of the zoo.
        recipe: how it is trained.
    """
    windows = getattr(config, "num_windows", 1)
    limit = max(costs(config, recipe.batch_size, recipe).memory.training, _UNNOTICED)
    batch_size = _MOST
    while batch_size > 1 and _forward(config, batch_size * windows, recipe) > limit:
        batch_size //= 2
    return batch_size


def _forward(config, num_examples, recipe):
    return costs(config, num_examples, recipe).memory.forward
