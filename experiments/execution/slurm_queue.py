"""What Slurm's own commands say and do: which jobs there are, and would it take one more."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_COMMAND_SECONDS = 30
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"}
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"}
"""A job that is completing may have a process left that writes."""

_INHERITED = (
    "SLURM_", "SLURMD_", "SRUN_", "SUBMITIT_", "SBATCH_", "SQUEUE_", "SCANCEL_", "SINFO_",
)  # fmt: skip
_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS")
"""Which Slurm to talk to."""

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


@contextlib.contextmanager
def outside_of_a_job() -> Iterator[None]:
    """An environment in which Slurm's commands do what their arguments say.

    The variables of a job in which this process runs would become those of the jobs that it
    submits. A person's own for squeue would hide jobs from it, and those for sbatch go before what
    a job's script says: its name, too.
    """
    hidden = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.startswith(_INHERITED) and name not in _KEPT
    }
    try:
        yield
    finally:
        os.environ.update(hidden)


def states_of(name: str) -> dict[str, JobState] | None:
    """Of the jobs of that name that Slurm still knows, by job id; None while nobody answers."""
    form = "%i|%T|%r"
    try:
        said = ask(
            "squeue", "--noheader", "--array", "--states=all", f"--name={name}", f"--format={form}"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    states = {}
    for line in said.splitlines():
        job_id, state, reason = line.strip().split("|", 2)
        states[job_id] = JobState(state, "" if reason == "None" else reason)
    return states


def left(states: Mapping[str, JobState] | None) -> list[str]:
    """The ids of those that wait or run."""
    return [job_id for job_id, state in (states or {}).items() if not state.is_over]


def cancel(name: str) -> None:
    """Cancel whatever of that name waits or runs; it takes a moment to be over."""
    if job_ids := left(states_of(name)):
        _run(["scancel", *job_ids])


def wait_until_over(states: Callable[[], Mapping[str, JobState] | None], seconds: float) -> bool:
    """Returns whether none is left, as far as anybody can tell."""
    deadline = time.monotonic() + seconds
    while True:
        known = states()
        if known is not None and not left(known):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)


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
