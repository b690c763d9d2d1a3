"""A tracked sweep of any size in seconds: one trial is run, its rows in MLflow's database copied.

Also used by the tests of growth.
"""

from __future__ import annotations

import json
import random
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import yaml

from benchmarks import commands
from experiments.tracking.long_tags import run_tags
from vae.configuration import Configuration, Trial

EXPERIMENT = "growth"
"""Its name in MLflow."""

N_SEEDS = 5
_TABLES = ("runs", "tags", "params", "metrics", "latest_metrics")
_ONE: dict[str, Any] = {
    "name": EXPERIMENT,
    "dataset": "mnist5k",
    "fixed": {
        "encoder": "mlp1",
        "epochs": 2,
        "hidden_dim": 16,
        "latent_dim": 2,
        "batch_size": 500,
    },
    "pictures": {"samples": 4},
}

ONE_TRIAL = yaml.safe_dump(_ONE)
"""The experiment file, as text, of one trial of seconds."""


def start(folder: Path) -> None:
    """Run a sweep of one trial, tracked in `folder / "mlflow.db"`."""
    (folder / "one.yaml").write_text(ONE_TRIAL)
    commands.sweep(folder, "one.yaml", "--engine", "serial")


def question(n_trials: int) -> str:
    """The experiment file, as text, that asks for so many trials."""
    return yaml.safe_dump({**_ONE, "grid": {"lr": _rates(n_trials)}, "seeds": N_SEEDS})


def _rates(n_trials: int) -> list[float]:
    return [1e-3 + k * 1e-6 for k in range(1, n_trials // N_SEEDS + 1)]


def grow(folder: Path, n_trials: int) -> None:
    """Add so many finished trials to what `start` made, and write the file that asks for them.

    The file is `folder / "many.yaml"`.
    """
    db = sqlite3.connect(folder / "mlflow.db")
    trial_run, configuration_run = _Template(db, "trial"), _Template(db, "configuration")
    chance = random.Random(0)
    for lr in _rates(n_trials):
        configuration = Configuration(dataset="mnist5k", lr=lr, **_ONE["fixed"])
        finished = {
            seed: _add_trial(trial_run, Trial(configuration=configuration, seed=seed), chance)
            for seed in range(N_SEEDS)
        }
        tags = {
            "configuration_id": configuration.id,
            "configuration": configuration.model_dump_json(),
            "seeds": json.dumps(list(range(N_SEEDS))),
            **run_tags("finished", finished),
        }
        configuration_run.copy(tags, {"n_finished": N_SEEDS, "n_expected": N_SEEDS})
    db.commit()
    db.close()
    (folder / "many.yaml").write_text(question(n_trials))


def _add_trial(template: _Template, trial: Trial, chance: random.Random) -> str:
    """Returns the run's id."""
    tags = {
        "trial_id": trial.id,
        "configuration_id": trial.configuration.id,
        "trial": trial.model_dump_json(),
    }
    return template.copy(tags, {"return": chance.gauss(-40, 1), "test/nll": chance.gauss(130, 1)})


class _Template:
    """A run's rows in every table, to be copied under another id."""

    def __init__(self, db: sqlite3.Connection, kind: str) -> None:
        self._db = db
        query = "SELECT run_uuid FROM tags WHERE key = 'kind' AND value = ?"
        (run_id,) = db.execute(query, (kind,)).fetchone()
        self._rows: dict[str, list[dict[str, Any]]] = {}
        for table in _TABLES:
            cursor = db.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run_id,))  # noqa: S608
            names = [column[0] for column in cursor.description]
            self._rows[table] = [dict(zip(names, row, strict=True)) for row in cursor]

    def copy(self, tags: dict[str, str], metrics: dict[str, float]) -> str:
        """Insert them under a new id, which is returned, with these values changed."""
        run_id = uuid.uuid4().hex
        changed: dict[str, dict[str, Any]]
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
