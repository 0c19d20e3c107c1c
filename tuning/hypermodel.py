"""A model of the zoo as KerasTuner's `HyperModel`."""

import functools

import keras_tuner

from tuning.budget import ModelCosts
from tuning.spaces import SPACES, Proposal, check_fits, space_of
from zoo.configs import configuration
from zoo.costs import costs
from zoo.data.pipeline import data_error
from zoo.entry import Entry
from zoo.errors import ZooError
from zoo.names import nearest
from zoo.recipes.named import RECIPES
from zoo.registry import build_model, open_pipeline
from zoo.tasks import task_of
from zoo.training.distribution import get_strategy, resolve_jit_compile
from zoo.training.fit import held_out_batches, steps_per_epoch, training_batches
from zoo.training.train import compile_entry
from zoo.training.validation_share import with_validation_split

_DRAWS = 20  # by which the values that are held are checked


class PerceiverHyperModel(keras_tuner.HyperModel):
    """Builds and trains the points of a search space over a model of the zoo.

    It works with this project's `tuning.search` and with KerasTuner's own tuners. What is
    trained on and measured on is never the split "test": where the data has no split
    "validation", a share of the training data is held out.

    Args:
        name: a name from `zoo.list_models()`.
        data: what to train on, as in `zoo.build`; the configuration's own by default.
        space: a name from `tuning.SPACES`, or a function of `(hp, config, recipe)` to a
            `Proposal`; by default the space of the model's kind.
        epochs: int or None: the length of a whole training; learning rates are scheduled over
            it. None: the recipe's.
        overrides: dict of fields of the configuration that are the same in all trials.
        fixed: dict from names of hyperparameters to values that are not searched over.
        only: names of the hyperparameters to search over; all others keep their defaults.
        seed: int, of initial weights, order and augmentation.
        strategy: "auto", "one_device", "mirrored" or "tpu", see `zoo.training.distribution`.
        jit_compile: "auto", True or False, as in `keras.Model.compile`.
        validation_share: float in (0, 1), see `zoo.training.validation_share`.
        skip_corrupt: bool. Leave out files that cannot be read.

    Raises:
        ZooError: If a name or a value is wrong.

    Example:

    >>> hypermodel = PerceiverHyperModel("perceiver_digits_tiny", epochs=20)
    >>> tuner = keras_tuner.RandomSearch(hypermodel, "val_accuracy", max_trials=4)
    >>> tuner.search(epochs=20)
    """

    def __init__(
        self,
        name,
        data=None,
        space=None,
        *,
        epochs=None,
        overrides=None,
        fixed=None,
        only=None,
        seed=0,
        strategy="auto",
        jit_compile="auto",
        validation_share=0.2,
        skip_corrupt=False,
    ):
        super().__init__(name)
        config = configuration(name, **(overrides or {}))
        self.space = named_space(space, config)
        self.data = data
        self.overrides = dict(overrides or {})
        self.recipe = RECIPES[config.recipe]
        if epochs is not None:
            self.recipe = self.recipe.replace(epochs=epochs)
        self.seed = seed
        self.strategy_name = strategy
        self.jit_compile = jit_compile
        self.validation_share = validation_share
        self.skip_corrupt = skip_corrupt
        self.config = config
        self._not_searched = self._checked_values(fixed or {}, only)
        self._check_fixed(fixed or {})

    @functools.cached_property
    def data_and_config(self):
        """The pipeline, with a split "validation", and the configuration fit to its classes."""
        config, pipeline = open_pipeline(self.name, self.data, self.skip_corrupt, **self.overrides)
        return with_validation_split(pipeline, self.validation_share), config

    @functools.cached_property
    def strategy(self):
        """The `tf.distribute.Strategy` of every trial."""
        return get_strategy(self.strategy_name)

    def declare_hyperparameters(self, hp):
        """Declares the whole space, without building a model."""
        for name, value in self._not_searched.items():
            hp.Fixed(name, value)
        self.proposal(hp)

    def proposal(self, hp) -> Proposal:
        """Returns the point of the space that `hp` holds."""
        return self.space(hp, self.config, self.recipe)

    def settings(self, hp):
        """Returns the configuration and the recipe of a point.

        Raises:
            ZooError: If the space made a combination that is not valid.
        """
        proposal = self.proposal(hp)
        overrides = {**self.overrides, **proposal.overrides}
        if self.data is not None and hasattr(self.config, "num_classes"):
            overrides.setdefault("num_classes", self.data_and_config[1].num_classes)
        config = configuration(self.name, **overrides)
        return config, self.recipe.replace(**proposal.recipe)

    def costs(self, hp) -> ModelCosts:
        """Returns what a point costs, from its configuration alone."""
        config, recipe = self.settings(hp)
        predicted = costs(config, recipe.batch_size, recipe)
        weights = 4 * predicted.parameters
        return ModelCosts(
            parameters=predicted.parameters,
            multiply_adds=predicted.multiply_adds,
            training_bytes=int(weights + predicted.optimizer_state + predicted.memory.training),
        )

    def description(self, hp) -> dict:
        """Returns what a point costs and what it changes, as plain data that JSON can hold."""
        proposal = self.proposal(hp)
        return {**vars(self.costs(hp)), **vars(proposal)}

    def build(self, hp):
        """Returns the compiled `keras.Model` of a point."""
        pipeline, _ = self.data_and_config
        config, recipe = self.settings(hp)
        with self.strategy.scope():
            entry = Entry(self.name, config, build_model(config, self.name), pipeline)
            jit_compile = resolve_jit_compile(self.jit_compile, self.strategy)
            compile_entry(entry, recipe, self.strategy, jit_compile)
        return entry.model

    def fit(self, hp, model, *args, epochs=None, initial_epoch=0, **kwargs):
        """Trains a model that `build` made, and measures it on "validation" after each epoch.

        Args:
            hp: the point.
            model: `keras.Model`.
            epochs: int, the epoch to stop after; None: the whole training.
            initial_epoch: int, epochs that the weights were trained already.
            **kwargs: for `keras.Model.fit`, such as `callbacks`.

        Returns:
            `keras.callbacks.History`.

        Raises:
            keras_tuner.errors.FatalError: If a file of the data cannot be read: it would fail
                in every trial.
        """
        pipeline, _ = self.data_and_config
        config, recipe = self.settings(hp)
        entry = Entry(self.name, config, model, pipeline)
        try:
            return model.fit(
                *(args or (training_batches(entry, recipe, self.seed, initial_epoch),)),
                **{
                    "validation_data": held_out_batches(entry, recipe, "validation"),
                    "steps_per_epoch": steps_per_epoch(entry, recipe),
                    "shuffle": False,
                    "verbose": 0,
                    **kwargs,
                },
                epochs=epochs or recipe.epochs,
                initial_epoch=initial_epoch,
            )
        except Exception as error:
            named = data_error(error)
            if named is None:
                raise
            raise keras_tuner.errors.FatalError(str(named)) from error

    @property
    def headline(self) -> str:
        """Name of the task's first metric, such as "accuracy"."""
        return task_of(self.config).headline

    def _checked_values(self, fixed, only):
        """Returns the values of the hyperparameters that are not searched over."""
        hp = keras_tuner.HyperParameters()
        self.space(hp, self.config, self.recipe)
        known = {entry.name: entry.default for entry in hp.space}
        for name in (*fixed, *(only or ())):
            if name not in known:
                raise ZooError(
                    f"{name!r} is not a hyperparameter of the space {self.space.__name__!r}."
                    f"{nearest(name, known)} It has: {', '.join(known)}."
                )
        kept = known if only is None else {n: v for n, v in known.items() if n in only}
        return {**{n: v for n, v in known.items() if n not in kept}, **fixed}

    def _check_fixed(self, fixed):
        """Raises a `ZooError` if no model of the space has the values that are held.

        Only configurations are made: of the model's own other values, and of some draws.
        """
        reason = None
        for seed in range(_DRAWS if fixed else 0):
            try:
                hp = keras_tuner.HyperParameters()
                self.declare_hyperparameters(hp)
                if seed:
                    hp.values |= {e.name: e.random_sample(seed + i) for i, e in enumerate(hp.space)}
                proposal = self.proposal(hp)
                configuration(self.name, **{**self.overrides, **proposal.overrides})
                self.recipe.replace(**proposal.recipe)
                return
            except (TypeError, ValueError) as error:
                reason = reason or error
        if reason is not None:
            held = ", ".join(f"{name}={value!r}" for name, value in fixed.items())
            raise ZooError(f"The values of `--fix` must make a model. Received: {held}: {reason}")


def named_space(space, config):
    """Returns a space by its name, or the given function, or the one that fits a configuration.

    Raises:
        ZooError: If there is no space of that name, or it is for another kind of model.
    """
    if space is None:
        return space_of(config)
    if isinstance(space, str):
        if space not in SPACES:
            raise ZooError(
                f"There is no search space {space!r}.{nearest(space, SPACES)} "
                f"There are: {', '.join(SPACES)}."
            )
        space = SPACES[space]
    check_fits(space, config)
    return space
