"""What Slurm costs: python -m benchmarks.slurm_overhead [--start-slurm] [--slurm partition=...]

Seconds for each job and for each task of `--engine slurm`, with tasks that do nothing, on the Slurm
whose commands are here; `--start-slurm` starts the tests' own on this machine first (it needs the
daemons and root). Two shares follow: how much work a job needs, and how long a trial, for Slurm to
take no more than a twentieth of a worker's time. The queue of a busy cluster comes on top.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from experiments.cli import Parser, positive_int, run_command
from experiments.execution import job_workers
from experiments.execution.job_record import JobRecord
from experiments.execution.job_worker import Sweep
from experiments.execution.job_workers import JobWorkers
from experiments.execution.messages import Event, Task, TaskState, TrialResult
from experiments.execution.slurm_jobs import SlurmJobs
from experiments.execution.slurm_options import slurm_parameters
from experiments.execution.slurm_queue import outside_of_a_job
from vae.configuration import Configuration, Trial

SHARE = 0.05
"""Of a worker's time that may go to Slurm."""


def work_idly(sweep: Sweep) -> int:
    """In a job: a worker to which each task is done at once."""
    from experiments.execution import job_worker

    def do_nothing(task: Task, *_: object) -> TrialResult:
        return TrialResult(task, TaskState.FINISHED)

    with mock.patch.object(job_worker, "advance_remotely", do_nothing):
        return job_worker.work(sweep)


@contextlib.contextmanager
def workers(n: int, folder: Path, parameters: Mapping[str, Any]) -> Iterator[JobWorkers]:
    """The engine's own, on idle tasks, in jobs that are gone afterwards."""
    here = Path(tempfile.mkdtemp(dir=folder))
    name = f"vae-benchmark-{here.name}"
    jobs = SlurmJobs(name, here / "log", parameters)
    record = JobRecord(folder / f"jobs-{here.name}", name, here)
    with mock.patch.object(job_workers, "work", work_idly):
        found = JobWorkers(n, jobs, record, _ignore, Sweep(here / "mail", 300.0))
        try:
            yield found
        finally:
            found.stop()


def _ignore(event: Event) -> None: ...


def task(number: int, folder: Path) -> Task:
    trial = Trial(configuration=Configuration(dataset="mnist5k"), seed=number)
    return Task(
        trial, str(number), str(number), until=1, metric="return", fresh=True, archive=False,
        tracking_uri="", data_dir="", device="cpu", checkpoint=folder / "none",
    )  # fmt: skip


def seconds_of_slurm(folder: Path, parameters: Mapping[str, Any]) -> float:
    """From the submission of a job until it has done something."""
    partition = [f"--partition={parameters['partition']}"] if "partition" in parameters else []
    sign = Path(tempfile.mkdtemp(dir=folder)) / "sign"
    started = time.perf_counter()
    command = ["sbatch", "--output=/dev/null", *partition, f"--wrap=touch {shlex.quote(str(sign))}"]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    while not sign.exists():
        time.sleep(0.02)
    return time.perf_counter() - started


def seconds_per_job(folder: Path, parameters: Mapping[str, Any]) -> float:
    """From the first task of a sweep until what its first job answered has arrived."""
    with workers(1, folder, parameters) as found:
        started = time.perf_counter()
        found.submit(task(0, folder)).result()
        return time.perf_counter() - started


def seconds_per_task(n: int, folder: Path, parameters: Mapping[str, Any]) -> list[float]:
    """In a job that is there: from asking for a task to the moment at which another can be."""
    seconds = []
    with workers(1, folder, parameters) as found:
        found.submit(task(0, folder)).result()
        for number in range(1, n + 1):
            started = time.perf_counter()
            found.submit(task(number, folder)).result()
            seconds.append(time.perf_counter() - started)
    return seconds


def least(overhead: float) -> float:
    """Seconds of work beside which that many are a share of `SHARE`."""
    return overhead * (1 - SHARE) / SHARE


def measure(n_jobs: int, n_tasks: int, folder: Path, parameters: Mapping[str, Any]) -> None:
    alone = [seconds_of_slurm(folder, parameters) for _ in range(n_jobs)]
    jobs = [seconds_per_job(folder, parameters) for _ in range(n_jobs)]
    tasks = seconds_per_task(n_tasks, folder, parameters)
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPU cores\n")
    print("| seconds | median | least | most |\n|---|---|---|---|")
    for what, seconds in (
        ("a job, until it runs", alone),
        ("a job, until its first task is answered", jobs),
        ("each further task", tasks),
    ):
        middle = statistics.median(seconds)
        print(f"| {what} | {middle:.2f} | {min(seconds):.2f} | {max(seconds):.2f} |")
    job, each = statistics.median(jobs), statistics.median(tasks)
    print(
        f"\nno more than {SHARE:.0%} for Slurm: trials of {least(each):.0f} s, "
        f"{least(job):.0f} s of work for a job"
    )


def main() -> int:
    arguments = _parser().parse_args()
    parameters = {"time": 60} | (arguments.slurm or {})
    with contextlib.ExitStack() as stack:
        if arguments.start_slurm:
            from tests.cluster.slurm import running_slurm

            stack.enter_context(running_slurm())
        stack.enter_context(outside_of_a_job())
        arguments.folder.mkdir(parents=True, exist_ok=True)
        name = stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder))
        measure(arguments.jobs, arguments.tasks, Path(name).resolve(), parameters)
    return 0


def _parser() -> Parser:
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--slurm", type=slurm_parameters, metavar="KEY=VALUE,...", help="what a job asks for")
    add("--start-slurm", action="store_true", help="start one on this machine")
    add("--jobs", type=positive_int, default=5, metavar="N")
    add("--tasks", type=positive_int, default=40, metavar="N")
    add("--folder", type=Path, default=Path(), metavar="DIR", help="shared with the nodes")
    return parser


if __name__ == "__main__":
    run_command(main)
