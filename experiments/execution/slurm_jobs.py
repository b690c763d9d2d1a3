"""The jobs of a sweep, submitted by submitit: to Slurm, or to this machine without it."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from experiments.execution.slurm_queue import JobState, cancel, states_of
from vae.errors import BadInput

_CODE = Path(__file__).resolve().parents[2]


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
    """Known by their name, which is no other experiment's."""

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
        return states_of(self._name)

    def cancel(self) -> None:
        cancel(self._name)


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
