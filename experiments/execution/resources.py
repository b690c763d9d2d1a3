"""What trials take of a machine, and what a machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """What one trial takes of a node."""

    cpus: float
    gpus: float

    def fits_into(self, resources: Mapping[str, float]) -> int:
        """How many trials fit side by side into what a node has."""
        fits = resources.get("CPU", 0) / self.cpus
        if self.gpus:
            fits = min(fits, resources.get("GPU", 0) / self.gpus)
        return math.floor(fits + 1e-9)  # ten tenths of a GPU are one


def cpu_cores() -> int:
    """Those that this process may use, which in a container are not all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
