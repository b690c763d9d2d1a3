"""Row `overhead`: what the harness costs beside the training it is there for.

Of the workers' time from their first trial to the end of their last, the share that is neither a
training step nor evaluation: reading the data, tracking, pictures, checkpoints, waiting for work.
And the harness alone, with a trainer that does nothing, as a share of a whole trial's time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from unittest import mock

from benchmarks import instrumented
from benchmarks.figures import Figure
from benchmarks.instrumented import TrialTime
from benchmarks.options import Options
from experiments.execution import processes
from experiments.execution.engines import options_of
from experiments.execution.messages import Task, TrialResult
from experiments.spec.experiment import load_experiment
from experiments.spec.shard import Shard
from experiments.spec.yaml_files import find_experiment
from experiments.sweep.run import Options as SweepOptions
from experiments.sweep.run import run_sweep

_SHARE_GOAL = 0.05


def measure(options: Options) -> list[Figure]:
    epochs = 1 if options.quick else 5
    shares, alone, notes = [], [], []
    for repetition in range(options.repetitions(2)):
        folder = options.new_folder(f"overhead {repetition}")
        n_alone = 10 * options.n_cores
        trained = _times(options, folder / "a", instrumented.advance_timed, epochs, 2)
        idle = _times(options, folder / "b", instrumented.advance_without_training, epochs, n_alone)
        shares.append(overhead_share(trained))
        alone.append(seconds_per_trial(idle) / _seconds(trained))
        notes.append(f"{1000 * seconds_per_trial(idle):.0f} ms of {_seconds(trained):.1f} s")
    what = f"{epochs}-epoch trials of MNIST: worker time neither training nor evaluating ÷ all"
    per_trial = "harness alone, no training ÷ one such trial"
    return [
        Figure("overhead", what, shares, _SHARE_GOAL),
        Figure("overhead", per_trial, alone, _SHARE_GOAL, note=notes[-1]),
    ]


def overhead_share(times: Sequence[TrialTime]) -> float:
    """Over all workers, from the start of a worker's first trial to the end of its last."""
    present = 0.0
    for of_worker in _by_worker(times):
        present += of_worker[-1].ended - of_worker[0].started
    return 1 - sum(t.computing for t in times) / present


def seconds_per_trial(times: Sequence[TrialTime]) -> float:
    """Of worker time from one trial's start to the next one's; the first of a worker warms up."""
    gaps = []
    for of_worker in _by_worker(times):
        starts = [t.started for t in of_worker[1:]]
        gaps += [later - earlier for earlier, later in pairwise(starts)]
    return statistics.median(gaps)


def _by_worker(times: Sequence[TrialTime]) -> list[list[TrialTime]]:
    """In the order in which each worker had its trials."""
    ordered = sorted(times, key=attrgetter("worker", "started"))
    return [list(group) for _, group in groupby(ordered, attrgetter("worker"))]


def _seconds(times: Sequence[TrialTime]) -> float:
    return statistics.median(t.ended - t.started for t in times)


def _times(
    options: Options,
    folder: Path,
    advance: Callable[[Task], TrialResult],
    epochs: int,
    n_seeds: int,
) -> list[TrialTime]:
    """Run a sweep of both encoders whose workers call `advance`."""
    axes = ["dataset=mnist", "encoder=mlp1,mlp3", "loss=bce", "transform=none", f"epochs={epochs}"]
    experiment = load_experiment(find_experiment("seed_grid"), axes, f"0-{n_seeds - 1}")
    sweep = SweepOptions(
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        data_dir=options.data_dir,
        checkpoint_dir=folder,
        device="cpu",
        engine="processes",
        engine_options=options_of("processes", {"workers": options.n_cores, "retries": 0}),
        retry_failed=False,
        shard=Shard(1, 1),
        optuna_storage=None,
        archive=None,
    )
    with mock.patch.object(processes, "advance_in_worker", advance):
        outcome = run_sweep(experiment, sweep)
    if outcome.exit_code:
        raise RuntimeError("a trial of the benchmark failed")
    return instrumented.recorded_times(next(folder.glob("*/times-*.jsonl")).parent)
