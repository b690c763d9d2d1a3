"""The files of interrupted trials.

A checkpoint belongs to one run: it is called by the run's id, which no other run of any
experiment or tracking store has. A trial that is run again in a new run, after somebody deleted
the old one or the whole database, starts over.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path


def checkpoint_file(folder: Path, run_id: str) -> Path:
    """Where a trial's run has its checkpoint, be it there or not."""
    return folder / f"{run_id}.pt"


def find_checkpoints(folder: Path) -> set[str]:
    """The run_ids of those that are there."""
    return {path.stem for path in folder.glob("*.pt")}


def tidy_up(folder: Path, settled: Collection[str], todo: Collection[str]) -> None:
    """Remove what a killed sweep left: checkpoints of trials that are over, half-written ones.

    Args:
        settled, todo: run_ids; those of other shards and of other tracking stores are in neither
    """
    for path in folder.glob("*.pt"):
        if path.stem in settled:
            path.unlink()
    for path in folder.glob("*.tmp"):  # the lock says that nobody is writing
        run_id = path.name.partition(".")[0]
        if run_id in settled or run_id in todo:
            path.unlink()
