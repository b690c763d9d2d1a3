"""Jobs of Slurm, or of submitit on this machine: submitted, looked after, cancelled."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vae.errors import BadInput

_CODE = Path(__file__).resolve().parents[2]
_COMMAND_SECONDS = 30
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"}
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"}
"""A job that is completing may have a process left that writes."""

OUT_OF_TIME = {"TIMEOUT", "PREEMPTED", "DEADLINE"}
"""How jobs end that did nothing wrong."""


@dataclass(frozen=True)
class JobState:
    """What is known of a job.

    Attributes:
        name: Slurm's own, such as NODE_FAIL
        reason: Slurm's own; empty if it gives none
    """

    name: str
    reason: str = ""

    @property
    def is_waiting(self) -> bool:
        return self.name in _WAITING

    @property
    def is_over(self) -> bool:
        return self.name not in _WAITING | _RUNNING

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})" if self.reason else self.name


VANISHED = JobState("no longer known to Slurm")


class Jobs(Protocol):
    """The jobs of one sweep."""

    def submit(self, n: int, work: Callable[..., Any], *arguments: Any) -> list[str]:
        """Returns the job ids.

        Raises:
            RuntimeError: if they are not taken; the message says why.
        """

    def states(self) -> Mapping[str, JobState] | None:
        """By job id, of those that are still known; None while nobody answers."""

    def cancel(self) -> None:
        """Cancel whatever waits or runs."""


class SlurmJobs:
    """Known by their name: it is the same in the next sweep, and no other sweep's."""

    def __init__(self, name: str, folder: Path, parameters: Mapping[str, Any]) -> None:
        """Args: parameters: of `submitit.SlurmExecutor.update_parameters`"""
        self._name = name
        self._executor = executor(folder, "slurm", parameters)
        self._executor.update_parameters(job_name=name)

    def submit(self, n: int, work: Callable[..., Any], *arguments: Any) -> list[str]:
        self._executor.update_parameters(array_parallelism=n)
        try:
            with self._executor.batch():
                jobs = [self._executor.submit(work, *arguments) for _ in range(n)]
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            raise RuntimeError(str(error)) from error
        return [job.job_id for job in jobs]

    def states(self) -> Mapping[str, JobState] | None:
        form = "%i|%T|%r"
        try:
            said = ask(
                "squeue", "--noheader", "--array", "--states=all", f"--name={self._name}",
                f"--user={os.getuid()}", f"--format={form}",
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return None
        states = {}
        for line in said.splitlines():
            job_id, name, reason = line.strip().split("|", 2)
            states[job_id] = JobState(name, "" if reason == "None" else reason)
        return states

    def cancel(self) -> None:
        left = [job_id for job_id, state in (self.states() or {}).items() if not state.is_over]
        if left:
            subprocess.run(["scancel", *left], check=False, capture_output=True)  # noqa: S603, S607


class LocalJobs:
    """Of submitit's local executor: for the edit loop, and for tests."""

    def __init__(self, folder: Path, parameters: Mapping[str, Any]) -> None:
        self._executor = executor(folder, "local", parameters)
        self._jobs: list[Any] = []

    def submit(self, n: int, work: Callable[..., Any], *arguments: Any) -> list[str]:
        jobs = [self._executor.submit(work, *arguments) for _ in range(n)]
        self._jobs += jobs
        return [job.job_id for job in jobs]

    def states(self) -> Mapping[str, JobState] | None:
        return {job.job_id: JobState(job.state) for job in self._jobs}

    def cancel(self) -> None:
        for job in self._jobs:
            if not JobState(job.state).is_over:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(int(job.job_id), signal.SIGTERM)  # which it passes on


def cancel_and_wait(jobs: Jobs, seconds: float) -> bool:
    """Returns whether none is left."""
    jobs.cancel()
    return wait_until_over(jobs, seconds)


def wait_until_over(jobs: Jobs, seconds: float) -> bool:
    """Returns whether none is left."""
    deadline = time.monotonic() + seconds
    while True:
        states = jobs.states()
        if states is not None and all(state.is_over for state in states.values()):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)


def executor(folder: Path, cluster: str, parameters: Mapping[str, Any]) -> Any:
    """submitit's, with its own names for parameters.

    Raises:
        BadInput: for one that it does not know.
    """
    import submitit

    if cluster == "local":
        local = submitit.LocalExecutor(folder, python=_python())
        local.update_parameters(timeout_min=parameters.get("time", 60))
        local.update_parameters(**{k: v for k, v in parameters.items() if k != "time"})
        return local
    slurm = submitit.SlurmExecutor(folder, python=_python())
    try:
        slurm.update_parameters(**parameters)
    except ValueError as error:
        raise BadInput(f"--slurm: {' '.join(str(error).split())}") from error
    return slurm


def _python() -> str:
    """This one, to which a checkout is known from wherever it is started."""
    python = shlex.quote(sys.executable)
    if not (_CODE / "sweep.py").exists():
        return python
    path = os.pathsep.join(filter(None, [str(_CODE), os.environ.get("PYTHONPATH")]))
    return f"env {shlex.quote(f'PYTHONPATH={path}')} {python}"


def ask(*command: str) -> str:
    """What a command of Slurm's says.

    Raises:
        SubprocessError: if it fails, or does not answer.
    """
    done = subprocess.run(  # noqa: S603
        command, check=True, capture_output=True, text=True, timeout=_COMMAND_SECONDS
    )
    return done.stdout


def try_submission(flags: Sequence[str]) -> str:
    """Why Slurm would not take such a job; empty if it would. Submits nothing."""
    done = _run(["sbatch", "--test-only", "--wrap=true", *flags])
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return "" if done.returncode == 0 else (lines or ["sbatch failed"])[0]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", f"{command[0]}: {error}")


def nodes_of(partition: str | None) -> set[str]:
    """The host names of a partition's nodes, or of the default one's."""
    chosen = [f"--partition={partition}"] if partition else []
    said = ask("sinfo", "--noheader", "--Node", "--format=%n|%R|%P", *chosen)
    rows = [line.strip().split("|") for line in said.splitlines()]
    # The default partition's name ends with an asterisk.
    return {
        node
        for node, name, shown in rows
        if (name in partition.split(",") if partition else shown.endswith("*"))
    }
