"""The commands that describe models; they load neither Keras nor TensorFlow."""

import argparse
import dataclasses
from typing import Any

from rich.table import Table
from rich.text import Text

from zoo.configs import MODELS, configuration
from zoo.recipes import RECIPES
from zoo.terminal import add_command, console, write_json


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
        "Print a model's configuration, parameters, source and training recipe.",
        ["perceiver-zoo info perceiver_imagenet"],
    )
    parser.add_argument("name", metavar="NAME", help="a model from `perceiver-zoo list`")
    parser.add_argument("--json", metavar="PATH", help="also write it to PATH (- = stdout)")


def list_command(args: argparse.Namespace) -> None:
    """Prints one row for each model."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("inputs", no_wrap=True)
    table.add_column("data", no_wrap=True)
    table.add_column("source", overflow="fold")
    for name, config in MODELS.items():
        row = (name, f"{config.parameters:,}", _inputs(config), config.dataset, config.source)
        table.add_row(*map(Text, row))
    console(args.json).print(table)
    write_json(args.json, {"models": {name: _summary(MODELS[name]) for name in MODELS}})


def info_command(args: argparse.Namespace) -> None:
    """Prints one model's configuration and recipe."""
    config = configuration(args.name)
    recipe = RECIPES[config.recipe]
    out = console(args.json)
    out.print(Text(args.name, style="bold"))
    out.print(Text(config.summary))
    about = {"parameters": f"{config.parameters:,}", "inputs": _inputs(config)}
    about |= _plain_fields(config, ("classes", "num_classes"), ("data", "dataset"))
    about |= _plain_fields(config, ("positions", "positions"), ("source", "source"))
    out.print(_two_columns("", about))
    architecture = type(config.architecture).__name__
    out.print(_two_columns(architecture, dataclasses.asdict(config.architecture)))
    out.print(_two_columns(f"recipe {config.recipe}", dataclasses.asdict(recipe)))
    report = {"name": args.name, **dataclasses.asdict(config)}
    report["recipe"] = {"name": config.recipe, **dataclasses.asdict(recipe)}
    write_json(args.json, report)


def _inputs(config) -> str:
    return "x".join(map(str, config.image_shape))


def _plain_fields(config, *pairs) -> dict[str, Any]:
    return {title: getattr(config, field) for title, field in pairs}


def _summary(config) -> dict[str, Any]:
    fields = ("summary", "source", "parameters", "image_shape", "num_classes", "dataset", "recipe")
    return {field: getattr(config, field) for field in fields}


def _two_columns(title: str, values: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, title=title or None, title_justify="left")
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key}={item}" for key, item in value.items() if item) or "none"
        table.add_row(Text(name), Text(str(value)))
    return table
