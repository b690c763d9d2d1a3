"""What comes before a sweep: checks that need no MLflow, and an engine that is getting ready."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from experiments.execution.engine import OpenEngine
from experiments.execution.engines import ENGINES
from experiments.spec.experiment import Experiment
from experiments.sweep.options import Options
from experiments.tracking.reachable import check_reachable, check_storage
from vae.errors import BadInput


@dataclass(frozen=True)
class Opened:
    """An engine for a sweep.

    Attributes:
        deadline: of the sweep, as `time.monotonic` counts
    """

    engine: OpenEngine
    deadline: float | None


@contextlib.contextmanager
def opened(experiment: Experiment, options: Options) -> Iterator[Opened]:
    """Open the engine of a sweep; it gets ready while whoever calls this imports MLflow.

    Raises:
        BadInput: before anything is written.
    """
    deadline = None
    if options.time_budget is not None:
        deadline = time.monotonic() + options.time_budget
    check_reachable(options.tracking_uri)
    if experiment.study and options.optuna_storage:
        check_storage(options.optuna_storage)
    if experiment.study and options.retry_failed:
        raise BadInput("--retry-failed: what a study was told stays; raise its `trials` instead")
    with ENGINES[options.engine].open(options.request(experiment)) as engine:
        yield Opened(engine, deadline)
