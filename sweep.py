"""Run an experiment: every configuration with every seed that has not been run yet."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from experiments import archiving
from experiments.command_line import (
    Parser,
    cpu_cores,
    non_negative_int,
    positive_int,
    positive_seconds,
    run_command,
    shard,
    share,
)
from experiments.locks import Shard
from experiments.masking import mask
from experiments.planning import checkpoint_folder, take_part
from experiments.specification import load_experiment
from experiments.tracking.addresses import default_uri, help_of_default_uri
from experiments.yaml_files import find_experiment


def main() -> int:
    arguments = _parser().parse_args()
    path = find_experiment(arguments.experiment)
    experiment = load_experiment(path, arguments.set, arguments.seeds)
    if arguments.dry_run:
        from experiments.plan_table import print_plan

        print_plan(
            take_part(experiment, arguments.shard),
            arguments.tracking_uri,
            checkpoint_folder(experiment.name, arguments.tracking_uri, arguments.checkpoint_dir),
            arguments.workers or cpu_cores(),
            arguments.retry_failed,
        )
        return 0

    from experiments.options import Options
    from experiments.running import run_sweep  # MLflow takes its time to import

    options = Options(**{name: getattr(arguments, name) for name in Options.__dataclass_fields__})
    outcome = run_sweep(experiment, options)
    again = mask(shlex.join(["python", *sys.argv]))
    if outcome.standing:
        print(*outcome.standing.lines(), sep="\n")
    print(outcome.closing_line(again, arguments.experiment), file=sys.stderr)
    return outcome.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="sweep.py", description=__doc__)
    add = parser.add_argument
    add("experiment", help="a YAML file, or the name of one in experiments/sweeps/")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE[,VALUE...]",
        help="fix a field, or make it an axis; may be given several times",
    )
    add("--seeds", metavar="0-4,9", help="replaces the experiment's seeds; 5 means 0-4")
    add("--dry-run", action="store_true", help="print the plan and touch nothing")
    add("--tracking-uri", default=default_uri(), metavar="URI", help=help_of_default_uri())
    add("--data-dir", type=Path, default=Path("data"), metavar="DIR", help="default: %(default)s")
    add("--checkpoint-dir", type=Path, metavar="DIR", help="default: next to the tracking store")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
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
    add(
        "--retries",
        type=non_negative_int,
        default=2,
        metavar="N",
        help="how often a trial whose worker died goes on from its checkpoint (default: 2)",
    )
    add("--timeout", type=positive_seconds, metavar="SECONDS", help="that a trial may take")
    add("--retry-failed", action="store_true", help="run failed trials again, too")
    _add_ray(parser)
    add("--optuna-storage", metavar="URI", help="of a study; default: next to the tracking store")
    add(
        "--archive",
        choices=archiving.CHOICES,
        help="which trials keep their weights: all, or the best seed of each configuration, or "
        f"none (default: all up to {archiving.KEEP_ALL_UP_TO} trials, best above)",
    )
    add(
        "--shard",
        type=shard,
        default=Shard(1, 1),
        metavar="I/N",
        help="run the I-th of N parts of the configurations, for N machines on one server",
    )
    return parser


def _add_ray(parser: argparse.ArgumentParser) -> None:
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


if __name__ == "__main__":
    run_command("sweep.py", main)
