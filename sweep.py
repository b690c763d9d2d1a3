"""Run an experiment: every configuration with every seed that has not been run yet."""

from __future__ import annotations

import shlex
import sys

from experiments.command_line import cpu_cores, run_command
from experiments.masking import mask
from experiments.options import Options, sweep_parser
from experiments.planning import checkpoint_folder, take_part
from experiments.specification import load_experiment
from experiments.yaml_files import find_experiment


def main() -> int:
    arguments = sweep_parser(__doc__).parse_args()
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

    from experiments.running import run_sweep  # MLflow takes its time to import

    outcome = run_sweep(experiment, Options.of(arguments))
    again = mask(shlex.join(["python", *sys.argv]))
    if outcome.standing:
        print(*outcome.standing.lines(), sep="\n")
    print(outcome.closing_line(again, arguments.experiment), file=sys.stderr)
    return outcome.exit_code


if __name__ == "__main__":
    run_command("sweep.py", main)
