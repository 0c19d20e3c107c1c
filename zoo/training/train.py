"""Trains a model of the zoo on its data, and evaluates it."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
from rich.console import Console

from zoo import registry
from zoo.errors import ZooError
from zoo.recipes.named import RECIPES
from zoo.recipes.optimizers import build_optimizer
from zoo.recipes.recipe import Recipe
from zoo.records.run_folder import RunFolder
from zoo.tasks import task_of
from zoo.training.callbacks import EvaluationDisplay
from zoo.training.distribution import (
    check_batch_size,
    even_batch_size,
    get_strategy,
    resolve_jit_compile,
)
from zoo.training.evaluation_batch import evaluation_batch
from zoo.training.fit import (
    data_errors_named,
    fit,
    held_out_split,
    steps_per_epoch,
)
from zoo.training.mid_epoch import CHECKPOINT_MINUTES
from zoo.training.run_settings import new_settings, resumed_settings, run_config
from zoo.training.xla import decodes_in_blocks


@dataclass(frozen=True)
class RunResult:
    """What came out of a training run.

    Attributes:
        name: name of the model.
        path: the run folder.
        history: dict of lists with one value per epoch: "loss", the task's metrics (such as
            "accuracy"), "learning_rate" (at the epoch's first step), "seconds" and, if the data
            has a split to validate on, "val_loss" and so on. The losses include the label
            smoothing.
        epochs: int, epochs trained, those before a `resume` included.
        train_seconds: float, wall time of all epochs, validation included.
        parameters: int, trainable and other parameters of the model.
        test_split: the split of the figures below: "test", else "validation", else None.
        headline: name of the task's first metric, such as "accuracy".
        test_figures: dict of floats, the loss (without label smoothing) and the metrics of the
            last weights; empty without such a split.
        num_test_examples: int.
        skipped: tuple of str, what was left out of the data as it cannot be read (`skip_corrupt`).
    """

    name: str
    path: Path
    history: dict
    epochs: int
    train_seconds: float
    parameters: int
    test_split: str | None
    headline: str
    test_figures: dict[str, float]
    num_test_examples: int
    skipped: tuple[str, ...]


def train(
    name: str,
    *,
    data: str | None = None,
    weights: str | Path | None = None,
    out: str | Path | None = None,
    overrides: dict | None = None,
    seed: int | None = None,
    strategy: str = "auto",
    resume: bool = False,
    skip_corrupt: bool = False,
    precision: str | None = None,
    jit_compile: bool | str = "auto",
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    console: Console | None = None,
    on_begin: Callable[[], None] | None = None,
    **recipe_settings,
) -> RunResult:
    """Trains a model by its recipe and leaves a run folder behind.

    The weights kept are those of the last epoch: nothing is selected on the held-out split,
    which is "validation" if the data has one, else "test". Given the same settings, data,
    device and versions, a run is reproducible, and a run that was interrupted and resumed ends
    with the same weights as one that was not.

    Args:
        name: a name from `zoo.list_models()`.
        data: what to train on, as in `zoo.build`; the configuration's own by default.
        weights: what to start from, as in `zoo.build`; random weights by default. Published
            weights get a new layer of classes where the data has another number of them.
        out: the run folder, which must not exist unless `resume`; "runs/NAME" by default.
        overrides: fields of the model's configuration to change.
        seed: int, of the initial weights, the order and the augmentation; 0 by default.
        strategy: "auto", "one_device", "mirrored" or "tpu", see `zoo.training.distribution`.
        resume: bool. Continue the run in `out` after its last checkpoint. Settings that
            are not given are those of the run; one that is given and differs is an error.
        skip_corrupt: bool. Leave out images that cannot be read instead of stopping.
        precision: "float32" (default) or "mixed_bfloat16", which computes in bfloat16 and
            keeps the weights in float32.
        jit_compile: "auto", True or False, as in `keras.Model.compile`.
        checkpoint_minutes: float, at least 0. There is a checkpoint after each epoch, and so
            often inside of one; 0: after each step. A checkpoint holds the weights, the
            optimiser, the averages of weights, the position in the data and the metrics so far.
        console: where the progress goes; standard output by default.
        on_begin: called once settings and data were found to be right and the run folder is there.
        **recipe_settings: fields of `zoo.recipes.recipe.Recipe` to change, such as `epochs=3`.

    Returns:
        A `RunResult`.

    Raises:
        ZooError: If a setting is wrong, the data cannot be read, the run folder exists (or,
            with `resume`, does not), the disk is full, or the loss becomes NaN or infinite.
            What was written before stays.
        TrainingInterrupted: After Ctrl-C or SIGTERM. All steps are kept, the running one
            included; a second Ctrl-C stops at once and keeps what was written before.
    """
    if not 0 <= checkpoint_minutes < math.inf:
        raise ZooError(
            "`checkpoint_minutes` must be a number of at least 0. "
            f"Received: checkpoint_minutes={checkpoint_minutes}."
        )
    path = Path(out) if out is not None else Path("runs") / name
    given = {
        "data": data,
        "weights": None if weights is None else str(weights),
        "overrides": overrides,
        "seed": seed,
        "precision": precision,
        "skip_corrupt": skip_corrupt or None,
    }
    if resume:
        folder = RunFolder.open(path)
        settings = resumed_settings(folder, name, given, recipe_settings)
    else:
        RunFolder.check_absent(path)
        settings = new_settings(name, given, recipe_settings)
    strategy = get_strategy(strategy)
    entry = _build_compiled(settings, strategy, resolve_jit_compile(jit_compile, strategy), resume)
    if not resume:
        folder = RunFolder.create(path, run_config(settings, entry))
    if on_begin is not None:
        on_begin()
    console = console or Console()
    history = fit(entry, settings, folder, console, checkpoint_minutes)
    return _result(entry, settings, folder, history, console)


def evaluate(
    entry,
    split: str = "test",
    batch_size: int | None = None,
    recipe: Recipe | None = None,
    console: Console | None = None,
) -> dict:
    """Measures a model on a split of its pipeline's data.

    Args:
        entry: `zoo.entry.Entry`.
        split: one of `entry.pipeline.splits`.
        batch_size: int > 0; it does not change the figures. None: see `evaluation_batch`.
        recipe: how the model was trained; None: the configuration's. It decides the batch size.
        console: where a bar shows the progress, on a terminal only; nothing is shown without one.

    Returns:
        dict of "loss" (float, without label smoothing), the task's metrics (such as "accuracy",
        float in [0, 1]) and "num_examples" (int); where the task has conditions, such as a stream
        that is missing, its first metric under each, such as "accuracy_without_audio".

    Raises:
        ZooError: If the data has no such split, or cannot be read.
    """
    splits = entry.pipeline.splits
    if split not in splits:
        raise ZooError(f"`split` must be one of {', '.join(splits)}. Received: split={split!r}.")
    model, task = entry.model, task_of(entry.config)
    with model.distribute_strategy.scope():
        evaluator = keras.Model(model.input, model.output)
        unsmoothed = RECIPES[entry.config.recipe].replace(label_smoothing=0.0)
        evaluator.compile(**task.compiled(entry.config, unsmoothed), jit_compile=False)
    num_examples = entry.pipeline.num_examples(split)
    if batch_size is None:
        batch_size = evaluation_batch(entry.config, recipe or RECIPES[entry.config.recipe])
    batch_size = even_batch_size(batch_size, num_examples, model.distribute_strategy)
    batches = entry.pipeline.batches(split, batch_size)
    conditions = task.conditions(entry.config)
    steps = math.ceil(num_examples / batch_size)
    display = EvaluationDisplay(console, steps, 1 + len(conditions))
    try:
        with data_errors_named():
            figures = _figures(evaluator, batches, display)
            for condition, changed in conditions.items():
                changed_batches = batches.map(lambda x, *rest, change=changed: (change(x), *rest))
                logs = _figures(evaluator, changed_batches, display)
                figures[f"{task.headline}_{condition}"] = logs[task.headline]
    finally:
        display.stop()
    return {**{name: float(value) for name, value in figures.items()}, "num_examples": num_examples}


def _figures(evaluator, batches, display):
    return evaluator.evaluate(batches, verbose=0, return_dict=True, callbacks=[display])


@contextlib.contextmanager
def _dtype_policy(name):
    """Makes `name` Keras's global dtype policy inside the block."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def compile_entry(entry, recipe, strategy, jit_compile):
    """Gives a model its recipe's optimiser, already built, and its task's loss and metrics.

    Args:
        entry: `zoo.entry.Entry`, built under the strategy.
        recipe: `zoo.recipes.recipe.Recipe`.
        strategy: `tf.distribute.Strategy`; call this inside of its scope.
        jit_compile: "auto", True or False.

    Raises:
        ZooError: If the devices cannot share the batches, the data cannot be read, or XLA is asked
            for and cannot be had.
    """
    check_batch_size(recipe.batch_size, entry.pipeline.num_examples("train"), strategy)
    variables = entry.model.trainable_variables
    optimizer = build_optimizer(
        recipe,
        variables,
        steps_per_epoch(entry, recipe),
        strategy.num_replicas_in_sync,
    )
    optimizer.build(variables)
    entry.model.compile(
        optimizer=optimizer,
        **task_of(entry.config).compiled(entry.config, recipe),
        jit_compile=jit_compile,
    )
    if entry.model.jit_compile and decodes_in_blocks(entry.model, recipe.batch_size):
        if jit_compile is True:
            raise ZooError(
                "`jit_compile` must be 'auto' or False where outputs are computed in blocks, "
                "whose gradient XLA cannot compile. Received: jit_compile=True, "
                f"{recipe.batch_size} examples in a batch; fewer may not need blocks."
            )
        entry.model.jit_compile = False


def _build_compiled(settings, strategy, jit_compile, resume):
    """Builds model, optimiser and compiled state from the seed, under the strategy."""
    keras.utils.set_random_seed(settings.seed)
    with strategy.scope(), _dtype_policy(settings.precision):
        entry = registry.build(
            settings.name,
            weights=None if resume else settings.weights,  # the checkpoint has them
            data=settings.data,
            skip_corrupt=settings.skip_corrupt,
            **settings.overrides,
        )
        compile_entry(entry, settings.recipe, strategy, jit_compile)
    return entry


def _result(entry, settings, folder, history, console):
    split = held_out_split(entry, "test", "validation")
    recipe = settings.recipe
    figures = {"num_examples": 0}
    if split is not None:
        figures = evaluate(entry, split, recipe=recipe, console=console)
    num_examples = figures.pop("num_examples")
    return RunResult(
        name=settings.name,
        path=folder.path,
        history=history,
        epochs=settings.recipe.epochs,
        train_seconds=sum(history["seconds"]),
        parameters=entry.parameters,
        test_split=split,
        headline=task_of(entry.config).headline,
        test_figures=figures,
        num_test_examples=num_examples,
        skipped=entry.pipeline.skipped,
    )
