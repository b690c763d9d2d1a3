"""How long a sweep of which everything is done takes to say so, at 100, 1,000 and 10,000 trials.

The figures are for README; what is asserted is that they do not grow faster than the sweep.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Workspace
from vae.configuration import Configuration, Trial

N_SEEDS = 5
TABLES = ("runs", "tags", "params", "metrics", "latest_metrics")
ONE = """
name: growth
dataset: mnist5k
fixed: {encoder: mlp1, epochs: 2, hidden_dim: 16, latent_dim: 2, batch_size: 500, images: 4}
"""


class Template:
    """A run's rows in every table, to be copied under another id."""

    def __init__(self, db: sqlite3.Connection, kind: str) -> None:
        self._db = db
        query = "SELECT run_uuid FROM tags WHERE key = 'kind' AND value = ?"
        (run_id,) = db.execute(query, (kind,)).fetchone()
        self._rows: dict[str, list[dict[str, Any]]] = {}
        for table in TABLES:
            cursor = db.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run_id,))  # noqa: S608
            names = [column[0] for column in cursor.description]
            self._rows[table] = [dict(zip(names, row, strict=True)) for row in cursor]

    def copy(self, tags: dict[str, str], metrics: dict[str, float]) -> str:
        run_id = uuid.uuid4().hex
        changed = {"tags": tags, "metrics": metrics, "latest_metrics": metrics}
        for table, rows in self._rows.items():
            for row in rows:
                values = {**row, "run_uuid": run_id}
                if row.get("key") in changed.get(table, {}):
                    values["value"] = changed[table][row["key"]]
                marks = ", ".join("?" * len(values))
                columns = ", ".join(values)
                self._db.execute(
                    f"INSERT INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608
                    list(values.values()),
                )
        return run_id


def grow(workspace: Workspace, n_trials: int) -> None:
    """Fill the database of a sweep of one trial up to so many, and write the file that asks."""
    db = sqlite3.connect(workspace.folder / "mlflow.db")
    trial_run, configuration_run = Template(db, "trial"), Template(db, "configuration")
    rates = [1e-3 + k * 1e-6 for k in range(1, n_trials // N_SEEDS + 1)]
    base = yaml.safe_load(ONE)
    for lr in rates:
        configuration = Configuration(dataset="mnist5k", lr=lr, **base["fixed"])
        finished = {}
        for seed in range(N_SEEDS):
            trial = Trial(configuration=configuration, seed=seed)
            tags = {
                "trial_id": trial.id,
                "configuration_id": configuration.id,
                "trial": trial.model_dump_json(),
            }
            finished[seed] = trial_run.copy(tags, {})
        tags = {
            "configuration_id": configuration.id,
            "configuration": configuration.model_dump_json(),
            "seeds": json.dumps(list(range(N_SEEDS))),
            "finished": json.dumps(finished),
        }
        configuration_run.copy(tags, {"n_finished": N_SEEDS, "n_expected": N_SEEDS})
    db.commit()
    db.close()
    question = {**base, "grid": {"lr": rates}, "seeds": N_SEEDS}
    workspace.write(yaml.safe_dump(question), "many.yaml")


@pytest.mark.slow
def test_start_up_grows_no_faster_than_the_sweep(tmp_path: Path) -> None:
    seconds = {}
    for n_trials in (100, 1_000, 10_000):
        folder = tmp_path / str(n_trials)
        folder.mkdir()
        workspace = Workspace(folder)
        workspace.write(ONE, "one.yaml")
        assert workspace.run("sweep.py", "one.yaml", "--engine", "serial").returncode == 0
        grow(workspace, n_trials)
        started = time.perf_counter()
        done = workspace.run("sweep.py", "many.yaml")
        seconds[n_trials] = time.perf_counter() - started
        assert f"0 trials finished, {n_trials} had been before" in done.stderr
    for n_trials, taken in seconds.items():
        print(f"{n_trials:>6} trials, all done: {taken:.1f} s")
    exponent = math.log10(seconds[10_000] / seconds[1_000])
    print(f"exponent from 1,000 to 10,000: {exponent:.2f}")
    assert exponent <= 1.1
