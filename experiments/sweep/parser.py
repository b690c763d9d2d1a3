"""The command line of sweep.py."""

from __future__ import annotations

from pathlib import Path

from experiments.cli import Parser, non_negative_int, positive_int, positive_seconds, shard, share
from experiments.execution.resources import cpu_cores
from experiments.spec.shard import Shard
from experiments.sweep.retention import CHOICES, KEEP_ALL_UP_TO
from experiments.tracking.uris import default_uri, help_of_default_uri, tracking_address


def sweep_parser(description: str | None) -> Parser:
    """The command line of sweep.py."""
    parser = Parser(description)
    add = parser.add_argument
    add("experiment", help="a YAML file, or the name of one in experiments/shipped/")
    _add_question(parser)
    _add_places(parser)
    _add_workers(parser)
    _add_ray(parser)
    return parser


def _add_question(parser: Parser) -> None:
    add = parser.add_argument_group("what is asked").add_argument
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE[,VALUE...]",
        help="fix a field, or make it an axis; may be given several times",
    )
    add("--seeds", metavar="0-4,9", help="replaces the experiment's seeds; 5 means 0-4")
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


def _add_workers(parser: Parser) -> None:
    add = parser.add_argument_group("who does the work").add_argument
    add(
        "--engine",
        choices=("processes", "serial", "ray"),
        default="processes",
        help="where trials run: one process per worker (default), all in this one, or on Ray",
    )
    add(
        "--workers",
        type=positive_int,
        metavar="N",
        help=f"default: one per CPU core, here {cpu_cores()}; with ray, what fits into its nodes",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    add(
        "--retries",
        type=non_negative_int,
        default=2,
        metavar="N",
        help="how often a trial whose worker died goes on from its checkpoint (default: 2)",
    )
    add("--timeout", type=positive_seconds, metavar="SECONDS", help="that a trial may take")


def _add_ray(parser: Parser) -> None:
    add = parser.add_argument_group("with --engine ray").add_argument
    add(
        "--ray-address",
        default="local",
        metavar="ADDRESS",
        help="auto, or HOST:PORT, joins a cluster; default: start a Ray of this machine",
    )
    add("--cpus-per-trial", type=positive_int, default=1, metavar="N", help="default: %(default)s")
    add(
        "--gpus-per-trial",
        type=share,
        default=0,
        metavar="X",
        help="may be a fraction; default: %(default)s",
    )
