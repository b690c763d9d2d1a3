"""Row `restart`: the first epoch of a sweep that starts, and what one missing trial costs many.

Both in units of what cannot be less: importing torch and MLflow in one process, and a restart with
nothing left to do.
"""

from __future__ import annotations

import sqlite3
import statistics
from pathlib import Path

from benchmarks import commands, tracked_sweep
from benchmarks.figures import Figure, ratios
from benchmarks.options import Options

_FIRST_EPOCH_GOAL, _MISSING_GOAL = 1.2, 2.0


def measure(options: Options) -> list[Figure]:
    return [_first_epoch(options), _one_missing(options)]


def _first_epoch(options: Options) -> Figure:
    imports, first = [], []
    for repetition in range(options.repetitions(5)):
        folder = options.new_folder(f"first epoch {repetition}")
        (folder / "one.yaml").write_text(tracked_sweep.ONE_TRIAL)
        imports.append(commands.seconds(folder, "-c", "import torch, mlflow"))
        first.append(commands.seconds_until("epoch 1/", folder, "sweep.py", "one.yaml"))
    what = "sweep.py to its first epoch ÷ importing torch and MLflow in one process"
    note = f"{statistics.median(first):.1f} s and {statistics.median(imports):.1f} s"
    return Figure("restart", what, ratios(first, imports), _FIRST_EPOCH_GOAL, note=note)


def _one_missing(options: Options) -> Figure:
    n_trials = 500 if options.quick else 5_000
    folder = options.new_folder("one missing")
    tracked_sweep.start(folder)
    tracked_sweep.grow(folder, n_trials)
    none, one = [], []
    for _ in range(options.repetitions(3)):
        none.append(commands.sweep(folder, "many.yaml"))
        _delete_one(folder)
        one.append(commands.sweep(folder, "many.yaml"))
    what = f"restart with one of {n_trials:,} trials missing ÷ with none"
    note = f"{statistics.median(one):.1f} s and {statistics.median(none):.1f} s"
    return Figure("restart", what, ratios(one, none), _MISSING_GOAL, note=note)


def _delete_one(folder: Path) -> None:
    """As a person deletes a run in MLflow's pages."""
    with sqlite3.connect(folder / "mlflow.db") as db:
        db.execute(
            "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = (SELECT run_uuid FROM "
            "runs JOIN tags USING (run_uuid) WHERE key = 'kind' AND tags.value = 'trial' "
            "AND lifecycle_stage = 'active' ORDER BY run_uuid LIMIT 1)"
        )
