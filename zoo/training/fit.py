"""The training loop: Keras's `fit`, made resumable and safe to interrupt."""

import contextlib
import math
import shlex

import keras
import tensorflow as tf

from zoo.atomic_files import disk_errors_named
from zoo.data.pipeline import data_error
from zoo.errors import ZooError
from zoo.tasks import task_of
from zoo.training import callbacks, mid_epoch
from zoo.training.distribution import even_batch_size, needs_static_shapes
from zoo.training.evaluation_batch import evaluation_batch


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during training, after what was trained was kept.

    The message is one line that tells how to resume. As a `KeyboardInterrupt` it passes
    `except Exception`, and Python itself ends with status 130 if nobody catches it.
    """


def fit(entry, settings, folder, console, checkpoint_minutes=mid_epoch.CHECKPOINT_MINUTES):
    """Trains from the last checkpoint on, writing the run folder after each epoch.

    Args:
        entry: `zoo.entry.Entry` with a compiled model and a built optimiser.
        settings: `zoo.training.run_settings.RunSettings`.
        folder: `zoo.records.run_folder.RunFolder`, new or with a checkpoint.
        console: `rich.console.Console` for the position.
        checkpoint_minutes: float, time between two checkpoints inside of an epoch.

    Returns:
        dict of lists, the history of the whole run, one value per epoch.

    Raises:
        ZooError: If the loss becomes NaN or infinite, or the disk is full.
        TrainingInterrupted: After Ctrl-C.
    """
    model, epochs = entry.model, settings.recipe.epochs
    position, metrics = folder.load_state(model)
    if position.epoch < epochs:
        try:
            with _errors_of_the_run(settings, folder), mid_epoch.StopRequest() as stop:
                kept = folder, position, metrics
                _fit_epochs(entry, settings, kept, console, stop, checkpoint_minutes)
        finally:
            with contextlib.suppress(ZooError):
                folder.draw_curve(folder.position().history)
    else:
        model.optimizer.finalize_variable_values(model.trainable_variables)
        folder.save_model(model)
    return position.history


def _fit_epochs(entry, settings, kept, console, stop, checkpoint_minutes):
    recipe, (folder, position, metrics) = settings.recipe, kept
    steps = steps_per_epoch(entry, recipe)
    headline = task_of(entry.config).headline
    display = callbacks.ProgressDisplay(console, recipe.epochs, position.epoch, steps, headline)
    clock = callbacks.EpochClock(position)
    average = keras.callbacks.SwapEMAWeights(swap_on_epoch=True) if recipe.ema else None
    batches = training_batches(entry, recipe, settings.seed, position.epoch, position.step)
    held_out = held_out_batches(entry, recipe, "validation", "test")
    evaluated = batches if held_out is None else held_out
    try:
        with mid_epoch.steps_done(entry.model, position.step, metrics, evaluated):
            entry.model.fit(
                batches,
                validation_data=held_out,
                initial_epoch=position.epoch,
                epochs=recipe.epochs,
                steps_per_epoch=steps,
                shuffle=False,
                verbose=0,
                callbacks=[
                    clock,
                    callbacks.StopAtNonFiniteLoss(steps, str(folder.path)),
                    callbacks.StateWriter(folder, position.history),
                    *([average] if average else []),
                    callbacks.ModelWriter(folder),
                    keras.callbacks.TensorBoard(str(folder.log_path), write_graph=False),
                    display,
                    mid_epoch.MidEpochWriter(
                        folder, position.history, clock, stop, steps, checkpoint_minutes, average
                    ),
                ],
            )
    finally:
        display.stop()


def training_batches(entry, recipe, seed, first_epoch=0, first_step=0):
    """Returns the batches of all epochs from a step of `first_epoch` on, one after the other.

    The data counts the epochs: Keras under a strategy starts more iterations over a dataset
    than it trains epochs, and a resumed run starts in the middle.
    """
    steps_of_a_pass = steps_per_epoch(entry, recipe) // recipe.passes_per_epoch
    passes, first_step = divmod(first_step, steps_of_a_pass)
    return entry.pipeline.batches(
        "train",
        recipe.batch_size,
        training=True,
        seed=seed,
        augmentation=recipe.augmentation,
        epoch=first_epoch * recipe.passes_per_epoch + passes,
        start_step=first_step,
        repeat=True,
        drop_remainder=needs_static_shapes(entry.model.distribute_strategy),
    )


def held_out_batches(entry, recipe, *preferred):
    """Returns the batches of the first of the preferred splits there is, None without any."""
    split = held_out_split(entry, *preferred)
    if split is None:
        return None
    num_examples = entry.pipeline.num_examples(split)
    strategy = entry.model.distribute_strategy
    batch_size = evaluation_batch(entry.config, recipe)
    return entry.pipeline.batches(split, even_batch_size(batch_size, num_examples, strategy))


def steps_per_epoch(entry, recipe) -> int:
    """Returns the optimiser steps of one epoch of a recipe.

    The last batch of each pass may be smaller, but on a TPU.
    """
    num_examples = entry.pipeline.num_examples("train")
    if needs_static_shapes(entry.model.distribute_strategy):
        return num_examples // recipe.batch_size * recipe.passes_per_epoch
    return math.ceil(num_examples / recipe.batch_size) * recipe.passes_per_epoch


def held_out_split(entry, *preferred) -> str | None:
    """Returns the first of the preferred splits that the data has, None if it has none."""
    return next((split for split in preferred if split in entry.pipeline.splits), None)


@contextlib.contextmanager
def data_errors_named():
    """Turns the failure of a dataset inside the block into a `ZooError` that names the file."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        named = data_error(error)
        if named is None:
            raise
        raise named from error


@contextlib.contextmanager
def _errors_of_the_run(settings, folder):
    """Makes one line of an interruption and of a full disk, wherever they are noticed."""
    try:
        with disk_errors_named(folder.path), data_errors_named():
            yield
    except KeyboardInterrupt:
        kept = folder.position()
        steps = f" and {kept.step} steps of the next" if kept.step else ""
        raise TrainingInterrupted(
            f"Interrupted. Kept in {str(folder.path)!r}: {kept.epoch} of "
            f"{settings.recipe.epochs} epochs{steps}. "
            f"Continue with: perceiver-zoo train --resume {shlex.quote(str(folder.path))}"
        ) from None
    except tf.errors.OpError as error:
        if "No space left" not in str(error):
            raise
        raise ZooError(
            f"The disk is full: could not write to {str(folder.path)!r}. "
            "What was written before is intact."
        ) from error
