"""The command that makes model files of published weights, and the other way round."""

import argparse
from pathlib import Path

from rich.text import Text

from zoo.commands.settings import parse_settings
from zoo.commands.terminal import add_command, console, start_tensorflow
from zoo.errors import ZooError
from zoo.numerics import NUMERICS


def add_to(commands: argparse._SubParsersAction) -> None:
    """Adds `convert` to the sub-commands."""
    parser = add_command(
        commands,
        "convert",
        convert_command,
        "Convert published weights to a model file of the zoo, or a model file to the format of "
        "Hugging Face's transformers. Every tensor is used exactly once; one that is missing, left "
        "over or of another shape is named, and nothing is written.",
        [
            "perceiver-zoo convert deepmind/vision-perceiver-fourier --to fourier.keras",
            "perceiver-zoo convert imagenet_conv.pystate --to conv.keras",
            "perceiver-zoo convert fourier.keras --to-huggingface vision-perceiver-fourier",
        ],
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder with config.json and model.safetensors or pytorch_model.bin, one of these "
        "files or the index of one in parts, a pickle of DeepMind's (.pystate, .pickle), a name on "
        "the Hugging Face hub, or a .keras file of the zoo",
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="PATH", help="the .keras file to write")
    target.add_argument(
        "--to-huggingface", metavar="FOLDER", help="the folder to write for transformers"
    )
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Adds what goes before that which the weights tell."""
    parser.add_argument(
        "--name", help="the model of the zoo that the weights are of (default: as they say)"
    )
    parser.add_argument(
        "--numerics",
        choices=NUMERICS,
        help="whose numbers to compute where the two differ (default: those of the weights)",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a field of the configuration that the weights do not tell, such as "
        "num_self_attention_heads=4 (repeatable)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def convert_command(args: argparse.Namespace) -> None:
    """Converts in either direction and prints what was written."""
    if args.to_huggingface is None:
        _to_keras(args)
    else:
        _to_huggingface(args)


def _to_keras(args: argparse.Namespace) -> None:
    settings = parse_settings("--set", args.set)
    if args.numerics is not None:
        settings["numerics"] = args.numerics
    target = Path(args.to).expanduser()
    if target.suffix != ".keras":
        raise ZooError(f"`--to` must end in .keras. Received: {args.to}")
    if target.exists() and not args.overwrite:
        raise ZooError(f"{args.to} is there already (--overwrite replaces it).")
    start_tensorflow()
    from zoo.serving.model_file import save_model_file
    from zoo.weights import checkpoints

    if not checkpoints.is_checkpoint(args.source):
        raise ZooError(
            f"{args.source} is a Keras file already; `--to-huggingface` converts it to the format "
            "of transformers."
        )
    out = console()
    out.print(Text(f"converting {args.source}"))
    converted = checkpoints.convert(args.source, args.name, **settings)
    count = f"{converted.model.count_params():,} parameters"
    out.print(Text(f"{converted.name}, {count}, numerics {converted.config.numerics}"))
    names = converted.class_names
    save_model_file(converted.model, target, converted.name, converted.overrides, names)
    out.print(Text(f"wrote {target}"), soft_wrap=True)


def _to_huggingface(args: argparse.Namespace) -> None:
    for option in ("name", "numerics", "set", "overwrite"):
        if getattr(args, option):
            raise ZooError(f"`--{option}` does not go with `--to-huggingface`.")
    start_tensorflow()
    from perceiver_tf.checkpoints import CheckpointError, is_checkpoint, save_huggingface
    from zoo.serving.model_file import load_model_file

    if is_checkpoint(args.source):
        raise ZooError(
            f"What `--to-huggingface` converts must be a .keras file. Received: {args.source}"
        )
    entry, class_names = load_model_file(args.source)
    try:
        folder = save_huggingface(entry.model, args.to_huggingface, class_names)
    except (CheckpointError, OSError) as error:
        raise ZooError(str(error)) from error
    written = f"wrote {folder}/config.json and {folder}/model.safetensors"
    console().print(Text(written), soft_wrap=True)
