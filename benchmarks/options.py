"""What every row is told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How the benchmarks run.

    Attributes:
        quick: fewer and smaller repetitions, to see that all rows work
        data_dir: a folder that holds MNIST/raw of 60,000 and 10,000 images
        folder: for whatever the rows write
    """

    quick: bool
    data_dir: Path
    folder: Path

    @property
    def n_cores(self) -> int:
        """Those that this process may use."""
        return len(os.sched_getaffinity(0))

    def repetitions(self, full: int) -> int:
        return 1 if self.quick else full

    def new_folder(self, name: str) -> Path:
        """An empty folder of that name."""
        path = self.folder / name
        path.mkdir(parents=True)
        return path
