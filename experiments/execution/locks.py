"""One live sweep of an experiment at a time, and no worker of a dead one.

Locks are the kernel's (`flock`): they vanish with the process that holds them, however it ends.
A process id and a start time in a file would have to be believed; a lease would need clocks
that agree and would keep people waiting until it ran out.

A lock lies beside what it protects, so that whoever can reach the one finds the other, whatever
their TMPDIR, user id or container: for a SQLite file that is the folder `FILE.locks`. Beside a
server there is no place, and beside the checkpoints is none either, as their default folder depends
on where the command is typed. The user's state folder does not, and where homes are shared, it even
holds for several machines; two users of one server are not kept apart.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import os
import socket
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.execution.job_record import end_jobs
from experiments.secrets import without_credentials
from experiments.spec.shard import Shard
from experiments.tracking.uris import sqlite_path
from vae.errors import BadInput

_ORPHANS_SECONDS = 60
"""More than workers need to notice that their parent died. While one loads torch it notices
nothing, and on a machine with eight processes for every core that takes seconds.
"""

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}


def lock_folder(tracking_uri: str, experiment: str) -> Path:
    """Where the locks of an experiment in a tracking store are, from wherever a sweep starts."""
    database = sqlite_path(tracking_uri)
    if database is not None:
        database = database.resolve()
        return database.with_name(f"{database.name}.locks") / _digest(experiment)
    return _user_state() / "vae-sweeps" / "locks" / _digest(f"{_server(tracking_uri)} {experiment}")


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _user_state() -> Path:
    """Source: XDG Base Directory Specification."""
    if given := os.environ.get("XDG_STATE_HOME"):
        return Path(given).absolute()
    try:
        return Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise BadInput(
            "this user has no home folder, where sweeps on a server keep their locks; set "
            "XDG_STATE_HOME to a folder"
        ) from error


def _server(address: str) -> str:
    """An address without what may differ while the server is the same."""
    parts = urllib.parse.urlsplit(without_credentials(address))
    host = (parts.hostname or "").lower()
    host = "localhost" if _is_this_machine(host) else host
    kind = parts.scheme.partition("+")[0]  # without the driver
    return f"{kind}://{host}:{parts.port or _PORTS.get(kind)}/{parts.path.strip('/')}"


def _is_this_machine(host: str) -> bool:
    """localhost, 127.0.0.1, ::1 and the machine's own name are one."""
    if host == "localhost" or host == socket.gethostname().lower():
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


@contextmanager
def sole_sweep(folder: Path, shard: Shard) -> Iterator[Path]:
    """Have the experiment to oneself; yields the lock that the workers are to hold.

    Args:
        folder: the experiment's `lock_folder`

    Raises:
        BadInput: while another live sweep, or what is left of a dead one, has some of the same
            configurations.
    """
    with _locks_can_be_had(folder), (folder / "gate").open("a+") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)  # held for as long as it takes to look around
        for path in _overlapping(folder, "sweep", shard):
            if not _is_free(path):
                raise BadInput(
                    f"a sweep of this experiment is running (process {_holder(path)}): wait for "
                    f"it, stop it, or give each a part of its own with --shard I/N"
                )
        mine = (folder / f"sweep-{shard.index}-of-{shard.count}").open("a+")
        fcntl.flock(mine, fcntl.LOCK_EX)
    workers = folder / f"workers-{shard.index}-of-{shard.count}"
    with mine:
        mine.truncate(0)
        mine.write(str(os.getpid()))
        mine.flush()
        for path in _overlapping(folder, "workers", shard):
            _wait_for_orphans(path)
        for path in _overlapping(folder, "jobs", shard):
            end_jobs(path)
        yield workers


@contextmanager
def _locks_can_be_had(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:  # a read-only home, a file system without locks
        raise BadInput(
            f"cannot keep a lock in {folder} ({error.strerror}); use another folder for the "
            f"database, or, with a server, set XDG_STATE_HOME to another folder"
        ) from error


def _overlapping(folder: Path, kind: str, shard: Shard) -> list[Path]:
    """The locks of that kind whose shards share a configuration with `shard`."""
    paths = folder.glob(f"{kind}-*-of-*")
    return [path for path in paths if not _shard_of(path).is_disjoint_from(shard)]


def _shard_of(path: Path) -> Shard:
    _, index, _, count = path.name.split("-")
    return Shard(int(index), int(count))


def _is_free(path: Path) -> bool:
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _holder(path: Path) -> str:
    return path.read_text() or "unknown"


def _wait_for_orphans(workers: Path) -> None:
    """Workers hold this lock together; one that outlived its parent may still be writing."""
    deadline = time.monotonic() + _ORPHANS_SECONDS
    while not _is_free(workers):
        if time.monotonic() > deadline:
            raise BadInput(
                f"workers of an earlier sweep are still alive and hold {workers}; stop them first"
            )
        time.sleep(0.05)


def join_workers(lock: Path) -> int:
    """Called in a worker: hold the workers' lock for as long as this process lives."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor
