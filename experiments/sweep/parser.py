"""The command line of sweep.py."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.cli import Parser, duration, shard
from experiments.execution.devices import device
from experiments.execution.engine import Option
from experiments.execution.engines import ENGINES, takers_of_options
from experiments.spec.shard import Shard
from experiments.sweep.new import NewQuestion
from experiments.sweep.retention import CHOICES, KEEP_ALL_UP_TO
from experiments.tracking.uris import default_uri, help_of_default_uri, tracking_address
from vae.errors import BadInput


def sweep_parser(description: str | None) -> Parser:
    """The command line of sweep.py."""
    parser = Parser(description)
    add = parser.add_argument
    add("experiment", nargs="?", help="a YAML file, or the name of one in experiments/shipped/")
    add(
        "--new",
        action=NewQuestion,
        metavar="FOLDER",
        help="write a question to start from, with an encoder of one's own, and do nothing else",
    )
    add(
        "--again",
        metavar="RUN_ID",
        help="train the trial of that run once more, beside its record, which stays as it is, and "
        "say of every number that it logged whether it came out the same",
    )
    add(
        "--trust-code",
        action="store_true",
        help="with --again: execute the source that is archived with the run, where the file here "
        "is not the same",
    )
    _add_question(parser)
    _add_places(parser)
    _add_engines(parser)
    return parser


def check_arguments(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse what `--again` does not take, and what a sweep does not.

    Raises:
        BadInput: naming the option.
    """
    if arguments.again is None:
        if arguments.experiment is None:
            parser.error("the following arguments are required: experiment")
        if arguments.trust_code:
            raise BadInput(
                "--trust-code: only --again takes it; a sweep reads the files themselves"
            )
        return
    taken = ("tracking_uri", "data_dir", "device", "trust_code")
    parser.refuse_others(arguments, "--again", taken)


def _add_question(parser: Parser) -> None:
    add = parser.add_argument_group("what is asked").add_argument
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE[,VALUE...]",
        help="fix a field, or make it an axis; may be given several times",
    )
    add(
        "--seeds",
        metavar="0-4,9",
        help="in place of the experiment's; 5 means 0-4, 5-5 the seed 5",
    )
    add("--dry-run", action="store_true", help="print the plan and touch nothing")
    add("--retry-failed", action="store_true", help="run failed trials again, too")
    add(
        "--shard",
        type=shard,
        default=Shard(1, 1),
        metavar="I/N",
        help="run the I-th of N parts of the configurations, for N machines on one server",
    )


def _add_places(parser: Parser) -> None:
    add = parser.add_argument_group("where things are").add_argument
    add(
        "--tracking-uri",
        type=tracking_address,
        default=default_uri(),
        metavar="URI",
        help=help_of_default_uri(),
    )
    add("--data-dir", type=Path, default=Path("data"), metavar="DIR", help="default: %(default)s")
    add("--checkpoint-dir", type=Path, metavar="DIR", help="default: next to the tracking store")
    add("--optuna-storage", metavar="URI", help="of a study; default: next to the tracking store")
    add(
        "--archive",
        choices=CHOICES,
        help="which trials keep their weights: all, or the best seed of each configuration, or "
        f"none (default: all up to {KEEP_ALL_UP_TO} trials, best above)",
    )


def _add_engines(parser: Parser) -> None:
    """The options of all engines, those of one alone in a group of its own."""
    everybody = parser.add_argument_group("who does the work")
    everybody.add_argument(
        "--engine",
        choices=tuple(ENGINES),
        default="processes",
        help="; ".join(f"{name}: {engine.summary}" for name, engine in ENGINES.items()),
    )
    everybody.add_argument(
        "--device",
        type=device,
        default="auto",
        metavar="DEVICE",
        help="auto (all GPUs, or else the processor), cpu, cuda, or some of the GPUs: "
        "cuda:0,cuda:2; default: %(default)s",
    )
    everybody.add_argument(
        "--time-budget",
        type=duration,
        metavar="2h30m",
        help="after that the sweep is stopped as by Ctrl-C; trials that would not end in time are "
        "not started while others would",
    )
    takers = takers_of_options()
    for option in (option for option, names in takers.items() if len(names) > 1):
        _add_option(everybody, option, f" (not with {_others(takers[option])})")
    for name, engine in ENGINES.items():
        group = parser.add_argument_group(f"with --engine {name}")
        for option in engine.options:
            if takers[option] == [name]:
                _add_option(group, option)


def _others(takers: list[str]) -> str:
    return ", ".join(name for name in ENGINES if name not in takers)


def _add_option(group: argparse._ArgumentGroup, option: Option, remark: str = "") -> None:
    """Without its default, so that one that is given can be told from one that is not."""
    default = "" if option.default is None else f"; default: {option.default}"
    group.add_argument(
        option.flag,
        type=option.type,
        metavar=option.metavar,
        help=f"{option.help}{default}{remark}",
    )
