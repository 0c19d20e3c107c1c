"""The command that measures a model beside others, or a pipeline beside the bare decoder."""

import argparse
from pathlib import Path
from typing import Any

from rich.text import Text

from perceiver_tf.choices import IMPLEMENTATIONS
from zoo.atomic_files import check_writable, replaced_atomically
from zoo.benchmarks import pipelines
from zoo.benchmarks.measuring import Contender, measure
from zoo.benchmarks.peers import (
    PEERS,
    PRECISIONS,
    matrix_products,
    own_contender,
    peer_contender,
    prepare_peer,
)
from zoo.benchmarks.report import progress, rows_of, show, surroundings
from zoo.commands.settings import parse_settings
from zoo.commands.terminal import add_command, console, start_tensorflow, write_json
from zoo.configs import configuration
from zoo.errors import ZooError
from zoo.images.configs import ImageClassifierConfig
from zoo.recipes.named import RECIPES


def add_to(commands: argparse._SubParsersAction) -> None:
    """Adds `benchmark` to the sub-commands."""
    parser = add_command(
        commands,
        "benchmark",
        benchmark_command,
        "Measure the time and memory of a model beside other implementations of the same "
        "configuration. Each contender runs in a process of its own and they take turns, so that "
        "other work on the machine slows all alike; ratios are medians of the rounds' ratios. "
        "Weights and images are random. With --pipeline, measure how many examples of --data its "
        "pipeline delivers in a second, beside the bare decoder of the same files.",
        [
            "perceiver-zoo benchmark perceiver_io_imagenet_fourier",
            "perceiver-zoo benchmark perceiver_imagenet --against pytorch,lucidrains --training",
            "perceiver-zoo benchmark perceiver_digits_tiny --against none "
            "--implementations auto,dense",
            "perceiver-zoo benchmark perceiver_imagenet --json bench.json --plot bench.png",
            "perceiver-zoo benchmark --pipeline perceiver_cifar10_small --data photos/",
        ],
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a model from `perceiver-zoo list`")
    parser.add_argument(
        "--pipeline", metavar="NAME", help="measure this model's pipeline instead of a model"
    )
    parser.add_argument(
        "--data", metavar="DATA", help="what the pipeline reads (default: the model's own)"
    )
    parser.add_argument(
        "--examples",
        type=int,
        default=1000,
        metavar="N",
        help="of a pipeline in a turn, at most (default 1000)",
    )
    parser.add_argument(
        "--against",
        metavar="A,B",
        help=f"some of {', '.join(PEERS)}, or none (default: all that are installed)",
    )
    parser.add_argument(
        "--implementations",
        metavar="A,B",
        default="auto,dense",
        help=f"cross-attention of this project: some of {', '.join(IMPLEMENTATIONS)} "
        "(default auto,dense); ratios are to the first",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a field of the model's configuration, such as num_latents=32 (repeatable)",
    )
    parser.add_argument(
        "--training",
        action="store_true",
        help="training steps (with plain gradient descent) instead of forwards",
    )
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="default 1, of a pipeline its recipe's"
    )
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="turns (default 9)")
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="start no further round after this time; one is always measured",
    )
    parser.add_argument(
        "--dtype", choices=PRECISIONS, default="float32", help="precision (default float32)"
    )
    parser.add_argument("--json", metavar="PATH", help="also write figures to PATH (- = stdout)")
    parser.add_argument(
        "--plot", metavar="PATH", help="also draw time and memory of a model to a PNG"
    )


def benchmark_command(args: argparse.Namespace) -> None:
    """Measures, and prints one row for each contender."""
    _check_options(args)
    if args.pipeline is not None:
        benchmark_pipeline(args)
        return
    args.batch_size = args.batch_size or 1
    contenders, refused = _contenders(args)
    if args.plot:
        check_writable(Path(args.plot).expanduser())
    around = surroundings()
    out = console(args.json)
    products = matrix_products(any(one.prepare is prepare_peer for one in contenders))
    with progress(out) as tell:
        found = measure([*contenders, *products], args.rounds, tell, minutes=args.minutes)
    report = {
        "model": args.name,
        "overrides": parse_settings("--set", args.set),
        "step": "training" if args.training else "forward",
        "batch_size": args.batch_size,
        "dtype": args.dtype,
        "rounds": max(len(one.seconds) for one in found),
        **rows_of(found),
        **around,
    }
    report["contenders"] += refused
    show(out, f"{args.name}, {report['step']}, batch {args.batch_size}, {args.dtype}", report)
    if args.plot:
        _draw(report, args.plot)
        out.print(Text(f"Wrote {args.plot}"))
    write_json(args.json, report)


def _check_options(args: argparse.Namespace) -> None:
    for option in ("batch_size", "rounds", "examples"):
        value = getattr(args, option)
        if value is not None and value < 1:
            name = "--" + option.replace("_", "-")
            raise ZooError(f"`{name}` must be at least 1. Received: {value}.")
    if (args.name is None) == (args.pipeline is None):
        raise ZooError(
            "`benchmark` must get the NAME of a model, or --pipeline NAME. "
            f"Received: {'neither' if args.name is None else 'both'}."
        )
    for option in ("plot", "training", "against"):
        if args.pipeline is not None and getattr(args, option):
            raise ZooError(f"`--pipeline` goes without --{option}. Received: both.")


def benchmark_pipeline(args: argparse.Namespace) -> None:
    """Measures a pipeline, and prints a row for each part of it."""
    overrides = parse_settings("--set", args.set)
    config = configuration(args.pipeline, **overrides)
    batch_size = args.batch_size or RECIPES[config.recipe].batch_size
    start_tensorflow()
    settings = (args.pipeline, args.data, overrides)
    decoders = pipelines.open_decoders(*settings)
    num_examples = min(decoders.num_files, args.examples)
    contenders = pipelines.contenders(*settings, batch_size, num_examples, decoders.streams)
    around = surroundings()
    out = console(args.json)
    with progress(out) as tell:
        found = measure(contenders, args.rounds, tell, minutes=args.minutes)
    report = {
        "pipeline": args.pipeline,
        "data": args.data or config.dataset,
        "overrides": overrides,
        "batch_size": batch_size,
        "num_examples": num_examples,
        "bare_decoder": decoders.library,
        "rounds": max(len(one.seconds) for one in found),
        "contenders": pipelines.rows_of(found, num_examples),
        **around,
    }
    title = f"Pipeline of {args.pipeline} on {report['data']}, batch {batch_size}"
    pipelines.show(out, title, report)
    write_json(args.json, report)


def _contenders(args: argparse.Namespace) -> tuple[list[Contender], list[dict[str, Any]]]:
    """Returns what is to be measured, and rows for the peers that cannot be.

    Every contender reads an image once unless told otherwise: peers have no `mirrored_views`
    and no `shifted_views`.
    """
    settings = parse_settings("--set", args.set)
    if isinstance(configuration(args.name, **settings), ImageClassifierConfig):
        settings = {"mirrored_views": False, "shifted_views": 0} | settings
    options = {"batch_size": args.batch_size, "training": args.training, "dtype": args.dtype}
    names = _chosen("--implementations", args.implementations, IMPLEMENTATIONS)
    configs = [
        configuration(args.name, **settings | {"cross_attention_implementation": name})
        for name in names
    ]
    if not isinstance(configs[0], ImageClassifierConfig):
        raise ZooError(f"The benchmark takes image classifiers only. Received: {args.name}.")
    contenders, refused = [own_contender(config, **options) for config in configs], []
    if args.against == "none":
        return contenders, refused
    asked_for = args.against is not None
    for name in _chosen("--against", args.against, PEERS) if asked_for else PEERS:
        try:
            contenders.append(peer_contender(name, configs[0], **options))
        except ZooError as reason:
            if asked_for:
                raise
            refused.append({"name": name, "failure": str(reason).removeprefix(f"{name} ")})
    return contenders, refused


def _chosen(option: str, text: str, known) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in known:
            raise ZooError(f"`{option}` must be some of {','.join(known)}. Received: {text!r}.")
    return names


def _draw(report: dict[str, Any], path: str) -> None:
    from zoo.benchmarks.plot import draw_comparison

    with replaced_atomically(Path(path).expanduser()) as partial:
        draw_comparison(report, partial)
