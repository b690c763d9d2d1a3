"""What the benchmark of the harness has a worker do in place of `worker.advance`.

The product has no option for this: the benchmark replaces the function that the engine sends to
its workers, and in the worker the functions that take the time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.execution import process_worker
from experiments.execution.messages import Task, TrialResult


@dataclass(frozen=True)
class TrialTime:
    """When a worker had a trial (on the machine's monotonic clock), and for how long it computed.

    Attributes:
        worker: its process id
        computing: seconds of training steps and evaluation
    """

    worker: int
    started: float
    ended: float
    computing: float


def advance_timed(task: Task) -> TrialResult:
    """As a worker does, with a record of the time in a file next to the checkpoints."""
    from experiments.execution import worker

    computing: list[float] = []
    plain = worker.fit, worker.finals_of
    worker.fit = _timed_fit(worker.fit, computing)
    worker.finals_of = _timed(worker.finals_of, computing)
    try:
        return _recorded(task, computing)
    finally:
        worker.fit, worker.finals_of = plain


def advance_without_training(task: Task) -> TrialResult:
    """As a worker does, but epochs and evaluations come from nowhere."""
    from experiments.execution import worker

    plain = worker.fit, worker.finals_of
    worker.fit = _no_fit
    worker.finals_of = _no_finals
    try:
        return _recorded(task, [])
    finally:
        worker.fit, worker.finals_of = plain


def _recorded(task: Task, computing: list[float]) -> TrialResult:
    started = time.monotonic()
    result = process_worker.advance_in_worker(task)
    record = TrialTime(os.getpid(), started, time.monotonic(), sum(computing))
    with (task.checkpoint.parent / f"times-{os.getpid()}.jsonl").open("a") as file:
        file.write(json.dumps(asdict(record)) + "\n")
    return result


def recorded_times(checkpoints: Path) -> list[TrialTime]:
    """What the workers of a sweep wrote into its folder of checkpoints."""
    lines = [line for f in checkpoints.glob("times-*.jsonl") for line in f.read_text().splitlines()]
    return [TrialTime(**json.loads(line)) for line in lines]


def _timed(function: Callable[..., Any], computing: list[float]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments)
        computing.append(time.perf_counter() - started)
        return result

    return timed


def _timed_fit(fit: Callable[..., Any], computing: list[float]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Iterator[Any]:
        for metrics in fit(*arguments):
            computing.append(metrics.seconds)
            yield metrics

    return timed


def _no_fit(training: Any, splits: Any, until: int) -> Iterator[Any]:
    from vae.training import EpochMetrics

    while training.epoch < until:
        training.epoch += 1
        metrics = EpochMetrics(training.epoch, _terms(), _terms(), 1.0, 1.0)
        training.keep_if_best(metrics)
        yield metrics


def _no_finals(training: Any, splits: Any, diagnostics: bool) -> Any:
    from experiments.execution.finals import Finals

    names = ("test/return", "test/reconstruction", "test/kl", "val/nll", "test/nll")
    use = ("test/active_units", "test/mutual_information")
    of_training = {"return": training.best_return, "best_epoch": float(training.best_epoch)}
    metrics = of_training | dict.fromkeys((*names, *use), 100.0)
    return Finals(metrics, (1.0,) * training.trial.configuration.latent_dim)


def _terms() -> Any:
    from vae.evaluation.terms import Terms

    return Terms(reconstruction=30.0, kl=10.0)
