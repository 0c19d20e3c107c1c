"""Parts of a data set for cross-validation."""

import numpy as np
from sklearn.model_selection import StratifiedKFold

from zoo.errors import ZooError


def fold_rows(labels, num_folds, fold, seed):
    """Returns the numbers of the examples to train on and of those to test on.

    Every example is in the test part of one fold; the classes have about the same shares in all
    folds.

    Args:
        labels: integers (n,), the class of each example.
        num_folds: int, at least 2.
        fold: int from 0 to `num_folds` - 1.
        seed: int; another seed is another division.

    Returns:
        two int64 numpy arrays, ascending.

    Raises:
        ZooError: if a class has fewer examples than there are folds.
    """
    labels = np.asarray(labels)
    counts = np.bincount(labels)
    fewest = counts[counts > 0].min()
    if fewest < num_folds:
        raise ZooError(
            "Each class must have an example for each fold. "
            f"Received: num_folds={num_folds} and a class of {fewest} examples."
        )
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    return list(folds.split(np.zeros(len(labels)), labels))[fold]
