"""The engine `slurm`: jobs that are workers, and the sweep's own process that proposes."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from experiments.execution.engine import (
    RETRIES,
    TIMEOUT,
    WORKERS,
    Engine,
    NoWorkers,
    OpenEngine,
    Request,
)
from experiments.execution.job_record import JobRecord, path_of
from experiments.execution.job_worker import Sweep
from experiments.execution.job_workers import JobWorkers
from experiments.execution.messages import Event
from experiments.execution.slurm_checks import asks_for_gpus, check_slurm, check_submitit
from experiments.execution.slurm_jobs import LocalJobs, SlurmJobs
from experiments.execution.slurm_options import SLURM
from experiments.execution.slurm_queue import left, outside_of_a_job, states_of
from vae.errors import BadInput

_WORKERS = 8


@contextlib.contextmanager
def _open(request: Request) -> Iterator[OpenEngine]:
    check_submitit()
    parameters = {"time": 60} | _of_sbatch() | (request.options["slurm"] or {})
    cluster = parameters.pop("cluster", "slurm")
    if ":" in request.device:
        raise BadInput(
            f"--device {request.device}: Slurm chooses the GPUs; say --slurm gpus_per_node=1"
        )
    if cluster not in ("slurm", "local"):
        raise BadInput(f"--slurm cluster={cluster}: should be slurm or local")
    start = _start_on_slurm if cluster == "slurm" else _start_here
    with outside_of_a_job():
        if cluster == "slurm":
            check_slurm(request, parameters)
        yield OpenEngine(_n_workers(request), functools.partial(start, request, parameters))


def _of_sbatch() -> dict[str, str]:
    """What a person has set for each of their jobs."""
    names = ("account", "constraint", "partition", "qos")
    given = {name: os.environ.get(f"SBATCH_{name.upper()}") for name in names}
    return {name: value for name, value in given.items() if value}


def _start_on_slurm(
    request: Request,
    parameters: Mapping[str, Any],
    n_workers: int,
    on_event: Callable[[Event], None],
    workers_lock: Path,
) -> JobWorkers:
    name = _name(workers_lock)
    _check_alone(name)
    record = JobRecord(path_of(workers_lock), name, _new_folder(request, name))
    jobs = SlurmJobs(name, record.folder / "log", parameters)
    device = request.device
    if device == "auto":
        device = "cuda" if asks_for_gpus(parameters) else "cpu"
    sweep = Sweep(record.mail, _patience())
    return JobWorkers(n_workers, jobs, record, on_event, sweep, device)


def _start_here(
    request: Request,
    parameters: Mapping[str, Any],
    n_workers: int,
    on_event: Callable[[Event], None],
    workers_lock: Path,
) -> JobWorkers:
    folder = _new_folder(request, _name(workers_lock))
    record = JobRecord(path_of(workers_lock), "", folder)
    jobs = LocalJobs(folder / "log", parameters)
    sweep = Sweep(record.mail, _patience(), os.getpid(), workers_lock)
    return JobWorkers(n_workers, jobs, record, on_event, sweep)


def _name(workers_lock: Path) -> str:
    """The same for the next sweep of the same shard of the same experiment, and for no other."""
    whose = f"{os.getuid()} {workers_lock}"
    return f"vae-{hashlib.sha256(whose.encode()).hexdigest()[:12]}"


def _check_alone(name: str) -> None:
    """A sweep on a machine that does not share this one's locks may have such jobs, too."""
    states = states_of(name)
    if states is None:
        raise NoWorkers("squeue does not answer")
    if job_ids := left(states):
        raise NoWorkers(
            f"another sweep of this experiment has jobs ({', '.join(job_ids)}); wait for it, stop "
            f"it, or, if it is dead, `scancel --name {name}`"
        )


def _new_folder(request: Request, name: str) -> Path:
    """One that no job of an earlier sweep knows of, and that only this user may enter."""
    request.stores.checkpoints.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=request.stores.checkpoints))


def _patience() -> float:
    from experiments.tracking.retries import patience_seconds  # and with it MLflow

    return patience_seconds


def _n_workers(request: Request) -> int:
    return request.options["workers"] or _WORKERS


ENGINE = Engine(
    summary=f"jobs of Slurm, by default at most {_WORKERS} at once",
    options=(WORKERS, RETRIES, TIMEOUT, SLURM),
    n_workers=_n_workers,
    describe=lambda request: f"at most {_n_workers(request)} jobs of Slurm",
    open=_open,
)
