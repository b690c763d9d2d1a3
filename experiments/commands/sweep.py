"""Run an experiment: every configuration with every seed that has not been run yet."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from experiments.cli import EXIT_FAILED, EXIT_OK, command, run_command, typed_command
from experiments.execution.engines import ENGINES
from experiments.spec.experiment import load_experiment
from experiments.spec.shard import take_part
from experiments.spec.yaml_files import SHIPPED, find_experiment
from experiments.sweep.opening import opened
from experiments.sweep.options import Options
from experiments.sweep.parser import check_arguments, sweep_parser
from experiments.sweep.progress import counting_images
from experiments.tracking.uris import checkpoint_folder, default_uri, is_server
from vae.data.datasets import place


def main() -> NoReturn:
    """The command: leaves with its exit code."""
    run_command(_main)


def _main() -> int:
    parser = sweep_parser(__doc__)
    arguments = parser.parse_args()
    check_arguments(parser, arguments)
    if arguments.again is not None:
        return _train_again(arguments)
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
            options.study_storage,
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
    if outcome.page and not outcome.interruption:
        shown_by = "" if is_server(options.tracking_uri) else " (make ui)"
        print(f"In MLflow{shown_by}: {outcome.page}", file=sys.stderr)
    print(outcome.closing_line(typed_command(), compare), file=sys.stderr)
    return outcome.exit_code


def _train_again(arguments: argparse.Namespace) -> int:
    from experiments.models.again import train_again  # torch and MLflow take their time to import
    from experiments.models.load import find_trial
    from experiments.models.terminal import print_again

    chosen = find_trial(arguments.again, arguments.tracking_uri, finished=False)
    again = train_again(chosen, arguments.data_dir, arguments.device, arguments.trust_code)
    print_again(again)
    return EXIT_OK if again.is_same else EXIT_FAILED
