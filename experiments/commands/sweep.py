"""Run an experiment: every configuration with every seed that has not been run yet."""

from __future__ import annotations

import sys
from typing import NoReturn

from experiments.cli import command, run_command, typed_command
from experiments.execution.engines import ENGINES
from experiments.spec.experiment import load_experiment
from experiments.spec.shard import take_part
from experiments.spec.yaml_files import SHIPPED, find_experiment
from experiments.sweep.opening import opened
from experiments.sweep.options import Options
from experiments.sweep.parser import sweep_parser
from experiments.sweep.progress import counting_images
from experiments.tracking.uris import checkpoint_folder, default_uri
from vae.data.datasets import place


def main() -> NoReturn:
    """The command: leaves with its exit code."""
    run_command(_main)


def _main() -> int:
    arguments = sweep_parser(__doc__).parse_args()
    path = find_experiment(arguments.experiment)
    options = Options.of(arguments)
    with counting_images() as on_progress, place(arguments.data_dir, on_progress):
        experiment = load_experiment(path, arguments.set, arguments.seeds)
    if arguments.dry_run:
        from experiments.sweep.dry_run import print_plan

        engine, request = ENGINES[options.engine], options.request(experiment)
        print_plan(
            take_part(experiment, arguments.shard),
            arguments.tracking_uri,
            checkpoint_folder(experiment.name, arguments.tracking_uri, arguments.checkpoint_dir),
            engine.n_workers(request),
            arguments.retry_failed,
        )
        print(f"with {engine.describe(request)}")
        return 0

    with opened(experiment, options) as found:
        from experiments.sweep.run import run_opened  # MLflow takes its time to import

        outcome = run_opened(experiment, options, found)
    if outcome.study_summary:
        print(*outcome.study_summary.lines(), sep="\n")
    elsewhere = options.tracking_uri != default_uri()
    store = ["--tracking-uri", options.tracking_uri] if elsewhere else []
    # What ships is named by its experiment: a person may have one that is called as its file is.
    named = experiment.name if path.parent == SHIPPED else arguments.experiment
    compare = command("analyze", named, *store)
    print(outcome.closing_line(typed_command(), compare), file=sys.stderr)
    return outcome.exit_code
