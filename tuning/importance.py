"""How much each hyperparameter of a search mattered."""

import numpy as np

LEAST_TRIALS = 8


def importance(trials) -> dict[str, float]:
    """Returns the permutation importance of each hyperparameter that varied, the largest first.

    A random forest of scikit-learn learns the score from the values; a hyperparameter matters as
    much as the forest's explained variance drops when its values are shuffled among the trials.
    It says what made the difference among these trials, not what would elsewhere.

    Args:
        trials: list of completed `SearchTrial`.

    Returns:
        dict from names to floats; empty with fewer than 8 trials or nothing that varied.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    names = varied(trials)
    if len(trials) < LEAST_TRIALS or not names:
        return {}
    inputs = np.array([[coded(trials, name)[i] for name in names] for i in range(len(trials))])
    scores = np.array([trial.score for trial in trials])
    forest = RandomForestRegressor(n_estimators=200, random_state=0).fit(inputs, scores)
    drops = permutation_importance(forest, inputs, scores, n_repeats=20, random_state=0)
    order = np.argsort(-drops.importances_mean)
    return {names[i]: float(drops.importances_mean[i]) for i in order}


def varied(trials) -> list[str]:
    """Returns the names of the hyperparameters that have more than one value, in their order."""
    names = dict.fromkeys(name for trial in trials for name in trial.hyperparameters)
    return [name for name in names if len({repr(t.values.get(name)) for t in trials}) > 1]


def coded(trials, name) -> list[float]:
    """Returns a hyperparameter of each trial as a number: its value, or the place of its name."""
    values = [trial.values.get(name) for trial in trials]
    if all(isinstance(value, int | float) for value in values):
        return [float(value) for value in values]
    places = {value: float(i) for i, value in enumerate(sorted(set(map(str, values))))}
    return [places[str(value)] for value in values]
