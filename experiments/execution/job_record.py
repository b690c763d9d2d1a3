"""Which jobs may still be at work for a sweep, in a file beside its lock: `jobs-I-of-N`.

Jobs outlive a sweep that was killed for as long as they take to notice, and cannot hold the lock of
its workers: it is of another machine's kernel. So the file is there from before the first job until
none is left, and whoever takes over the experiment, with whatever engine, ends them first.
"""

from __future__ import annotations

import json
import shutil
import socket
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from experiments.execution.mailbox import Mailbox
from experiments.execution.slurm_queue import (
    cancel,
    outside_of_a_job,
    states_of,
    wait_until_over,
)
from vae.errors import BadInput

_SECONDS = 60
"""That Slurm may take to end a job: by default it waits for 30 before it kills."""

_PULSE_SECONDS = 65
"""More than NFS by default keeps what it knows of a folder."""


@dataclass(frozen=True)
class JobRecord:
    """Of one sweep.

    Attributes:
        path: of the file
        name: of its jobs in Slurm; empty if they are processes of this machine
        folder: in which they meet; removed with the last of them
        host: on which the sweep runs
    """

    path: Path
    name: str
    folder: Path
    host: str = field(default_factory=socket.gethostname)

    @property
    def mail(self) -> Path:
        return self.folder / "mail"

    def write(self) -> None:
        temporary = self.path.with_name(f".{self.path.name}")
        known = asdict(self) | {"path": None, "folder": str(self.folder)}
        temporary.write_text(json.dumps(known))
        temporary.replace(self.path)

    def remove(self) -> None:
        """None of the jobs is left."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.path.unlink(missing_ok=True)


def path_of(workers_lock: Path) -> Path:
    """The record of the sweep whose workers hold that lock."""
    return workers_lock.with_name(workers_lock.name.replace("workers", "jobs", 1))


def read(path: Path) -> JobRecord:
    known = json.loads(path.read_text())
    return JobRecord(path, known["name"], Path(known["folder"]), known["host"])


def end_jobs(path: Path) -> None:
    """End the jobs of a sweep that is dead, and remove what they met in.

    Raises:
        BadInput: if one may be left, or the sweep lives on another machine.
    """
    record = read(path)
    # On this one, the lock has told: it was free.
    if record.host != socket.gethostname() and _lives(Mailbox(record.mail)):
        raise BadInput(f"a sweep of this experiment is running on {record.host}: wait or stop it")
    if record.name and not _end(record.name):
        raise BadInput(
            f"jobs of an earlier sweep may still be at work: go on where Slurm's commands are, or, "
            f"once `squeue --name {record.name}` shows none, remove {path}"
        )
    record.remove()


def _lives(mailbox: Mailbox) -> bool:
    """Not every file system that machines share shares locks, too."""
    before, deadline = mailbox.pulse, time.monotonic() + _PULSE_SECONDS
    while mailbox.folder.exists() and time.monotonic() < deadline:
        if mailbox.pulse != before:
            return True
        time.sleep(0.2)
    return False


def _end(name: str) -> bool:
    with outside_of_a_job():
        if states_of(name) is None:  # there is no Slurm here, or it does not answer
            return False
        cancel(name)
        return wait_until_over(lambda: states_of(name), _SECONDS)
