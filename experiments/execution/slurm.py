"""The engine `slurm`: jobs that are workers, and the sweep's own process that proposes."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from experiments.execution.engine import (
    RETRIES,
    TIMEOUT,
    WORKERS,
    Engine,
    OpenEngine,
    Request,
)
from experiments.execution.job_workers import JobWorkers, clear
from experiments.execution.messages import Event
from experiments.execution.slurm_checks import asks_for_gpus, check_slurm, check_submitit
from experiments.execution.slurm_jobs import Jobs, LocalJobs, SlurmJobs, cancel_and_wait
from experiments.execution.slurm_options import SLURM
from vae.errors import BadInput

_WORKERS = 8
_CLEAR_SECONDS = 60


@contextlib.contextmanager
def _open(request: Request) -> Iterator[OpenEngine]:
    check_submitit()
    parameters = {"time": 60} | (request.options["slurm"] or {})
    cluster = parameters.pop("cluster", "slurm")
    if ":" in request.device:
        raise BadInput(
            f"--device {request.device}: Slurm chooses the GPUs; say --slurm gpus_per_node=1"
        )
    if cluster not in ("slurm", "local"):
        raise BadInput(f"--slurm cluster={cluster}: should be slurm or local")
    if cluster == "slurm":
        check_slurm(request, parameters)
    start = _start_on_slurm if cluster == "slurm" else _start_here
    yield OpenEngine(
        _n_workers(request),
        lambda n_workers, on_event, workers_lock: start(
            request, parameters, n_workers, on_event, workers_lock
        ),
    )


def _start_on_slurm(
    request: Request,
    parameters: Mapping[str, Any],
    n_workers: int,
    on_event: Callable[[Event], None],
    workers_lock: Path,
) -> JobWorkers:
    name, folder = _name(workers_lock), _folder(request, workers_lock)
    jobs = SlurmJobs(name, folder / "log", parameters)
    # Of a sweep that was killed: whoever is left would write to what goes on here.
    if not cancel_and_wait(jobs, _CLEAR_SECONDS):
        raise BadInput(f"jobs of an earlier sweep do not end; see squeue --name {name}")
    device = request.device
    if device == "auto":
        device = "cuda" if asks_for_gpus(parameters) else "cpu"
    return _start(n_workers, jobs, folder, on_event, None, device)


def _start_here(
    request: Request,
    parameters: Mapping[str, Any],
    n_workers: int,
    on_event: Callable[[Event], None],
    workers_lock: Path,
) -> JobWorkers:
    folder = _folder(request, workers_lock)
    jobs = LocalJobs(folder / "log", parameters)
    return _start(n_workers, jobs, folder, on_event, os.getpid(), "")


def _start(
    n_workers: int,
    jobs: Jobs,
    folder: Path,
    on_event: Callable[[Event], None],
    parent: int | None,
    device: str,
) -> JobWorkers:
    from experiments.tracking.retries import patience_seconds  # and with it MLflow

    clear(folder)
    mail = folder / "mail"
    return JobWorkers(n_workers, jobs, mail, on_event, patience_seconds, parent, device)


def _name(workers_lock: Path) -> str:
    """The same for the next sweep of the same shard of the same experiment, and for no other."""
    return f"vae-{hashlib.sha256(str(workers_lock).encode()).hexdigest()[:12]}"


def _folder(request: Request, workers_lock: Path) -> Path:
    return request.stores.checkpoints / _name(workers_lock)


def _n_workers(request: Request) -> int:
    return request.options["workers"] or _WORKERS


ENGINE = Engine(
    summary=f"jobs of Slurm, by default at most {_WORKERS} at once",
    options=(WORKERS, RETRIES, TIMEOUT, SLURM),
    n_workers=_n_workers,
    describe=lambda request: f"at most {_n_workers(request)} jobs of Slurm",
    open=_open,
)
