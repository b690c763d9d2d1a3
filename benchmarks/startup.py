"""Row `startup`: how long a command takes that has nothing to compute, in units of importing torch.

Importing torch takes two seconds on the machine that the goals were written for, so that the goals
mean 2 s for a plan and 4 s for a report there.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks import commands
from benchmarks.figures import Figure, ratios
from benchmarks.options import Options
from benchmarks.tracked_sweep import EXPERIMENT, start

_DRY_RUN_GOAL, _ANALYZE_GOAL = 1.0, 2.0


def measure(options: Options) -> list[Figure]:
    folder = options.new_folder("startup")
    start(folder)
    torch, plan, report = [], [], []
    for _ in range(options.repetitions(5)):
        torch.append(commands.seconds(folder, "-c", "import torch"))
        plan.append(_dry_run(folder))
        report.append(commands.analyze(folder, EXPERIMENT))
    return [
        _figure("sweep.py quickstart --dry-run", plan, torch, _DRY_RUN_GOAL),
        _figure("analyze.py of two trials", report, torch, _ANALYZE_GOAL),
    ]


def _dry_run(folder: Path) -> float:
    """Where nothing has been tracked: a plan that must look at what is done imports MLflow."""
    elsewhere = f"sqlite:///{folder / 'nothing.db'}"
    return commands.sweep(folder, "quickstart", "--dry-run", "--tracking-uri", elsewhere)


def _figure(what: str, taken: list[float], torch: list[float], goal: float) -> Figure:
    note = f"{statistics.median(taken):.2g} s; import torch {statistics.median(torch):.2g} s"
    return Figure("startup", f"{what} ÷ import torch", ratios(taken, torch), goal, note=note)
