"""What is in a tracking database, read with SQL alone: no code of the project has a say."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

CLOCK = {"epoch_seconds", "images_per_second"}
"""Metrics that depend on the weather."""


@dataclass
class TrackedRun:
    run_id: str
    name: str
    status: str
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    """(step, value) of every row, sorted by step, the newest of a step last"""


def runs(database: Path, kind: str | None = None) -> list[TrackedRun]:
    with sqlite3.connect(database) as db:
        found = {
            row[0]: TrackedRun(*row)
            for row in db.execute(
                "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active'"
            )
        }
        for table in ("tags", "params"):
            for run_id, key, value in db.execute(f"SELECT run_uuid, key, value FROM {table}"):  # noqa: S608
                if run_id in found:
                    getattr(found[run_id], table)[key] = value
        for run_id, key, step, value, is_nan in db.execute(
            "SELECT run_uuid, key, step, value, is_nan FROM metrics ORDER BY step, timestamp"
        ):
            if run_id in found:
                found[run_id].metrics[key].append((step, float("nan") if is_nan else value))
    return [run for run in found.values() if kind in (None, run.tags.get("kind"))]


def numbers(database: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Every metric of every finished trial, by trial_id, without what the clock says."""
    finished = [r for r in runs(database, "trial") if r.status == "FINISHED"]
    result = {
        run.tags["trial_id"]: {k: v for k, v in run.metrics.items() if k not in CLOCK}
        for run in finished
    }
    assert len(result) == len(finished), "two finished runs of one trial"
    return result
