"""One live sweep of an experiment at a time, and no worker of a dead one.

Locks are the kernel's (`flock`): they vanish with the process that holds them, however it ends.
A process id and a start time in a file would have to be believed; a lease would need clocks
that agree and would keep people waiting until it ran out.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.spec.shard import Shard
from vae.errors import BadInput

_ORPHANS_SECONDS = 15
"""More than workers need to notice that their parent died."""


def _folder(name: str) -> Path:
    """Of this machine and user, the same for sweeps that are started in different places."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"vae-sweeps-{os.getuid()}" / digest


@contextmanager
def sole_sweep(name: str, shard: Shard) -> Iterator[Path]:
    """Hold what `name` stands for; yields the lock that the workers are to hold.

    Args:
        name: of an experiment and of where it is tracked

    Raises:
        BadInput: while another live sweep on this machine has some of the same configurations.
    """
    folder = _folder(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "gate").open("a+") as gate:
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
        yield workers


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
