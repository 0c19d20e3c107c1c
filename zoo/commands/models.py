"""The commands that describe models; they load neither Keras nor TensorFlow."""

import argparse
import dataclasses
from typing import Any

from rich.table import Table
from rich.text import Text

from zoo.commands.terminal import add_command, console, write_json
from zoo.configs import MODELS, configuration
from zoo.costs import Costs, assumed_length, costs
from zoo.recipes.named import RECIPES
from zoo.recipes.recipe import Recipe

# Columns of `list` that a narrow terminal leaves out, and the width from which on each is shown.
_WIDTHS = {"data": 100, "source": 140}


def add_to(commands: argparse._SubParsersAction) -> None:
    """Adds `list` and `info` to the sub-commands."""
    add_list(commands)
    add_info(commands)


def add_list(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "list",
        list_command,
        "List the models that can be built, with their sizes and where they come from.",
        ["perceiver-zoo list", "perceiver-zoo list --json models.json"],
    )
    parser.add_argument("--json", metavar="PATH", help="also write the list to PATH (- = stdout)")


def add_info(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "info",
        info_command,
        "Print a model's configuration, parameters, source, training recipe, multiply-adds and "
        "memory. The latter are predicted from the configuration, for float32 on a CPU.",
        [
            "perceiver-zoo info perceiver_imagenet",
            "perceiver-zoo info perceiver_imagenet --batch-size 8 --training",
        ],
    )
    parser.add_argument("name", metavar="NAME", help="a model from `perceiver-zoo list`")
    parser.add_argument(
        "--batch-size",
        type=int,
        default=1,
        metavar="N",
        help="examples (sounds, videos: windows; sets, graphs: of the length that is printed) that "
        "the memory is predicted for (default: 1)",
    )
    parser.add_argument(
        "--training", action="store_true", help="also predict the memory of a training step"
    )
    parser.add_argument("--json", metavar="PATH", help="also write it to PATH (- = stdout)")


def list_command(args: argparse.Namespace) -> None:
    """Prints one row for each model, with as many columns as can be read at this width."""
    out = console(args.json)
    left_out = [name for name, width in _WIDTHS.items() if out.width < width]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    for name in ("inputs", *_WIDTHS):
        if name not in left_out:
            table.add_column(name, overflow="fold")
    for name, config in MODELS.items():
        row = {"inputs": config.reads, "data": config.dataset, "source": config.source}
        shown = [text for column, text in row.items() if column not in left_out]
        table.add_row(*map(Text, (name, f"{config.parameters:,}", *shown)))
    out.print(table)
    if left_out:
        out.print(Text(f"{' and '.join(left_out).capitalize()}: `perceiver-zoo info NAME`."))
    write_json(args.json, {"models": {name: _summary(MODELS[name]) for name in MODELS}})


def info_command(args: argparse.Namespace) -> None:
    """Prints one model's configuration, recipe and costs."""
    config = configuration(args.name)
    model_costs = costs(config, args.batch_size)
    recipe = RECIPES[config.recipe]
    out = console(args.json)
    out.print(Text(args.name, style="bold"))
    out.print(Text(config.summary))
    about = {"parameters": f"{config.parameters:,}", "inputs": config.reads}
    fields = ("num_classes", "positions", "mirrored_views", "shifted_views", "augmentation")
    fields += ("dataset", "numerics", "source")
    about |= {
        name.removeprefix("num_"): getattr(config, name) for name in fields if hasattr(config, name)
    }
    out.print(_two_columns("", about))
    architecture = type(config.architecture).__name__
    out.print(_two_columns(architecture, dataclasses.asdict(config.architecture)))
    out.print(_two_columns(f"recipe {config.recipe}", _of_recipe(recipe)))
    of_what = "window" if hasattr(config, "num_windows") else "example"
    length = assumed_length(config)
    out.print(_costs_table(model_costs, args.batch_size, args.training, of_what, length))
    report = {"name": args.name, **dataclasses.asdict(config)}
    report["recipe"] = {"name": config.recipe, **dataclasses.asdict(recipe)}
    described = _costs_report(model_costs, args.batch_size, args.training)
    report["costs"] = {"of": of_what, **described}
    if length:
        report["costs"]["assumed_length"] = length
    write_json(args.json, report)


def _of_recipe(recipe: Recipe) -> dict[str, Any]:
    """Returns the fields of a recipe, without the fill of images that nothing moves."""
    fields, image = dataclasses.asdict(recipe), recipe.augmentation
    if not (image.max_shift or image.max_rotation or image.max_zoom):
        del fields["augmentation"]["fill"]
    return fields


def _costs_table(
    model_costs: Costs, batch_size: int, training: bool, of_what: str, length: str | None
) -> Table:
    """Returns multiply-adds and memory, of examples or of windows, as they are printed."""
    ran = ", ".join(f"{name} {form}" for name, form in model_costs.implementations.items())
    memory = model_costs.memory
    rows = {f"length of an {of_what}": f"{length}, padding included"} if length else {}
    rows |= {
        f"multiply-adds per {of_what}": f"{_in_words(model_costs.multiply_adds)}, as executed",
        "all attention dense": _in_words(model_costs.dense_multiply_adds),
        "implementations": ran or "each attention dense",
        "forward pass": f"{_mebibytes(memory.forward)} above the weights, at its peak",
    }
    if training:
        rows |= {
            "training step": f"{_mebibytes(memory.training)} above weights and optimiser's state",
            "activations kept": _mebibytes(memory.kept),
            "gradients": _mebibytes(memory.gradients),
            "optimiser's state": _mebibytes(model_costs.optimizer_state),
        }
    unit = of_what if batch_size == 1 else f"{of_what}s"
    return _two_columns(f"predicted costs, batch of {batch_size} {unit}, float32", rows)


def _costs_report(model_costs: Costs, batch_size: int, training: bool) -> dict[str, Any]:
    """Returns multiply-adds and memory, in bytes, for JSON."""
    memory = model_costs.memory
    report = {
        "batch_size": batch_size,
        "multiply_adds": model_costs.multiply_adds,
        "dense_multiply_adds": model_costs.dense_multiply_adds,
        "implementations": model_costs.implementations,
        "forward_bytes": memory.forward,
    }
    if training:
        report |= {
            "training_bytes": memory.training,
            "kept_bytes": memory.kept,
            "gradient_bytes": memory.gradients,
            "optimizer_state_bytes": model_costs.optimizer_state,
        }
    return report


def _in_words(count: int) -> str:
    unit, word = (1e9, "billion") if count >= 1e9 else (1e6, "million")
    return f"{count / unit:,.{0 if count >= 100 * unit else 2}f} {word}"


def _mebibytes(size: float) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _summary(config) -> dict[str, Any]:
    named = ("summary", "source", "parameters", "reads", "image_shape", "num_classes", "dataset")
    return _fields(config, *named, "recipe")


def _fields(config, *names) -> dict[str, Any]:
    """Returns those of the named fields that a configuration of this kind has."""
    return {name: getattr(config, name) for name in names if hasattr(config, name)}


def _two_columns(title: str, values: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, title=title or None, title_justify="left")
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key}={item}" for key, item in value.items() if item) or "none"
        table.add_row(Text(name), Text(str(value)))
    return table
